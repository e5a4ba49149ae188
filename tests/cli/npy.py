"""NumPy files without NumPy, which the tests do not need otherwise. An array is (dtype, shape, flat list), dtype as in "<f4"."""

import ast
import io
import math
import struct
import zipfile

_CODES = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q", "|u1": "B"}


def dumps(dtype, shape, values):
    header = repr({"descr": dtype, "fortran_order": False, "shape": tuple(shape)}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    assert len(values) == math.prod(shape)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(values)}{_CODES[dtype][-1]}", *values)


def loads(data):
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    size = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10 : 10 + size].decode())
    assert not header["fortran_order"]
    count = math.prod(header["shape"])
    return header["descr"], header["shape"], list(struct.unpack(f"<{count}{_CODES[header['descr']]}", data[10 + size :]))


def load(path):
    return loads(path.read_bytes())


def dumps_npz(**arrays):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(name + ".npy", dumps(*array))
    return file.getvalue()


def load_npz(path):
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): loads(archive.read(name)) for name in archive.namelist()}


def float32(value):
    """The nearest float32."""
    return struct.unpack("<f", struct.pack("<f", value))[0]
