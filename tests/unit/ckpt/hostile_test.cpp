// Files whose seal is right and whose index is not: what somebody could send. Each is refused with its path and what is wrong.
#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <functional>

#include "base/crc32c.h"
#include "base/error.h"
#include "ckpt/checkpoint.h"
#include "ckpt/index.h"
#include "ckpt/seal.h"
#include "unit/test_folder.h"
#include "unit/text.h"

namespace dl {
namespace {

// `body` (HDF5 part and what follows the seal) and `index` as a file with a good seal; the message of the FileError without the path.
std::string refusal_of(const std::string& body, const std::string& index) {
  const TestFolder folder;
  const std::string path = folder / "x.ckpt.h5", rest = body + index;
  std::ofstream(path, std::ios::binary) << make_seal(kSealBytes + rest.size(), kSealBytes + body.size(), crc32c(rest)) << rest;
  CHECK(is_checkpoint(path));
  try {
    read_checkpoint(path);
    return "";
  } catch (const FileError& error) {
    const std::string message = error.what();
    CHECK(message.starts_with(path + ": "));
    return message.substr(path.size() + 2);
  }
}

// A good checkpoint with other entries.
std::string refusal(const std::function<void(std::vector<IndexEntry>&)>& change, const std::function<void(std::string&)>& edit = {}) {
  const TestFolder folder;
  Checkpoint c;
  c.spec = "model: {}";
  c.parameters["dense/kernel"] = Tensor(DType::kFloat32, {4, 8});
  const std::string path = folder / "good";
  write_checkpoint(path, c);
  const SealedFile file(path);
  std::vector<IndexEntry> entries = parse_index(file.read_index(), file.size(), path);
  REQUIRE(entries.size() == 3);
  REQUIRE(entries[0].name == "dense/kernel");
  const std::string bytes = read_text(path);
  const std::string body = bytes.substr(kSealBytes, bytes.size() - kSealBytes - file.read_index().size());
  change(entries);
  std::string index = write_index(entries);
  if (edit) edit(index);
  return refusal_of(body, index);
}

using Entries = std::vector<IndexEntry>&;

TEST_CASE("unchanged, it reads") {
  CHECK(refusal([](Entries) {}) == "");
}

TEST_CASE("sizes that the file cannot hold") {
  const char* kTooLarge = "parameter 'dense/kernel': is larger than the file can hold";
  CHECK(refusal([](Entries e) { e[0].dims = {int64_t{1} << 40}; }) == kTooLarge);
  CHECK(refusal([](Entries e) { e[0].offset = 1 << 20; }) == kTooLarge);
  CHECK(refusal([](Entries e) { e[0].offset = UINT64_MAX; }) == kTooLarge);
  CHECK(refusal([](Entries e) { e[0].offset = UINT64_MAX - 100; }) == kTooLarge);
  CHECK(has(refusal([](Entries e) { e[0].dims = {1 << 16, 1 << 16, 1 << 16, 1 << 16}; }), "is too large"));
  CHECK(has(refusal([](Entries e) { e[0].dims = {INT64_MAX}; }), "is too large"));
  CHECK(has(refusal([](Entries e) { e[0].dims = {INT64_MAX / 4 + 1}; }), "parameter 'dense/kernel': "));
  // Many entries over the same bytes.
  CHECK(has(refusal([](Entries e) {
              e[0].offset = 0;
              e[0].dims = {1024};
              for (int i = 0; i < 1000; ++i) {
                e.push_back(e[0]);
                e.back().name += std::to_string(i);
              }
            }),
            "is larger than the file can hold"));
}

TEST_CASE("entries that do not belong") {
  CHECK(has(refusal([](Entries e) { e[0].crc ^= 1; }), "parameter 'dense/kernel': its checksum does not fit its data"));
  CHECK(has(refusal([](Entries e) { e[0].offset += 4; }), "does not fit its data"));
  CHECK(has(refusal([](Entries e) { e.push_back(e[0]); }), "parameter 'dense/kernel': is there twice"));
  CHECK(has(refusal([](Entries e) { e.push_back(e[1]); }), "text 'spec': is there twice"));
  CHECK(has(refusal([](Entries e) { e[0].kind = "weight"; }), "weight 'dense/kernel': is not known"));
  CHECK(has(refusal([](Entries e) { e[1].name = "Spec"; }), "text 'Spec': is not known"));
  CHECK(has(refusal([](Entries e) { e.erase(e.begin() + 1); }), "has no spec or no state"));
  CHECK(has(refusal([](Entries e) { e.clear(); }), "has no spec or no state"));
  CHECK(has(refusal([](Entries e) { e[0].kind = "fact"; }), "fact 'dense/kernel': is no text"));
  CHECK(has(refusal([](Entries e) { e[0].name = std::string("a\0b", 3); }), "NUL"));
}

TEST_CASE("bools that are none") {
  const std::string body = "\x02";
  std::vector<IndexEntry> entries = {{"parameter", DType::kBool, {1}, kSealBytes, crc32c(body), "flag"}};
  CHECK(refusal_of(body, write_index(entries)) == "parameter 'flag': holds values that are neither true nor false");
}

TEST_CASE("an index that does not read") {
  const auto edited = [](const char* from, const char* to) {
    return refusal([](Entries) {},
                   [&](std::string& index) {
                     const size_t at = index.find(from);
                     REQUIRE(at != std::string::npos);
                     index.replace(at, std::strlen(from), to);
                   });
  };
  const char* kUnreadable = "is damaged: its index does not read at byte ";
  CHECK(has(edited("float32", "float33"), "element type 'float33' is not known"));
  CHECK(has(edited(" 2 4 8 ", " -2 4 8 "), kUnreadable));
  CHECK(has(edited(" 2 4 8 ", " 2 -4 8 "), kUnreadable));
  CHECK(has(edited(" 2 4 8 ", " 33 4 8 "), kUnreadable));
  CHECK(has(edited(" 2 4 8 ", " 18446744073709551615 4 8 "), kUnreadable));
  CHECK(has(edited(" 2 4 8 ", " 2 4 18446744073709551616 "), kUnreadable));
  CHECK(has(edited(" 2 4 8 ", " 2  4 8 "), kUnreadable));
  CHECK(has(edited(" 12 dense", " 13 dense"), kUnreadable));
  CHECK(has(edited(" 12 dense", " 11 dense"), kUnreadable));
  CHECK(has(edited(" 12 dense", " 18446744073709551615 dense"), kUnreadable));
  CHECK(has(edited("\ntext", "\ntexts"), "texts 'spec': is not known"));
  CHECK(has(edited("\ntext", "\n text"), kUnreadable));
  CHECK(has(edited("parameter ", ""), "element type '2' is not known"));
  // Cut off anywhere.
  const std::string whole =
      write_index({{"parameter", DType::kFloat32, {2, 3}, 600, 1, "a"}, {"text", DType::kUInt8, {3}, 700, 2, "spec"}});
  const size_t first = whole.find('\n') + 1;
  for (size_t n = 1; n < whole.size(); ++n) {
    if (n != first) CHECK_THROWS_AS(parse_index(whole.substr(0, n), 10'000, "x"), FileError);
  }
  CHECK(parse_index(whole, 10'000, "x").size() == 2);
}

TEST_CASE("an index that is outside") {
  const TestFolder folder;
  for (const uint64_t offset : {uint64_t{0}, uint64_t{511}, uint64_t{1000}, UINT64_MAX}) {
    std::ofstream(folder / "x", std::ios::binary) << make_seal(kSealBytes + 3, offset, crc32c("abc")) << "abc";
    CHECK_THROWS_WITH_AS(read_checkpoint(folder / "x"), doctest::Contains("its index is outside"), FileError);
  }
}

}  // namespace
}  // namespace dl
