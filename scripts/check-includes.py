#!/usr/bin/env python3
"""Checks the direction of every #include in lib/ and apps/.

- lib/X may include only itself and the folders that the dl_library(X ...) line of CMakeLists.txt reaches: that list is the only one.
- A third-party header may be included only from its own folder (THIRD_PARTY below, design: "one folder each").
- Heavy headers (HEAVY below) may not be included from a header, so that they stay in few translation units.

Usage: check-includes.py [--self-test] [ROOT]      exit 0: clean, 1: findings on stdout
"""

import re
import sys
import tempfile
from pathlib import Path

# Header prefix -> folders that may include it. "lib" = everywhere in lib/, "apps" = the commands.
THIRD_PARTY = {
    "CLI/": ["apps"],
    "Eigen/": ["lib/backend/cpu"],
    "H5": ["lib/hdf5", "apps/dltool/version.cpp"],
    "hdf5": ["lib/hdf5"],
    "archive": ["lib/data"],
    "cblas.h": ["lib/backend/cpu"],
    "cublas": ["lib/backend/cuda"],
    "cuda": ["lib/backend/cuda"],
    "cudnn": ["lib/backend/cuda"],
    "curl/": ["lib/net"],
    "dnnl": ["lib/backend/cpu", "apps/dltool/version.cpp"],
    "flatbuffers/": ["lib/io"],
    "fmt/": ["lib", "apps"],
    "google/protobuf/": ["lib/io", "lib/train", "lib/data"],
    "jerror.h": ["lib/data"],
    "jpeglib.h": ["lib/data"],
    "minizip/": ["lib/zip"],
    "mosquitto.h": ["lib/stream"],
    "mpi.h": ["lib/dist/mpi"],
    "nccl.h": ["lib/backend/cuda", "lib/dist"],
    "nlohmann/": ["lib/spec", "lib/data", "lib/train", "lib/bench", "lib/io", "lib/stream", "lib/ckpt", "apps"],
    "oneapi/dnnl/": ["lib/backend/cpu", "apps/dltool/version.cpp"],
    "openssl/": ["lib/base", "lib/data", "lib/stream", "lib/ckpt"],
    "png.h": ["lib/data"],
    "simdjson": ["lib/stream"],
    "spdlog/": ["lib", "apps"],
    "yaml-cpp/": ["lib/spec"],
    "zlib.h": ["lib/base", "lib/data", "lib/io", "lib/ckpt", "lib/train", "lib/zip"],
}
# Of the compiler and the system: anywhere.
SYSTEM = re.compile(
    r"[a-z_0-9]+$|(sys|linux|net|netinet|arpa)/[a-z_0-9]+\.h$|"
    r"([a-z]+intrin|cpuid|cxxabi|dirent|dlfcn|errno|execinfo|fcntl|fnmatch|ftw|glob|limits|locale|math|malloc|omp|poll|pthread|pwd|sched|semaphore|"
    r"setjmp|signal|spawn|stdarg|stddef|stdint|stdio|stdlib|string|strings|termios|time|ucontext|unistd)\.h$")
HEAVY = ["CLI/", "Eigen/", "H5", "fmt/", "google/protobuf/", "hdf5", "nlohmann/json.hpp", "spdlog/", "yaml-cpp/"]
# Data of another layer, not code: a backend may read the operator tables of ops/.
OP_TABLES = re.compile(r"ops/([a-z0-9_]+\.(def|inc)|[a-z0-9_]*table[a-z0-9_]*\.h)$")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)


def read_dependencies(cmake_text):
    """{folder: every folder it may include}, from the dl_library(...) lines; private links count for the folder itself only."""
    public, private = {}, {}
    for name, rest in re.findall(r"^dl_library\((\w+)([^)]*)\)", cmake_text, re.MULTILINE):
        where = public.setdefault(name, set())
        private[name] = set()
        for word in rest.split():
            if word == "LINK":
                where = public[name]
            elif word == "PRIVATE":
                where = private[name]
            elif word.startswith("dl_"):
                where.add(word[3:])
    reach = {}

    def visit(name, path):
        if name in path:
            sys.exit(f"CMakeLists.txt: cycle in dl_library: {' -> '.join(path + [name])}")
        if name not in reach:
            reach[name] = set().union({name}, *(visit(d, path + [name]) for d in public.get(name, ())))
        return reach[name]

    for name in public:
        visit(name, [])
    return {name: set().union(reach[name], *(reach.get(d, {d}) for d in private[name])) for name in public}


def within(file, folders):
    return any(file == f or file.startswith(f + "/") for f in folders)


def check_file(file, text, allowed):
    """Findings of one file; `file` is relative to the root, with slashes."""
    parts = file.split("/")
    folder = parts[1] if parts[0] == "lib" else None
    if folder is not None and folder not in allowed:
        yield 1, f"lib/{folder} has no dl_library({folder} ...) line in CMakeLists.txt"
        return
    is_header = file.endswith((".h", ".hpp", ".def", ".inc"))
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        bracket, header = match.groups()
        generated = header.endswith((".pb.h", "_generated.h"))
        if bracket == '"' and not generated:
            first = header.split("/")[0]
            if header.startswith("../") or "/../" in header:
                yield line, f'"{header}": write the path from lib/, without ..'
            elif folder is None:
                if "/" in header and first not in allowed:
                    yield line, f'"{header}": no folder lib/{first}'
            elif "/" not in header:
                yield line, f'"{header}": write the path from lib/, e.g. "{folder}/{header}"'
            elif first == "apps":
                yield line, f'"{header}": lib/ never includes apps/'
            elif first not in allowed[folder] and not (folder == "backend" and OP_TABLES.match(header)):
                yield line, (f'"{header}": lib/{folder} may not include {first}/; it may include {", ".join(sorted(allowed[folder]))} '
                             "(dl_library lines of CMakeLists.txt)")
            continue
        if SYSTEM.match(header):
            continue
        if generated:
            if folder not in ("train", "io", "data", "stream"):
                yield line, f"<{header}>: generated code belongs to io, train, data and stream"
            continue
        owner = max((p for p in THIRD_PARTY if header.startswith(p)), key=len, default=None)
        if header.startswith("doctest/"):
            yield line, f"<{header}>: only tests include it"
        elif owner is None:
            yield line, f"<{header}>: unknown third-party header; give it one folder in THIRD_PARTY of scripts/check-includes.py"
        elif not within(file, THIRD_PARTY[owner]):
            yield line, f"<{header}>: belongs to {', '.join(THIRD_PARTY[owner])} only"
        elif is_header and parts[0] == "lib" and any(header.startswith(h) for h in HEAVY):
            yield line, f"<{header}>: heavy; include it from a .cpp file only"


def check(root):
    allowed = read_dependencies((root / "CMakeLists.txt").read_text())
    findings, files = [], 0
    for top in ("lib", "apps"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".h", ".hpp", ".cpp", ".cc", ".cu", ".def", ".inc") and path.is_file():
                files += 1
                name = path.relative_to(root).as_posix()
                findings += [f"{name}:{line}: {what}" for line, what in check_file(name, path.read_text(errors="replace"), allowed)]
    return files, findings


def self_test():
    cmake = ("dl_library(base LINK fmt::fmt)\ndl_library(graph LINK dl_base)\ndl_library(ops LINK dl_graph)\n"
             "dl_library(backend LINK dl_graph PRIVATE dl_op_tables DNNL::dnnl)\ndl_library(spec LINK dl_base PRIVATE yaml-cpp)\n"
             "dl_library(layers\n  LINK dl_ops dl_spec)\n")
    # file, text, expected number of findings
    cases = [
        ("lib/graph/a.cpp", '#include "graph/a.h"\n#include <vector>\n#include "base/e.h"\n#include <fmt/core.h>\n', 0),
        ("lib/graph/b.cpp", '#include "ops/x.h"\n', 1),
        ("lib/graph/c.cpp", '  #  include "ops/x.h"\n', 1),
        ("lib/graph/d.cpp", '// #include "ops/x.h"\n', 0),
        ("lib/layers/a.cpp", '#include "graph/a.h"\n#include "base/e.h"\n#include "spec/n.h"\n', 0),
        ("lib/layers/b.cpp", '#include <yaml-cpp/yaml.h>\n', 1),
        ("lib/spec/a.cpp", '#include <yaml-cpp/yaml.h>\n', 0),
        ("lib/spec/a.h", '#include <yaml-cpp/yaml.h>\n', 1),
        ("lib/base/f.h", '#include <fmt/format.h>\n', 1),
        ("lib/backend/cpu/m.cpp", '#include <oneapi/dnnl/dnnl.hpp>\n#include <Eigen/Core>\n#include <immintrin.h>\n', 0),
        ("lib/backend/null/m.cpp", '#include <dnnl.hpp>\n', 1),
        ("lib/backend/cpu/e.cpp", '#include "ops/elementwise.def"\n', 0),
        ("lib/backend/cpu/o.cpp", '#include "ops/op.h"\n', 1),
        ("lib/ops/u.cpp", '#include <boost/any.hpp>\n', 1),
        ("lib/ops/v.cpp", '#include "helper.h"\n#include "../base/e.h"\n', 2),
        ("lib/ops/w.cpp", '#include "apps/dltool/x.h"\n', 1),
        ("lib/ops/d.cpp", '#include <doctest/doctest.h>\n', 1),
        ("lib/nowhere/a.cpp", "int x;\n", 1),
        ("apps/dltool/m.cpp", '#include <CLI/CLI.hpp>\n#include "layers/l.h"\n#include "options.h"\n', 0),
        ("apps/dltool/n.cpp", '#include <yaml-cpp/yaml.h>\n', 1),
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "CMakeLists.txt").write_text(cmake)
        for name, text, _ in cases:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        files, findings = check(root)
        assert files == len(cases), (files, len(cases))
        for name, _, expected in cases:
            found = [f for f in findings if f.startswith(name + ":")]
            assert len(found) == expected, (name, expected, found)
    print(f"self-test: {len(cases)} cases as expected")


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--self-test"]:
        self_test()
        return 0
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    files, findings = check(root)
    print("\n".join(findings) if findings else f"include directions: {files} files clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
