#!/usr/bin/env python3
# Makes the files beside it with NumPy, Pillow and h5py, so that the readers are judged by what those write.
# X.expected.npy holds what Pillow decodes from X. Needs: numpy, pillow, h5py.
import io
import os

import h5py
import numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(7)

a = np.arange(24, dtype="<f4").reshape(2, 3, 4) / 8
np.save("plain.npy", a)
np.save("fortran.npy", np.asfortranarray(a))
np.save("big.npy", a.astype(">f4"))
np.save("fortran_big_i16.npy", np.asfortranarray(np.arange(-6, 6, dtype=">i2").reshape(3, 4)))
with open("v2.npy", "wb") as f:
    np.lib.format.write_array(f, a, version=(2, 0))
with open("v3.npy", "wb") as f:
    np.lib.format.write_array(f, a, version=(3, 0))
np.save("scalar.npy", np.float64(2.5))
np.save("half.npy", np.array([1.5, -2, 65504], dtype=np.float16))
np.save("bool.npy", np.array([True, False, True]))
np.save("object.npy", np.array([1, "a", None], dtype=object), allow_pickle=True)
np.save("text.npy", np.array(["a", "bc"]))
np.save("complex.npy", np.array([1 + 2j]))
np.save("struct.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
np.savez("stored.npz", x=a, y=np.array([1, 0], dtype=np.int64))
np.savez_compressed("deflated.npz", x=a, y=np.array([1, 0], dtype=np.int64), scale=np.float32(3))

with h5py.File("arrays.h5", "w") as f:
    f["plain"] = a
    f.create_dataset("packed/big", data=a.astype(">f8"), chunks=(1, 2, 4), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("grows", data=a.astype("<f2"), maxshape=(None, 3, 4), chunks=(1, 3, 4))
    f["y"] = np.array([1, 0], dtype=">i8")
    f["flags"] = np.array([True, False])
    f["words"] = ["a", "bc"]
    f["one"] = 2.5
with h5py.File("linked.h5", "w") as f:
    f["x"] = h5py.ExternalLink("arrays.h5", "plain")

yy, xx = np.mgrid[0:13, 0:17]
rgb = np.stack([yy * 19, xx * 15, (yy + xx) * 8], -1).astype(np.uint8)
alpha = ((xx * 255) // 16).astype(np.uint8)


def keep(name, image, decoded=None):
    image.save(name, **({"quality": 90} if name.endswith("jpg") else {}))
    np.save(name + ".expected.npy", decoded if decoded is not None else np.asarray(Image.open(name).convert("RGB")))


keep("rgb.png", Image.fromarray(rgb))
keep("gray.png", Image.fromarray(rgb[..., 0]))
keep("alpha.png", Image.fromarray(np.dstack([rgb, alpha])), rgb)
keep("gray_alpha.png", Image.fromarray(np.dstack([rgb[..., 0], alpha]), "LA"), np.repeat(rgb[..., :1], 3, -1))
keep("palette.png", Image.fromarray(rgb).quantize(16))
keep("bilevel.png", Image.fromarray(((yy + xx) % 3 == 0)))
deep = (yy * 4000 + xx * 700).astype(np.uint16)
keep("gray16.png", Image.fromarray(deep), np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, -1))
keep("rgb.jpg", Image.fromarray(rgb))
keep("gray.jpg", Image.fromarray(rgb[..., 0]))
keep("cmyk.jpg", Image.fromarray(rgb).convert("CMYK"))
keep("one.png", Image.fromarray(rgb[3:4, 5:6]))
Image.fromarray(rgb).save("progressive.jpg", quality=90, progressive=True)
np.save("progressive.jpg.expected.npy", np.asarray(Image.open("progressive.jpg")))
# tf.image.resize(bilinear, antialias=False): half-pixel centers, edges clamped; in double.
def resize(image, h, w):
    def taps(n, m):
        at = (np.arange(n) + 0.5) * m / n - 0.5
        low = np.floor(at)
        return np.clip(low, 0, m - 1).astype(int), np.clip(low + 1, 0, m - 1).astype(int), at - low
    y0, y1, fy = taps(h, image.shape[0])
    x0, x1, fx = taps(w, image.shape[1])
    f = image.astype(float)
    fy, fx = fy[:, None, None], fx[None, :, None]
    top = f[y0][:, x0] * (1 - fx) + f[y0][:, x1] * fx
    bottom = f[y1][:, x0] * (1 - fx) + f[y1][:, x1] * fx
    return top * (1 - fy) + bottom * fy
np.save("rgb.png.resized_5x31.npy", resize(rgb, 5, 31))
# The order of a PNG's header fields allows a size far beyond its data: 60000 x 60000.
raw = bytearray(open("rgb.png", "rb").read())
import struct, zlib
raw[16:24] = struct.pack(">II", 60000, 60000)
raw[29:33] = struct.pack(">I", zlib.crc32(bytes(raw[12:29])))
open("huge.png", "wb").write(raw)
jpg = bytearray(open("rgb.jpg", "rb").read())
sof = jpg.index(b"\xff\xc0")
jpg[sof + 5:sof + 9] = struct.pack(">HH", 60000, 60000)
open("huge.jpg", "wb").write(jpg)
