#include "ckpt/checkpoint.h"

#include <doctest/doctest.h>

#include <fstream>
#include <random>

#include "base/crc32c.h"
#include "base/error.h"
#include "ckpt/seal.h"
#include "unit/test_folder.h"
#include "unit/text.h"

namespace dl {
namespace {

Tensor floats(Dims dims, unsigned seed) {
  Tensor t(DType::kFloat32, std::move(dims));
  std::mt19937 random(seed);
  for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = static_cast<float>(random()) / 1e9f;
  return t;
}

Checkpoint sample() {
  Checkpoint c;
  c.spec = "model: \"größe\"\nlayers: []\n";
  c.state = R"({"epoch":3,"best":0.1})";
  c.facts = {{"version", "0.1.0"}, {"host", "node7"}, {"empty", ""}, {"a/b", "x"}};
  c.parameters["dense/kernel"] = floats({7, 5}, 1);
  c.parameters["dense/bias"] = floats({5}, 2);
  c.parameters["dense/kernel/adam_m"] = floats({7, 5}, 3);
  c.parameters["dense/kernel/adam_v"] = floats({7, 5}, 4);
  c.parameters["step"] = Tensor::scalar<int64_t>(469);
  return c;
}

void check_equal(const Checkpoint& a, const Checkpoint& b) {
  CHECK(a.spec == b.spec);
  CHECK(a.state == b.state);
  CHECK(a.facts == b.facts);
  REQUIRE(a.parameters.size() == b.parameters.size());
  for (const auto& [name, tensor] : a.parameters) {
    CAPTURE(name);
    REQUIRE(b.parameters.contains(name));
    CHECK(bit_equal(tensor, b.parameters.at(name)));
    CHECK(tensor.dims() == b.parameters.at(name).dims());
  }
}

// The message of the FileError that reading throws; "" when it reads.
std::string read_error(const std::string& path) {
  try {
    read_checkpoint(path);
    return "";
  } catch (const FileError& error) {
    return error.what();
  }
}

void put(const std::string& path, std::string_view bytes) { std::ofstream(path, std::ios::binary) << bytes; }

TEST_CASE("a checkpoint comes back bit for bit") {
  const TestFolder folder;
  const std::string path = folder / "a.ckpt.h5";
  const Checkpoint c = sample();
  write_checkpoint(path, c);
  CHECK(is_checkpoint(path));
  check_equal(c, read_checkpoint(path));
  CHECK(folder.files() == std::vector<std::string>{"a.ckpt.h5"});
}

TEST_CASE("every element type, rank and odd bit pattern") {
  const TestFolder folder;
  Checkpoint c;
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kBFloat16, DType::kFloat16, DType::kInt8, DType::kUInt8, DType::kInt16,
                            DType::kUInt16, DType::kInt32, DType::kUInt32, DType::kInt64, DType::kUInt64, DType::kBool}) {
    const std::string base = name_of(dtype);
    for (const Dims& dims : {Dims{}, Dims{0}, Dims{3, 0, 2}, Dims{1}, Dims{2, 3, 1, 4}, Dims{1000}}) {
      Tensor t(dtype, dims);
      auto* bytes = static_cast<unsigned char*>(t.raw());
      // All bits occur, NaN payloads included: nothing may pass through a conversion.
      for (size_t i = 0; i < t.bytes(); ++i) bytes[i] = static_cast<unsigned char>(dtype == DType::kBool ? i & 1 : i * 151 + 77);
      c.parameters[base + to_string(dims)] = t;
    }
  }
  const std::string path = folder / "types.ckpt.h5";
  write_checkpoint(path, c);
  check_equal(c, read_checkpoint(path));
}

TEST_CASE("any name is a parameter's name") {
  const TestFolder folder;
  Checkpoint c;
  // Names below other names, steps that HDF5 would drop, our own escapes, words of the layout.
  for (const char* name : {"a",
                           "a/b",
                           "a/b/c",
                           "a/b%2Fc",
                           "a%2Fb",
                           "b/c/a",
                           "b",
                           "",
                           "/",
                           "//",
                           "./.",
                           ".",
                           "..",
                           "%",
                           "%25",
                           "x//y",
                           "x/",
                           "/x",
                           "слой/вес",
                           "parameters/kernel",
                           "slots/m/kernel",
                           "with space/tab\there",
                           "dense/kernel.m"}) {
    c.parameters[name] = Tensor::scalar<int64_t>(static_cast<int64_t>(c.parameters.size()));
  }
  std::string deep = "d";
  for (int i = 0; i < 200; ++i) deep += "/d";
  c.parameters[deep] = Tensor::scalar<int64_t>(-1);
  const std::string path = folder / "names.ckpt.h5";
  write_checkpoint(path, c);
  check_equal(c, read_checkpoint(path));
}

TEST_CASE("an empty checkpoint") {
  const TestFolder folder;
  write_checkpoint(folder / "a", {});
  check_equal({}, read_checkpoint(folder / "a"));
}

TEST_CASE("texts larger than an HDF5 attribute") {
  const TestFolder folder;
  Checkpoint c;
  c.spec.assign(300'000, 'x');
  c.state.assign(2'000'000, 'y');
  c.facts["long"] = std::string(100'000, 'z');
  write_checkpoint(folder / "a", c);
  check_equal(c, read_checkpoint(folder / "a"));
}

TEST_CASE("the same content gives the same bytes") {
  const TestFolder folder;
  write_checkpoint(folder / "a", sample());
  write_checkpoint(folder / "b", sample());
  CHECK(read_text(folder / "a") == read_text(folder / "b"));
}

TEST_CASE("a flipped byte anywhere is found") {
  const TestFolder folder;
  write_checkpoint(folder / "good", sample());
  const std::string good = read_text(folder / "good"), path = folder / "bad";
  std::mt19937 random(7);
  std::vector<size_t> places;
  for (size_t i = 0; i < 110; ++i) places.push_back(i);  // the whole of the text at the start
  for (int i = 0; i < 200; ++i) places.push_back(random() % good.size());
  for (const size_t place : places) {
    CAPTURE(place);
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] ^ (1 << random() % 8));
    put(path, bad);
    const std::string error = read_error(path);
    CHECK(error.starts_with(path + ": "));
  }
}

TEST_CASE("a file cut off anywhere, or with more at its end") {
  const TestFolder folder;
  write_checkpoint(folder / "good", sample());
  const std::string good = read_text(folder / "good"), path = folder / "bad";
  for (size_t length = 0; length < good.size(); length += length < 600 ? 7 : 257) {
    CAPTURE(length);
    put(path, good.substr(0, length));
    CHECK(!read_error(path).empty());
    CHECK(is_checkpoint(path) == (length >= kSealMagic.size()));
  }
  put(path, good + "x");
  CHECK(has(read_error(path), "is damaged: holds " + std::to_string(good.size() + 1) + " bytes of " + std::to_string(good.size())));
}

TEST_CASE("a newer format says so") {
  const TestFolder folder;
  const std::string path = folder / "a";
  write_checkpoint(path, sample());
  std::string bytes = read_text(path);
  bytes.replace(0, kSealBytes,
                make_seal(bytes.size(), bytes.size(), crc32c(std::string_view(bytes).substr(kSealBytes)), kCheckpointVersion + 1));
  put(path, bytes);
  CHECK(has(read_error(path), "written by a newer dltool"));
}

TEST_CASE("what is no checkpoint") {
  const TestFolder folder;
  folder.write("text", "hello\n");
  CHECK(!is_checkpoint(folder / "text"));
  CHECK(has(read_error(folder / "text"), "is no dltool checkpoint"));
  CHECK(!is_checkpoint(folder / "missing"));
  CHECK_THROWS_AS(read_checkpoint(folder / "missing"), EnvError);
  CHECK(!is_checkpoint(folder.path));
  CHECK_THROWS_AS(read_checkpoint(folder.path), FileError);
  CHECK(!is_checkpoint("/dev/zero"));
  CHECK_THROWS_AS(read_checkpoint("/dev/zero"), FileError);
}

}  // namespace
}  // namespace dl
