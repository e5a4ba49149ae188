#include "train/tensorboard.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unit/test_folder.h"

using namespace dl;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<std::string> names;
  if (!fs::exists(folder)) return names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().string());
  return names;
}

std::string only_file(const fs::path& folder) {
  const auto files = files_of(folder);
  REQUIRE(files.size() == 1);
  return files[0];
}

void run(TensorBoardLog& log, int64_t from, int64_t to) {
  for (int64_t step = from; step <= to; ++step) {
    log.write_step({.step = step, .epoch = (step - 1) / 10, .logs = {{"loss", 1.0 / static_cast<double>(step)}}});
    if (step % 10 == 0) {
      log.write_epoch({.epoch = step / 10 - 1, .step = step, .learning_rate = 0.01, .logs = {{"loss", 0.5}, {"val_loss", 0.75}}});
    }
  }
}

const auto kStopped = [] { return 1.0; };

}  // namespace

TEST_CASE("the first record is the one TensorFlow writes") {
  TestFolder folder;
  EventWriter writer(folder.path, {}, kStopped);
  const std::string path = only_file(folder.path);
  CHECK(fs::path(path).filename().string().starts_with("events.out.tfevents.1."));
  const unsigned char expected[] = {0x18, 0,   0,   0,   0,   0,    0,    0,    0xa3, 0x7f, 0x4b, 0x22, 0x09, 0,
                                    0,    0,   0,   0,   0,   0xf0, 0x3f, 0x1a, 0x0d, 'b',  'r',  'a',  'i',  'n',
                                    '.',  'E', 'v', 'e', 'n', 't',  ':',  '2',  0x86, 0xbf, 0x57, 0x7a};
  const std::string bytes(reinterpret_cast<const char*>(expected), sizeof expected);
  CHECK(read_text(path) == bytes);
}

TEST_CASE("next_record stops at every cut and at every damaged byte") {
  const std::string two = frame_record("first") + frame_record("");
  std::string_view rest = two;
  CHECK(next_record(rest) == "first");
  CHECK(next_record(rest) == "");
  CHECK(next_record(rest) == std::nullopt);
  const std::string one = frame_record("first");
  for (size_t i = 0; i < one.size(); ++i) {
    std::string_view cut = std::string_view(one).substr(0, i);
    CHECK(next_record(cut) == std::nullopt);
    std::string damaged = one;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    std::string_view view = damaged;
    CHECK(next_record(view) == std::nullopt);
  }
}

TEST_CASE("events: interrupted anywhere and resumed equals uninterrupted, in one file per folder") {
  TestFolder folder;
  {
    TensorBoardLog log(folder / "whole", std::nullopt, kStopped);
    run(log, 1, 35);
  }
  const std::string train = read_text(only_file(folder / "whole/train"));
  const std::string validation = read_text(only_file(folder / "whole/validation"));
  for (const int64_t checkpoint : {0, 1, 9, 10, 11, 30, 34}) {
    CAPTURE(checkpoint);
    {
      TensorBoardLog log(folder / "part", std::nullopt, kStopped);
      run(log, 1, 34);
    }
    std::ofstream(only_file(folder / "part/train"), std::ios::app) << "torn";
    TensorBoardLog log(folder / "part", ResumePoint{checkpoint / 10, checkpoint}, kStopped);
    run(log, checkpoint + 1, 35);
    CHECK(read_text(only_file(folder / "part/train")) == train);
    CHECK(read_text(only_file(folder / "part/validation")) == validation);
  }
}

TEST_CASE("events: a checkpoint between the last step and the validation writes the epoch once") {
  TestFolder folder;
  {
    TensorBoardLog log(folder / "run", std::nullopt, kStopped);
    run(log, 1, 20);
  }
  const std::string expected = read_text(only_file(folder / "run/validation"));
  TensorBoardLog log(folder / "run", ResumePoint{.epochs_done = 1, .step = 20}, kStopped);
  log.write_epoch({.epoch = 1, .step = 20, .learning_rate = 0.01, .logs = {{"loss", 0.5}, {"val_loss", 0.75}}});
  CHECK(read_text(only_file(folder / "run/validation")) == expected);
}

TEST_CASE("events: no validation folder without validation; a new run leaves nothing of the old") {
  TestFolder folder;
  {
    TensorBoardLog log(folder / "run", std::nullopt, kStopped);
    log.write_epoch({.epoch = 0, .step = 1, .logs = {{"loss", 1}}});
    CHECK_FALSE(fs::exists(folder / "run/validation"));
    run(log, 1, 10);
  }
  std::ofstream(folder / "run/train/events.out.tfevents.0.other") << "x";
  const size_t before = read_text(only_file(folder / "run/validation")).size();
  TensorBoardLog log(folder / "run", std::nullopt, kStopped);
  CHECK(read_text(only_file(folder / "run/train")).size() == 40);
  CHECK(read_text(only_file(folder / "run/validation")).size() == 40);
  CHECK(before > 40);
}
