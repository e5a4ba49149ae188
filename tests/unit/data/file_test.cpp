#include "data/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "helpers.h"

using namespace dl;
using namespace dl::test;

namespace {
std::string open_error(const std::string& path) {
  return error_of([&] { read_file(path, 1 << 20); });
}
}  // namespace

TEST_CASE("file: what is not a readable regular file is refused at once") {
  const TestFolder folder;
  CHECK(open_error(folder / "absent.csv").find("4: " + (folder / "absent.csv") + ": cannot open: No such file") == 0);
  CHECK(open_error(folder.path) == "3: " + folder.path + ": expected a regular file, found a directory");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(open_error(folder / "pipe") == "3: " + (folder / "pipe") + ": expected a regular file, found a pipe (use - for standard input)");
  CHECK(open_error("/dev/zero") == "3: /dev/zero: expected a regular file, found a device or socket");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
  REQUIRE(::symlink("loop", (folder / "loop").c_str()) == 0);
  CHECK(open_error(folder / "loop").find("Too many levels of symbolic links") != std::string::npos);
  folder.write("secret", "1\n");
  REQUIRE(::chmod((folder / "secret").c_str(), 0) == 0);
  if (::geteuid() != 0) CHECK(open_error(folder / "secret").find("4: ") == 0);  // root reads everything
  CHECK(open_error("s3://bucket/key") == "2: s3://bucket/key: the scheme 's3' is not supported; give a local path");
  CHECK(open_error(std::string("a\0b", 3)).find("2: a\\x00b: ") == 0);
  CHECK(open_error(std::string(5000, 'x')).find("4: ") == 0);
}

TEST_CASE("file: odd names work and print as one line") {
  const TestFolder folder;
  for (const std::string name : {"-x.csv", "a b.csv", "new\nline.csv", "\xc3\xbc\xe6\xbc\xa2.csv", "\xff\x01.csv", "%s{}.csv"}) {
    folder.write(name, "1,2\n");
    CHECK(read_file(folder / name, 100).size() == 4);
    const std::string error = open_error(folder / (name + "!"));
    CHECK(error.find('\n') == std::string::npos);
    CHECK(error.find("4: ") == 0);
  }
  CHECK(printable("a\nb\x7f\xff\xc3\xbc") == "a\\nb\\x7f\\xff\xc3\xbc");
  CHECK(resolve_path("/run", "a/b.csv") == "/run/a/b.csv");
  CHECK(resolve_path("/run/", "b.csv") == "/run/b.csv");
  CHECK(resolve_path("/run", "/b.csv") == "/b.csv");
  CHECK(resolve_path("/run", "-") == "-");
  CHECK(resolve_path("/run", "s3://b/k") == "s3://b/k");
  CHECK(resolve_path("", "-x.csv") == "-x.csv");
}

TEST_CASE("file: reading is bounded, and a gzip bomb stops at the bound") {
  const std::string bomb = gzip(std::string(50 << 20, '\0'));
  CHECK(bomb.size() < 100'000);
  CHECK(error_of([&] { read_all(*open_memory(bytes_of(bomb), "bomb"), 1 << 20); }) ==
        "3: bomb: longer than the 1048576 bytes allowed here");
  const TestFolder folder;
  folder.write("exact", "12345");
  CHECK(read_file(folder / "exact", 5).size() == 5);
  CHECK(open_error(folder / "exact").empty());
  CHECK(error_of([&] { read_file(folder / "exact", 4); }).find("longer than the 4 bytes") != std::string::npos);
}

TEST_CASE("file: a result appears at commit or not at all") {
  const TestFolder folder;
  folder.write("out", "old");
  {
    OutputFile file(folder / "out");
    file.write("new");
  }
  CHECK(read_text(folder / "out") == "old");
  OutputFile file(folder / "out");
  file.write("new");
  file.commit();
  CHECK(read_text(folder / "out") == "new");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
  CHECK(error_of([] { OutputFile("/dev/full").write("x"); }).find("4: /dev/full: cannot write") == 0);
}
