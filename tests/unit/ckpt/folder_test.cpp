#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "ckpt/checkpoint.h"
#include "unit/test_folder.h"

namespace dl {
namespace {

Checkpoint numbered(int64_t step, int64_t floats = 10) {
  Checkpoint c;
  c.parameters["step"] = Tensor::scalar<int64_t>(step);
  c.parameters["w"] = Tensor(DType::kFloat32, {floats});
  return c;
}

int64_t step_in(const Checkpoint& c) { return c.parameters.at("step").values<int64_t>()[0]; }

std::vector<int64_t> steps_of(const CheckpointFolder& folder) {
  std::vector<int64_t> steps;
  for (const auto& entry : folder.list()) steps.push_back(entry.step);
  return steps;
}

void damage(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(700);
  file.put('\x55');
  REQUIRE(file.good());
}

TEST_CASE("the last k and the best") {
  const TestFolder root;
  CheckpointFolder folder(root / "run/checkpoints", 3);
  CHECK(folder.list().empty());
  CHECK(!folder.load_latest(nullptr));
  folder.prepare();
  for (int64_t step = 100; step <= 600; step += 100) {
    CHECK(folder.save(step, numbered(step)) == root / ("run/checkpoints/step-00000" + std::to_string(step) + ".ckpt.h5"));
  }
  CHECK(steps_of(folder) == std::vector<int64_t>{600, 500, 400});
  CHECK(folder.save_best(numbered(500)) == folder.best_path());
  const auto latest = folder.load_latest(nullptr);
  REQUIRE(latest);
  CHECK(latest->first == root / "run/checkpoints/step-00000600.ckpt.h5");
  CHECK(step_in(latest->second) == 600);
  CHECK(step_in(read_checkpoint(folder.best_path())) == 500);
  folder.save(600, numbered(601));  // once more
  CHECK(step_in(folder.load_latest(nullptr)->second) == 601);
  folder.save(12'345'678'901, numbered(1));  // more digits than the padding
  CHECK(steps_of(folder)[0] == 12'345'678'901);
}

TEST_CASE("a damaged checkpoint is skipped with a warning") {
  const TestFolder root;
  CheckpointFolder folder(root.path, 3);
  for (int64_t step = 1; step <= 3; ++step) folder.save(step, numbered(step));
  damage(folder.list()[0].path);
  std::filesystem::resize_file(folder.list()[1].path, 900);
  std::vector<std::string> warnings;
  const auto latest = folder.load_latest(&warnings);
  REQUIRE(latest);
  CHECK(step_in(latest->second) == 1);
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0].starts_with(folder.list()[0].path + ": is damaged: checksum"));
  CHECK(warnings[1].find("holds 900 bytes of") != std::string::npos);
  damage(folder.list()[2].path);
  CHECK_THROWS_AS(folder.load_latest(nullptr), FileError);
}

TEST_CASE("saving after going back drops the way that was left, never the new file") {
  const TestFolder root;
  CheckpointFolder folder(root.path, 1);
  folder.save(300, numbered(300));
  damage(folder.list()[0].path);
  folder.save(150, numbered(150));
  CHECK(steps_of(folder) == std::vector<int64_t>{150});
}

TEST_CASE("files of others stay") {
  const TestFolder root;
  CheckpointFolder folder(root.path, 1);
  for (const char* name : {"step-1.ckpt.h5", "step-00000002.ckpt.h5.bak", "step-0000000x.ckpt.h5", "step--0000001.ckpt.h5", "mine.ckpt.h5",
                           ".step.7.dltool-tmp"}) {
    std::ofstream(root / name) << "x";
  }
  folder.save(5, numbered(5));
  folder.save(6, numbered(6));
  CHECK(root.files() == std::vector<std::string>{".step.7.dltool-tmp", "mine.ckpt.h5", "step--0000001.ckpt.h5", "step-00000002.ckpt.h5.bak",
                                                 "step-00000006.ckpt.h5", "step-0000000x.ckpt.h5", "step-1.ckpt.h5"});
  folder.prepare();
  CHECK(!std::filesystem::exists(root / ".step.7.dltool-tmp"));
}

TEST_CASE("a folder that is gone or cannot be made") {
  const TestFolder root;
  CheckpointFolder folder(root / "a", 1);
  folder.prepare();
  folder.save(1, numbered(1));
  std::filesystem::remove_all(root / "a");
  CHECK_THROWS_AS(folder.save(2, numbered(2)), EnvError);
  CHECK(!std::filesystem::exists(root / "a"));
  std::ofstream(root / "file") << "x";
  CHECK_THROWS_AS(CheckpointFolder(root / "file", 1).prepare(), EnvError);
}

// Saves ever larger steps until the disk says no, then sees that all that was there is still good.
void save_until_full(const TestFolder& root, int64_t floats) {
  CheckpointFolder folder(root.path, 100);
  int64_t step = 1;
  std::string message;
  for (; step < 50 && message.empty(); ++step) {
    try {
      folder.save(step, numbered(step, floats * step));
    } catch (const EnvError& error) {
      message = error.what();
    }
  }
  const int64_t failed = step - 1;
  CAPTURE(message);
  REQUIRE(failed >= 2);
  CHECK(message.find("step-0000000" + std::to_string(failed) + ".ckpt.h5: cannot write") != std::string::npos);
  CHECK(root.files().size() == static_cast<size_t>(failed - 1));  // nothing half-written
  for (const auto& entry : folder.list()) CHECK(step_in(read_checkpoint(entry.path)) == entry.step);
  CHECK(step_in(folder.load_latest(nullptr)->second) == failed - 1);
}

TEST_CASE("a file size limit") {
  const TestFolder root;
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = before;
  limit.rlim_cur = 200'000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  save_until_full(root, 20'000);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
}

// Root can have a disk of its own, also a read-only one; others see what permissions do.
TEST_CASE("a full and a read-only disk") {
  const TestFolder root;
  const bool mounted = ::mount("tmpfs", root.path.c_str(), "tmpfs", 0, "size=1m") == 0;
  if (mounted) {
    save_until_full(root, 30'000);
    // The best: its old file stays when the new one does not fit.
    CheckpointFolder folder(root.path, 1);
    for (const auto& entry : folder.list()) std::filesystem::remove(entry.path);
    folder.save_best(numbered(1, 100'000));
    CHECK_THROWS_AS(folder.save_best(numbered(2, 200'000)), EnvError);
    CHECK(step_in(read_checkpoint(folder.best_path())) == 1);
    CHECK(::mount("tmpfs", root.path.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m") == 0);
  } else {
    MESSAGE("no tmpfs may be mounted here; the disk that fills up is left to the test of the file size limit");
    CheckpointFolder(root.path, 1).save_best(numbered(1));
    std::filesystem::permissions(root.path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  }
  CheckpointFolder folder(root.path, 1);
  if (mounted || ::geteuid() != 0) {
    CHECK_THROWS_AS(folder.save(7, numbered(7)), EnvError);
    CHECK(folder.list().empty());
    CHECK(step_in(read_checkpoint(folder.best_path())) == 1);
  }
  if (mounted) CHECK(::umount(root.path.c_str()) == 0);
}

TEST_CASE("kill -9 at any moment leaves a good checkpoint") {
  const TestFolder root;
  CheckpointFolder folder(root.path, 2);
  folder.save(1, numbered(1, 50'000));
  unsigned delay_us = 500;
  for (int round = 0; round < 15; ++round) {
    const int64_t first = step_in(folder.load_latest(nullptr)->second);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (int64_t step = first + 1;; ++step) folder.save(step, numbered(step, 50'000));
    }
    ::usleep(delay_us);
    delay_us = delay_us * 14 / 10;
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    std::vector<std::string> warnings;
    const auto latest = folder.load_latest(&warnings);
    REQUIRE(latest);
    CHECK(warnings.empty());
    CHECK(step_in(latest->second) >= first);
    folder.prepare();
    // More than are kept may be there, when kills came before the deletions; the next save deletes them.
    folder.save(step_in(latest->second) + 1, numbered(step_in(latest->second) + 1, 50'000));
    CHECK(folder.list().size() == 2);
  }
  CHECK(step_in(folder.load_latest(nullptr)->second) > 1);
}

}  // namespace
}  // namespace dl
