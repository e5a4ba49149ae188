#include "base/working_file.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/error.h"
#include "base/positional_io.h"
#include "base/unnamed_file.h"
#include "unit/test_folder.h"

using namespace dl;

namespace fs = std::filesystem;

TEST_CASE("WorkingFile: written from the end to the begin, read back, there with commit()") {
  const TestFolder folder;
  const std::string path = folder / "x";
  const std::string large(3'000'000, 'y');
  {
    WorkingFile file(path);
    file.write(4, large);
    file.write(0, "head");
    std::string found;
    file.read_back(2, 4 + large.size(), [&](std::string_view bytes) { found += bytes; });
    CHECK(found == "ad" + large);
    CHECK_THROWS_AS(file.read_back(0, 5 + large.size(), [](std::string_view) {}), EnvError);
    CHECK(!fs::exists(path));
    file.commit();
  }
  CHECK(read_text(path) == "head" + large);
  { WorkingFile(path).write(0, "other"); }
  CHECK(fs::file_size(path) == 4 + large.size());  // not committed
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("WorkingFile: what has no places is refused, a full disk is told") {
  try {
    WorkingFile("/dev/full");
    FAIL("a device was taken");
  } catch (const EnvError& e) {
    CHECK(std::string(e.what()) == "/dev/full: cannot write: Illegal seek");
  }
}

TEST_CASE("an unnamed file is written and read at any place, and short where it ends") {
  const int fd = open_unnamed_file("a test");
  CHECK(write_at(fd, 10, "abc", 3).error == 0);
  char bytes[8] = {};
  const Transfer whole = read_at(fd, 10, bytes, 3), cut = read_at(fd, 11, bytes, 8);
  CHECK(whole.bytes == 3);
  CHECK(cut.bytes == 2);
  CHECK(cut.error == 0);
  CHECK(read_at(-1, 0, bytes, 1).error != 0);
  CHECK(write_at(-1, 0, bytes, 1).error != 0);
  ::setenv("TMPDIR", "/nonexistent/folder", 1);
  std::string message;
  try {
    open_unnamed_file("a test");
  } catch (const EnvError& e) {
    message = e.what();
  }
  ::unsetenv("TMPDIR");
  CHECK(message ==
        "/nonexistent/folder: cannot make a temporary file for a test: No such file or directory; set TMPDIR to a folder with room for it");
}
