#include "base/atomic_file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/error.h"

using namespace dl;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("dltool-atomic-" + std::to_string(::getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
  int64_t count() const { return std::distance(fs::directory_iterator(path), fs::directory_iterator()); }
};

std::string read(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

template <class F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const EnvError& error) {
    return error.what();
  }
  return "";
}

// Files of this process may not grow beyond `bytes`: a write is cut short there and the next one fails (EFBIG), like a full disk.
struct FileSizeLimit {
  rlimit before{};
  void (*handler)(int);
  explicit FileSizeLimit(rlim_t bytes) : handler(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
};

}  // namespace

TEST_CASE("atomic_write replaces the file and leaves nothing else") {
  Folder folder;
  const std::string path = folder / "a.txt", bytes("one\0two", 7);
  atomic_write(path, bytes);
  CHECK(read(path) == bytes);
  atomic_write(path, "");
  CHECK(read(path).empty());
  CHECK(folder.count() == 1);
}

TEST_CASE("AtomicFile: nothing under the final name before commit, nothing at all without it") {
  Folder folder;
  const std::string path = folder / "model.h5";
  atomic_write(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
    CHECK(read(path) == "old");
    CHECK(fs::path(file.temp_path()).parent_path() == folder.path);
    CHECK(folder.count() == 2);
  }
  CHECK(read(path) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("AtomicFile: another library may write the temporary file by name") {
  Folder folder;
  AtomicFile file(folder / "model.h5");
  std::ofstream(file.temp_path(), std::ios::trunc) << "by name";
  file.commit();
  CHECK(read(folder / "model.h5") == "by name");
  CHECK(folder.count() == 1);
}

TEST_CASE("a write cut short is an EnvError with path and reason; the old file stays, the temporary one goes") {
  Folder folder;
  const std::string path = folder / "report.html";
  atomic_write(path, "old");
  std::string message;
  {
    FileSizeLimit limit(4096);
    message = message_of([&] { atomic_write(path, std::string(10000, 'x')); });
  }
  CHECK(message == path + ": cannot write: File too large");
  CHECK(read(path) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("a full device is an EnvError that says what to do") {
  CHECK(message_of([] { atomic_write("/dev/full", "x"); }) ==
        "/dev/full: cannot write: No space left on device (free some space or choose another folder)");
  CHECK(fs::is_character_file("/dev/full"));
}

TEST_CASE("a missing folder, a folder as target and a file as folder are EnvErrors") {
  Folder folder;
  const std::string missing = folder / "no/a.txt";
  CHECK(message_of([&] { atomic_write(missing, "x"); }) ==
        missing + ": cannot create: No such file or directory (create the folder first)");
  const std::string directory = folder.path.string();
  CHECK(message_of([&] { atomic_write(directory, "x"); }) == directory + ": cannot write: Is a directory");
  atomic_write(folder / "file", "x");
  const std::string below = folder / "file/a";
  CHECK(message_of([&] { atomic_write(below, "x"); }) == below + ": cannot create: Not a directory");
  CHECK(folder.count() == 1);
}

TEST_CASE("AtomicFile follows links, keeps permissions, writes pipes directly, takes the longest names") {
  Folder folder;
  atomic_write(folder / "real", "old");
  ::chmod((folder / "real").c_str(), 0640);
  fs::create_symlink("real", folder / "link");
  atomic_write(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read(folder / "real") == "new");
  struct stat info {};
  ::stat((folder / "real").c_str(), &info);
  CHECK((info.st_mode & 07777) == 0640);

  // A link to a file that does not exist yet creates that file.
  fs::create_symlink("later", folder / "dangling");
  atomic_write(folder / "dangling", "x");
  CHECK(read(folder / "later") == "x");

  const std::string long_name(255, 'n');
  atomic_write(folder / long_name.c_str(), "x");
  CHECK(read(folder / long_name.c_str()) == "x");

  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  atomic_write("/dev/fd/" + std::to_string(pipe_ends[1]), "through");
  char buffer[16] = {};
  CHECK(::read(pipe_ends[0], buffer, sizeof buffer) == 7);
  CHECK(std::string(buffer) == "through");
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_CASE("remove_stale_temp_files removes only what AtomicFile left") {
  Folder folder;
  std::string left;
  {
    AtomicFile file(folder / "a.txt");
    left = file.temp_path();
  }
  std::ofstream(left) << "of a killed process";
  std::ofstream(folder / "user.tmp") << "x";
  std::ofstream(folder / ".hidden") << "x";
  CHECK(remove_stale_temp_files(folder.path.string()) == 1);
  CHECK(folder.count() == 2);
  CHECK(remove_stale_temp_files(folder / "missing") == 0);
}
