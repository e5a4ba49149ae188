// Files of tests/unit/data/files are NumPy's own (make_files.py beside them).
#include "data/npy.h"

#include <doctest/doctest.h>

#include "helpers.h"

using namespace dl;
using namespace dl::test;

namespace {

std::string npy_error(const std::string& bytes) {
  return error_of([&] { read_npy(bytes_of(bytes), "t.npy"); });
}

std::string npy(const std::string& dict, const std::string& data, char major = 1) {
  std::string text = dict + "\n", out = std::string("\x93NUMPY") + major + '\0';
  out += static_cast<char>(text.size() & 0xff);
  out += static_cast<char>(text.size() >> 8);
  if (major > 1) out += std::string(2, '\0');
  return out + text + data;
}

std::string header(const std::string& descr, const std::string& shape) {
  return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }";
}

}  // namespace

TEST_CASE("npy: every version, order and byte order gives the same array") {
  std::vector<double> expected;
  for (int i = 0; i < 24; ++i) expected.push_back(i / 8.0);
  for (const char* file : {"plain", "fortran", "big", "v2", "v3"}) {
    const Tensor t = read_npy(kFiles + file + ".npy");
    CHECK(t.dtype() == DType::kFloat32);
    CHECK(t.dims() == Dims{2, 3, 4});
    CHECK(numbers(t) == expected);
  }
  const Tensor i16 = read_npy(kFiles + "fortran_big_i16.npy");
  CHECK(i16.dtype() == DType::kInt16);
  CHECK(numbers(i16) == std::vector<double>{-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5});
  CHECK(read_npy(kFiles + "scalar.npy").dims().empty());
  CHECK(read_npy(kFiles + "scalar.npy").at(0) == 2.5);
  CHECK(numbers(read_npy(kFiles + "half.npy")) == std::vector<double>{1.5, -2, 65504});
  CHECK(numbers(read_npy(kFiles + "bool.npy")) == std::vector<double>{1, 0, 1});
}

TEST_CASE("npy: what is not an array of numbers is refused") {
  const auto error = [](const std::string& file) { return error_of([&] { read_npy(kFiles + file); }); };
  CHECK(error("object.npy").find("3: " + kFiles + "object.npy: dtype object holds pickled Python, which is never read") == 0);
  CHECK(error("text.npy").find("dtype '<U2' is not supported") != std::string::npos);
  CHECK(error("complex.npy").find("dtype '<c16' is not supported") != std::string::npos);
  CHECK(error("struct.npy").find("a structured array") != std::string::npos);
}

TEST_CASE("npy: damaged and hostile files") {
  CHECK(npy_error("") == "3: t.npy: not an .npy file (it does not begin with \\x93NUMPY)");
  CHECK(npy_error(npy(header("'<f4'", "(2,)"), "12345678")).empty());
  CHECK(npy_error(npy(header("'<f4'", "(2,)"), "1234567")) == "3: t.npy: shape [2] of float32 needs 8 bytes, the file holds 7");
  CHECK(npy_error(npy(header("'<f4'", "(2,)"), "123456789")) ==
        "3: t.npy: bytes after the 8 of data that shape [2] needs; the file is damaged");
  CHECK(npy_error(npy(header("'<f4'", "(1000000000000,)"), "1234"))
            .find("3: t.npy: shape [1000000000000] of float32 needs 4000000000000 bytes, the file holds") == 0);
  CHECK(npy_error(npy(header("'<f8'", "(4294967296, 4294967296)"), "")).find("more elements than fit in memory") != std::string::npos);
  CHECK(npy_error(npy(header("'<f8'", "(4611686018427387904,)"), "")).find("needs 9223372036854775807 bytes") != std::string::npos);
  CHECK(npy_error(npy(header("'<f4'", "(-1,)"), "")).find("a size in 'shape' is not a number") != std::string::npos);
  CHECK(npy_error(npy(header("'<f4'", "(0, 5)"), "")).empty());
  CHECK(npy_error(npy(header("'<f4'", "(99999999999999999999,)"), "")).find("a size in 'shape'") != std::string::npos);
  CHECK(npy_error(npy(header("'<f4'", "(1,)") + "x", "1234")).find("text after the header's closing brace") != std::string::npos);
  CHECK(npy_error(npy("{'descr': '<f4'}", "")).find("the header lacks") != std::string::npos);
  CHECK(npy_error(npy("{'descr': '<f4', 'descr': '<f4'}", "")).find("unexpected key 'descr'") != std::string::npos);
  CHECK(npy_error(npy("{'evil': 1}", "")).find("unexpected key 'evil'") != std::string::npos);
  CHECK(npy_error(npy("__import__('os')", "")).find("expected '{' at header byte 0") != std::string::npos);
  CHECK(npy_error(npy(header("'<f4'", "(1,)"), "1234", 4)).find("version 4 is not supported") != std::string::npos);
  CHECK(npy_error(std::string("\x93NUMPY\x01\x00\xff\xff{", 11)) ==
        "3: t.npy: the header says 65535 bytes, the file ends before; it is truncated");
  CHECK(npy_error(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff{", 13)).find("header of 4294967295 bytes; at most") != std::string::npos);
  const std::string good = read_text(kFiles + "plain.npy");
  for (size_t n = 0; n < good.size(); ++n) CHECK(npy_error(good.substr(0, n)).find("3: t.npy: ") == 0);
}

TEST_CASE("npy: written as NumPy writes it") {
  CHECK(npy_bytes(read_npy(kFiles + "plain.npy")) == read_text(kFiles + "plain.npy"));
  CHECK(npy_bytes(read_npy(kFiles + "scalar.npy")) == read_text(kFiles + "scalar.npy"));
  CHECK(npy_bytes(read_npy(kFiles + "bool.npy")) == read_text(kFiles + "bool.npy"));
  CHECK(npy_bytes(read_npy(kFiles + "half.npy")) == read_text(kFiles + "half.npy"));
}

TEST_CASE("npz: members by name, stored and deflated") {
  for (const char* file : {"stored.npz", "deflated.npz"}) {
    const NamedTensors all = read_npz(kFiles + file);
    REQUIRE(all.size() >= 2);
    CHECK(all[0].first == "x");
    CHECK(bit_equal(all[0].second, read_npy(kFiles + "plain.npy")));
    CHECK(all[1].second.dtype() == DType::kInt64);
    const std::string bytes = read_text(kFiles + file);
    CHECK(read_npz(bytes_of(bytes), "t.npz", {"y"}).size() == 1);
    CHECK(error_of([&] { read_npz(kFiles + file, {"z"}); }).find(": no array 'z'; the file holds ") != std::string::npos);
    for (size_t n = 0; n < bytes.size(); n += 7)
      CHECK(error_of([&] { read_npz(bytes_of(bytes.substr(0, n)), "t.npz"); }).find("3: t.npz: ") == 0);
    for (size_t n = 40; n < bytes.size(); n += 3) {  // any flipped byte: read or refused, never more
      std::string flipped = bytes;
      flipped[n] = static_cast<char>(flipped[n] ^ 0x10);
      const std::string error = error_of([&] { read_npz(bytes_of(flipped), "t.npz"); });
      CHECK((error.empty() || error.find("3: t.npz") == 0));
    }
  }
  const TestFolder folder;
  const NamedTensors out = {{"a b", Tensor::from<float>({2}, std::vector<float>{1, 2})}, {"n", Tensor::scalar<int64_t>(7)}};
  write_npz(folder / "o.npz", out);
  const NamedTensors back = read_npz(folder / "o.npz");
  REQUIRE(back.size() == 2);
  CHECK(back[0].first == "a b");
  CHECK(bit_equal(back[0].second, out[0].second));
  CHECK(bit_equal(back[1].second, out[1].second));
  const std::string first = read_text(folder / "o.npz");
  write_npz(folder / "o.npz", out);
  CHECK(read_text(folder / "o.npz") == first);
}
