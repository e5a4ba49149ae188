#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/error.h"
#include "unit/test_folder.h"
#include "zip/zip_reader.h"
#include "zip/zip_writer.h"

using namespace dl;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string archive(const std::vector<std::pair<std::string, std::string>>& members) {
  ZipDirectory directory;
  std::string out;
  for (const auto& [name, text] : members) out += directory.add(name, text.size(), zip_checksum(text)) + text;
  return out + directory.end();
}

std::string read_all(ZipReader& zip, const ZipMember& member, size_t piece = 7) {
  zip.open(member);
  std::string text, block(piece, '\0');
  for (size_t got = piece; got == piece; text.append(block, 0, got)) got = zip.read(std::as_writable_bytes(std::span(block)));
  return text;
}

std::string problem(const std::string& archive) {
  try {
    ZipReader zip(bytes_of(archive), "a.zip");
    for (const ZipMember& member : zip.members()) read_all(zip, member);
    return "";
  } catch (const FileError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("zip: what is written is read, from a file and from memory, and offsets lead to the bytes") {
  const TestFolder folder;
  ZipWriter writer(folder / "a.zip");
  writer.add_text("one", "first member");
  writer.add_text("empty", "");
  writer.add_file("f/\xc3\xa4", [](int fd, uint64_t offset) {
    CHECK(pwrite(fd, "second", 6, static_cast<off_t>(offset)) == 6);
    return uint64_t{6};
  });
  writer.finish();
  std::ifstream file(folder / "a.zip", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  CHECK(bytes == archive({{"one", "first member"}, {"empty", ""}, {"f/\xc3\xa4", "second"}}));

  const int fd = open((folder / "a.zip").c_str(), O_RDONLY | O_CLOEXEC);
  for (const bool memory : {false, true}) {
    ZipReader zip = memory ? ZipReader(bytes_of(bytes), "a.zip") : ZipReader(fd, "a.zip");
    REQUIRE(zip.members().size() == 3);
    CHECK(zip.members()[2].name == "f/\xc3\xa4");
    CHECK(read_all(zip, zip.members()[2]) == "second");
    CHECK(read_all(zip, zip.members()[0], 12) == "first member");
    CHECK(read_all(zip, zip.members()[0], 1) == "first member");
    CHECK(read_all(zip, zip.members()[1]) == "");
    CHECK(bytes.substr(zip.open(zip.members()[2]), 6) == "second");
  }
  close(fd);
}

TEST_CASE("zip: an archive of no members is one, an empty file is none") {
  CHECK(problem(archive({})) == "");
  CHECK(problem("") == "a.zip: is no zip file, or it is damaged or cut short");
  CHECK(problem("PK\x05\x06") == "a.zip: is no zip file, or it is damaged or cut short");
}

TEST_CASE("zip: more members than 16 bits count") {
  std::vector<std::pair<std::string, std::string>> members(65'536);
  for (size_t i = 0; i < members.size(); ++i) members[i] = {std::to_string(i), "x"};
  const std::string all = archive(members);
  ZipReader zip(bytes_of(all), "a.zip");
  REQUIRE(zip.members().size() == members.size());
  CHECK(read_all(zip, zip.members()[65'535]) == "x");
  members.emplace_back("more", "x");
  CHECK(problem(archive(members)) == "a.zip: has 65537 members; at most 65536 are read");
}

TEST_CASE("zip: damage is told wherever it is") {
  const std::string good = archive({{"one", "first member"}, {"two", "second member"}});
  CHECK(problem(good) == "");
  for (size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(problem(good.substr(0, size)) != "");
  }
  std::string data = good;
  data[data.find("first")] ^= 1;
  CHECK(problem(data) == "a.zip: member 'one' is damaged: its checksum or its length is wrong");
  std::string header = good;
  header[header.find("PK\x03\x04", 4) + 1] = 'X';
  CHECK(problem(header) == "a.zip: member 'two' is damaged: it does not lie where the archive says");
  CHECK(problem(archive({{"one", "1"}, {"one", "2"}})) == "a.zip: member 'one' is there twice: refused");
  std::string encrypted = good;
  encrypted[encrypted.find("PK\x01\x02") + 8] |= 1;
  CHECK(problem(encrypted) == "a.zip: member 'one' is encrypted, which is not read; save it without");
  std::string method = good;
  method[method.find("PK\x01\x02") + 10] = 12;
  CHECK(problem(method) == "a.zip: member 'one' is packed by a method other than deflate, which is not read");
  std::string bomb = good;
  const size_t row = bomb.find("PK\x01\x02");
  bomb[row + 10] = 8;   // deflate
  bomb[row + 27] = 16;  // 256 MiB from 12 bytes
  CHECK(problem(bomb) == "a.zip: member 'one' would unpack from 12 to 268435468 bytes: refused");
  CHECK(problem(archive({{"a\nb", "1"}, {"a\nb", "2"}})) == "a.zip: member 'a\\nb' is there twice: refused");
  std::string no_name = good;
  no_name[no_name.find("one", no_name.find("PK\x01\x02"))] = '\0';
  CHECK(problem(no_name) == "a.zip: is no zip file, or it is damaged or cut short");
}
