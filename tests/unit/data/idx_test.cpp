#include "data/idx.h"

#include <doctest/doctest.h>

#include "helpers.h"

using namespace dl;
using namespace dl::test;

namespace {

std::string be32(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

std::string idx(int type, const std::vector<uint32_t>& dims, const std::string& data) {
  std::string out = {'\0', '\0', static_cast<char>(type), static_cast<char>(dims.size())};
  for (const uint32_t d : dims) out += be32(d);
  return out + data;
}

Tensor read(const std::string& bytes) { return read_idx(*open_memory(bytes_of(bytes), "t.idx")); }
std::string idx_error(const std::string& bytes) {
  return error_of([&] { read(bytes); });
}

}  // namespace

TEST_CASE("idx: types and byte order") {
  CHECK(numbers(read(idx(0x08, {2, 2}, "\x01\x02\xff\x04"))) == std::vector<double>{1, 2, 255, 4});
  CHECK(numbers(read(idx(0x09, {1}, "\xff"))) == std::vector<double>{-1});
  CHECK(numbers(read(idx(0x0b, {2}, "\x01\x02\xff\xfe"))) == std::vector<double>{258, -2});
  CHECK(numbers(read(idx(0x0c, {1}, "\x01\x02\x03\x04"))) == std::vector<double>{0x01020304});
  CHECK(numbers(read(idx(0x0d, {1}, be32(0x3fc00000)))) == std::vector<double>{1.5});
  CHECK(numbers(read(idx(0x0e, {1}, be32(0x3ff80000) + be32(0)))) == std::vector<double>{1.5});
  CHECK(numbers(read(gzip(idx(0x08, {3}, "abc")))) == std::vector<double>{'a', 'b', 'c'});
}

TEST_CASE("idx: each bad input, with expected and actual sizes") {
  CHECK(idx_error("\x01") == "3: t.idx: 1 bytes are too few for an IDX file");
  CHECK(idx_error("\x89PNG----") == "3: t.idx: not an IDX file: it begins with 89504e47, expected 0000TTNN");
  CHECK(idx_error(std::string("\x03\x08\0\0\0\0\0\1", 8)) ==
        "3: t.idx: not an IDX file: it begins with 03080000, expected 0000TTNN (it looks little-endian; IDX is big-endian)");
  CHECK(idx_error(idx(0x0a, {1}, "a")) == "3: t.idx: IDX type code 0x0a is unknown; expected 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e");
  CHECK(idx_error(idx(0x08, {}, "")) == "3: t.idx: 0 axes; IDX files of 1 to 8 axes are read");
  CHECK(idx_error(idx(0x08, {2, 3}, "abcde")) == "3: t.idx: shape [2, 3] of uint8 needs 6 bytes of data, the file holds 5");
  CHECK(idx_error(idx(0x08, {2, 3}, "abcdefg")) == "3: t.idx: shape [2, 3] of uint8 needs 6 bytes of data, the file holds more");
  CHECK(idx_error(idx(0x08, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, "abc"))
            .find("of uint8 needs 9223372036854775807 bytes of data, the file holds 3") != std::string::npos);
  CHECK(idx_error(idx(0x0e, {0xffffffff, 16}, "abc")).find("needs 549755813760 bytes of data, the file holds 3") != std::string::npos);
  CHECK(idx_error(idx(0x08, {1}, "a").substr(0, 6)) == "3: t.idx: ends inside the header; the file is truncated");
  CHECK(idx_error(idx(0x08, {0xffffffff, 0}, "")).empty());
}

TEST_CASE("idx source: labels must match the images and the class count") {
  const TestFolder folder;
  folder.write("i", idx(0x08, {2, 1, 2}, std::string("\x00\xff\x80\x01", 4)));
  folder.write("l", idx(0x08, {2}, std::string("\x01\x00", 2)));
  folder.write("three", idx(0x08, {3}, std::string("\x01\x00\x01", 3)));
  folder.write("square", idx(0x08, {2, 1}, std::string("\x01\x00", 2)));
  folder.write("empty", idx(0x08, {0, 1, 2}, ""));
  const auto open = [&](const std::string& keys) { return open_source("{format: idx, " + keys + "}", folder.path); };
  const OpenedSource opened = open("images: i, labels: l, shape: [1, 2, 1], rescale: 1/255");
  CHECK(opened.dataset->fields()[0].dims == Dims{1, 2, 1});
  const float scale = 1.0f / 255;
  CHECK(gather_all(*opened.dataset)[0].data<float>()[2] == 128.0f * scale);
  CHECK(numbers(gather_all(*opened.dataset)[1]) == std::vector<double>{1, 0});
  const auto error = [&](const std::string& keys) { return error_of([&] { open(keys); }); };
  CHECK(error("images: i, labels: three").find("three: 3 labels, but " + (folder / "i") + " holds 2 images") != std::string::npos);
  CHECK(error("images: i, labels: square").find("labels have 2 axes, expected 1") != std::string::npos);
  CHECK(error("images: i, labels: l, classes: 1").find("classes") != std::string::npos);
  CHECK(error("images: empty").find("holds no samples") != std::string::npos);
  folder.write("seven", idx(0x08, {2}, std::string("\x07\x00", 2)));
  CHECK(error("images: i, labels: seven, classes: 2").find("seven: 'y' of sample 0 is 7, not a class number from 0 to 1") !=
        std::string::npos);
}
