#include "train/metrics_log.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <limits>
#include <string>

#include "base/error.h"
#include "unit/test_folder.h"

using namespace dl;

namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

EpochRecord epoch_record(int64_t epoch, Logs logs) {
  return {.epoch = epoch,
          .step = (epoch + 1) * 10,
          .seconds = 1.5,
          .data_wait_seconds = 0.25,
          .samples_per_second = 1000,
          .learning_rate = 0.001,
          .logs = std::move(logs)};
}

double loss_of(int64_t step) { return 1.0 / static_cast<double>(step + 2); }

// Runs steps [from, to] of a run with 10 steps per epoch, logging every step and each finished epoch.
template <class Log>
void run(Log& log, int64_t from, int64_t to) {
  for (int64_t step = from; step <= to; ++step) {
    const int64_t epoch = (step - 1) / 10;
    log.write_step({.step = step, .epoch = epoch, .logs = {{"loss", loss_of(step)}}});
    if (step % 10 == 0) log.write_epoch(epoch_record(epoch, {{"loss", loss_of(step)}, {"val_loss", loss_of(step) * 2}}));
  }
}

const auto kClock = [] { return 1764000000.5; };

}  // namespace

TEST_CASE("metrics.jsonl: one object per line, full precision, NaN and infinity as null") {
  TestFolder folder;
  const std::string path = folder / "metrics.jsonl";
  JsonMetricsLog log(path, std::nullopt, kClock);
  log.write_step({.step = 1, .epoch = 0, .logs = {{"loss", 0.1 + 0.2}, {"accuracy", kNan}}});
  CHECK(read_text(path) == R"({"type":"step","step":1,"epoch":0,"loss":0.30000000000000004,"accuracy":null,"time":1764000000.5})"
                           "\n");
  log.write_epoch(epoch_record(0, {{"loss", std::numeric_limits<double>::infinity()}, {"val_loss", 5e-324}}));
  const std::string text = read_text(path);
  CHECK(text.substr(text.find('\n') + 1) ==
        R"({"type":"epoch","epoch":0,"step":10,"loss":null,"val_loss":5e-324,"learning_rate":0.001,"seconds":1.5,)"
        R"("data_wait_seconds":0.25,"samples_per_second":1000.0,"time":1764000000.5})"
        "\n");
}

TEST_CASE("metrics.jsonl: a log named like a key of ours keeps both, hostile names are escaped") {
  TestFolder folder;
  JsonMetricsLog log(folder / "m", std::nullopt, kClock);
  log.write_step({.step = 3, .epoch = 0, .logs = {{"time", 7}, {"a\"\n\xff", 1}}});
  CHECK(read_text(folder / "m") ==
        "{\"type\":\"step\",\"step\":3,\"epoch\":0,\"metric_time\":7.0,\"a\\\"\\n\xEF\xBF\xBD\":1.0,\"time\":1764000000.5}\n");
}

TEST_CASE("metrics.jsonl: interrupted anywhere and resumed equals uninterrupted") {
  TestFolder folder;
  const std::string whole = folder / "whole", part = folder / "part";
  {
    JsonMetricsLog log(whole, std::nullopt, kClock);
    run(log, 1, 35);
  }
  const std::string expected = read_text(whole);
  CHECK(std::count(expected.begin(), expected.end(), '\n') == 38);
  for (const int64_t checkpoint : {0, 1, 9, 10, 11, 20, 34}) {
    for (const int64_t killed : {34, 35}) {
      CAPTURE(checkpoint);
      {
        JsonMetricsLog log(part, std::nullopt, kClock);
        run(log, 1, killed);
      }
      std::ofstream(part, std::ios::app) << R"({"type":"step","st)";
      JsonMetricsLog log(part, ResumePoint{.epochs_done = checkpoint / 10, .step = checkpoint}, kClock);
      run(log, checkpoint + 1, 35);
      CHECK(read_text(part) == expected);
    }
  }
}

TEST_CASE("metrics.jsonl: a checkpoint between the last step and the validation writes the epoch once") {
  TestFolder folder;
  const std::string path = folder / "m";
  {
    JsonMetricsLog log(path, std::nullopt, kClock);
    run(log, 1, 20);
  }
  const std::string expected = read_text(path);
  JsonMetricsLog log(path, ResumePoint{.epochs_done = 1, .step = 20}, kClock);
  log.write_epoch(epoch_record(1, {{"loss", loss_of(20)}, {"val_loss", loss_of(20) * 2}}));
  CHECK(read_text(path) == expected);
}

TEST_CASE("a new run replaces the logs of the one before; other files than logs give no lines") {
  TestFolder folder;
  const std::string path = folder / "m";
  std::ofstream(path) << "[1,2]\n\xff\xfe garbage\n{\"type\":\"epoch\",\"epoch\":\"x\"}\n{\"type\":7}\n";
  JsonMetricsLog resumed(path, ResumePoint{5, 50}, kClock);
  CHECK(read_text(path).empty());
  run(resumed, 1, 2);
  JsonMetricsLog fresh(path, std::nullopt, kClock);
  CHECK(read_text(path).empty());
}

TEST_CASE("a failing disk leaves whole lines only and says which file") {
  TestFolder folder;
  const std::string path = folder / "m";
  JsonMetricsLog log(path, std::nullopt, kClock);
  run(log, 1, 1);
  const std::string before = read_text(path);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{before.size() + 10, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::string message;
  try {
    run(log, 2, 2);
  } catch (const EnvError& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK(message == path + ": cannot write: File too large");
  CHECK(read_text(path) == before);
  run(log, 2, 2);
  CHECK(read_text(path).size() > before.size());
}

// By the rules of keras.callbacks.CSVLogger, plus our columns and with Unix line ends.
TEST_CASE("metrics.csv has CSVLogger's columns, then ours") {
  TestFolder folder;
  const std::string path = folder / "metrics.csv";
  {
    CsvMetricsLog log(path);
    log.write_epoch(epoch_record(0, {{"loss", 0.5}, {"accuracy", 1.0 / 3}, {"val_loss", kNan}, {"val_accuracy", 1}}));
    log.write_epoch(epoch_record(1, {{"loss", 1e-7}, {"accuracy", 1}}));
  }
  const std::string expected =
      "epoch,accuracy,loss,val_accuracy,val_loss,learning_rate,step,seconds,data_wait_seconds,samples_per_second\n"
      "0,0.3333333333333333,0.5,1,nan,0.001,10,1.5,0.25,1000\n"
      "1,1,1e-07,NA,NA,0.001,20,1.5,0.25,1000\n";
  CHECK(read_text(path) == expected);
  std::ofstream(path, std::ios::app) << "2,0.1";
  CsvMetricsLog log(path, ResumePoint{.epochs_done = 1, .step = 13});
  log.write_epoch(epoch_record(1, {{"accuracy", 1}, {"loss", 1e-7}}));
  CHECK(read_text(path) == expected);
}

TEST_CASE("metrics.csv adds val_ columns when the first epoch had none, and quotes names") {
  TestFolder folder;
  const std::string path = folder / "metrics.csv";
  CsvMetricsLog log(path);
  log.write_epoch(epoch_record(0, {{"loss", 1}, {"a,\"b\"", 2}}));
  log.write_epoch(epoch_record(1, {{"loss", 1}, {"val_loss", 3}, {"late", 9}}));
  CHECK(read_text(path) ==
        "epoch,\"a,\"\"b\"\"\",loss,\"val_a,\"\"b\"\"\",val_loss,learning_rate,step,seconds,data_wait_seconds,samples_per_second\n"
        "0,2,1,NA,NA,0.001,10,1.5,0.25,1000\n"
        "1,NA,1,NA,3,0.001,20,1.5,0.25,1000\n");
  CsvMetricsLog resumed(path, ResumePoint{.epochs_done = 2, .step = 20});
  resumed.write_epoch(epoch_record(2, {{"val_loss", 4}, {"loss", 5}, {"a,\"b\"", 6}, {"val_a,\"b\"", 7}}));
  CHECK(read_text(path).ends_with("\n2,6,5,7,4,0.001,30,1.5,0.25,1000\n"));
}

TEST_CASE("history: names in order of appearance, gaps where an epoch has no value") {
  History history;
  history.epochs = {epoch_record(0, {{"loss", 1}}), epoch_record(1, {{"loss", 2}, {"val_loss", 3}})};
  CHECK(history.names() == std::vector<std::string>{"loss", "val_loss"});
  CHECK(history.series("val_loss") == std::vector<std::optional<double>>{std::nullopt, 3});
}
