#include "train/progress.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/terminal.h"

using namespace dl;

namespace {

// A terminal or pipe of which the test holds the clock.
struct Screen {
  double now = 100;
  int width = 100;
  std::vector<std::string> writes;

  ProgressOptions options(bool redraw) {
    ProgressOptions result;
    result.redraw = redraw;
    result.width = [this] { return width; };
    result.clock = [this] { return now; };
    result.write = [this](std::string_view text) { writes.emplace_back(text); };
    return result;
  }
  std::string all() const {
    std::string text;
    for (const std::string& write : writes) text += write;
    return text;
  }
};

const Logs kLogs = {{"loss", 0.25}, {"accuracy", 0.9}};

}  // namespace

TEST_CASE("the bar: every field, redrawn in place, with the time left of epoch and run") {
  Screen screen;
  screen.width = 130;
  Progress progress(screen.options(true), 12);
  progress.start_epoch(2, 400);
  screen.now += 10;
  progress.update({.batch = 100, .samples = 12345, .data_wait_seconds = 0.3, .logs = kLogs});
  // 10 s for 100 of 400 batches: 30 s left here, then 9 epochs of 40 s.
  CHECK(screen.all() ==
        "\rEpoch  3/12  ######-------------------- 100/400  loss 0.2500  accuracy 0.9000  1.23k samples/s  ETA 0:30  run 6:30  data wait "
        " 3%\x1b[K");
}

TEST_CASE("the bar is redrawn at most ten times a second") {
  Screen screen;
  Progress progress(screen.options(true), 1);
  progress.start_epoch(0, 1000);
  for (int64_t batch = 1; batch <= 1000; ++batch) {
    screen.now += 0.0025;
    progress.update({.batch = batch, .samples = batch, .logs = kLogs});
  }
  CHECK(screen.writes.size() >= 22);
  CHECK(screen.writes.size() <= 26);
}

TEST_CASE("without a terminal: a plain line every five seconds and one per epoch, no control characters") {
  Screen screen;
  screen.width = 20;
  Progress progress(screen.options(false), 3);
  progress.start_epoch(0, 100);
  for (int64_t batch = 1; batch <= 100; ++batch) {
    screen.now += 0.12;
    CHECK(progress.due() == (batch == 42 || batch == 84));
    progress.update({.batch = batch, .samples = batch * 12, .data_wait_seconds = 0.06 * static_cast<double>(batch), .logs = kLogs});
  }
  progress.end_epoch(
      {.epoch = 0, .seconds = 12, .data_wait_seconds = 6, .samples_per_second = 100, .logs = {{"loss", 0.25}, {"val_loss", NAN}}});
  CHECK(screen.writes == std::vector<std::string>{
                             "epoch 1/3  batch 42/100  loss 0.2500  accuracy 0.9000  100 samples/s  ETA 0:07  run 0:31  data wait 50%\n",
                             "epoch 1/3  batch 84/100  loss 0.2500  accuracy 0.9000  100 samples/s  ETA 0:02  run 0:26  data wait 50%\n",
                             "epoch 1/3  12.0 s  loss 0.2500  val_loss nan  100 samples/s  data wait 50%\n"});
}

TEST_CASE("the time left of the run uses whole epochs with validation; a resumed epoch counts from where it went on") {
  Screen screen;
  Progress progress(screen.options(false), 3);
  progress.start_epoch(0, 100);
  progress.end_epoch({.epoch = 0, .seconds = 60});
  progress.start_epoch(1, 100, 50);
  screen.now += 10;
  progress.update({.batch = 60, .samples = 10});
  // 10 batches in 10 s: 40 s for the other 40, then one epoch as long as the first.
  CHECK(screen.writes.back() == "epoch 2/3  batch 60/100  1.0 samples/s  ETA 0:40  run 1:40  data wait 0%\n");
  progress.end_epoch({.epoch = 1, .seconds = 5});
  progress.start_epoch(2, 0);
  screen.now += 6;
  progress.update({.batch = 7, .samples = 12});
  CHECK(screen.writes.back() == "epoch 3/3  batch 7  2.0 samples/s  data wait 0%\n");
}

TEST_CASE("no line is wider than the terminal, whatever the names and numbers") {
  Screen screen;
  RandomSequence random(1, 2);
  const std::vector<std::string> names = {"loss", "val_损失", "a_very_long_metric_name_indeed", "ünï", "\x1b[31mred\n", "x"};
  for (int trial = 0; trial < 3000; ++trial) {
    screen.writes.clear();
    screen.width = 1 + static_cast<int>(random.next_below(180));
    ProgressOptions options = screen.options(true);
    options.color = random.next_below(2) == 1;
    options.utf8 = random.next_below(2) == 1;
    Logs logs;
    for (uint64_t i = 0, count = random.next_below(9); i < count; ++i) {
      const double value = random.next_below(9) == 0 ? NAN : std::pow(10.0, static_cast<double>(random.next_below(40)) - 20);
      logs.emplace_back(names[random.next_below(names.size())], value);
    }
    const auto batches = static_cast<int64_t>(random.next_below(3) * 123456);
    {
      Progress progress(options, 1 + static_cast<int64_t>(random.next_below(2000)));
      progress.start_epoch(0, batches);
      screen.now += 0.5 + static_cast<double>(random.next_below(100000));
      progress.update({.batch = 1 + static_cast<int64_t>(random.next_below(246912)), .samples = 5, .logs = logs});
      screen.now += 1;
      progress.update_validation(3, batches);
      progress.end_epoch({.epoch = 0, .seconds = 123.4, .samples_per_second = 1e7, .logs = logs});
    }
    int lines = 0;
    std::string text = screen.all();
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
      std::string line = text.substr(begin, end - begin);
      CAPTURE(screen.width);
      CAPTURE(line);
      CHECK(display_width(line) < screen.width);
      lines += !line.empty();
      begin = end + 1;
    }
    if (screen.width > 20) CHECK(lines >= 3);
  }
}

TEST_CASE("a narrow terminal keeps loss and time left longest") {
  Screen screen;
  screen.width = 50;
  Progress progress(screen.options(true), 2);
  progress.start_epoch(0, 400);
  screen.now += 1;
  progress.update({.batch = 100, .samples = 100, .logs = kLogs});
  CHECK(screen.all() == "\rEpoch 1/2  100/400  loss 0.2500  ETA 0:03\x1b[K");
}

TEST_CASE("an epoch's numbers wrap on a terminal and are never lost") {
  Screen screen;
  screen.width = 48;
  Progress progress(screen.options(true), 2);
  progress.start_epoch(0, 10);
  progress.end_epoch({.epoch = 0,
                      .seconds = 65,
                      .samples_per_second = 2e6,
                      .logs = {{"loss", 0.5}, {"accuracy", 0.5}, {"val_loss", 0.5}, {"val_accuracy", 0.5}}});
  CHECK(screen.all() ==
        "Epoch 1/2  1:05  loss 0.5000  accuracy 0.5000\n"
        "           val_loss 0.5000  val_accuracy 0.5000\n"
        "           2.00M samples/s  data wait 0%\n");
}

TEST_CASE("the bar leaves the screen before the epoch's line, on clear() and at the end; names cannot steer the terminal") {
  Screen screen;
  {
    Progress progress(screen.options(true), 1);
    progress.start_epoch(0, 10);
    progress.update({.batch = 1, .samples = 1, .logs = {{"\x1b[2Jx\r", 1}}});
    CHECK(screen.writes.back().find("?[2Jx? 1.0000") != std::string::npos);
    progress.clear();
    CHECK(screen.writes.back() == "\r\x1b[K");
    const size_t count = screen.writes.size();
    progress.clear();
    CHECK(screen.writes.size() == count);
    screen.now += 1;
    progress.update({.batch = 2, .samples = 1});
  }
  CHECK(screen.writes.back() == "\r\x1b[K");
}

TEST_CASE("quiet prints nothing; colour marks a NaN") {
  Screen screen;
  ProgressOptions options = screen.options(true);
  options.quiet = true;
  {
    Progress progress(options, 1);
    progress.start_epoch(0, 10);
    screen.now += 100;
    CHECK_FALSE(progress.due());
    progress.update({.batch = 1});
    progress.update_validation(1, 2);
    progress.end_epoch({});
  }
  CHECK(screen.writes.empty());
  options.quiet = false;
  options.color = true;
  Progress progress(options, 1);
  progress.start_epoch(0, 10);
  progress.update({.batch = 1, .samples = 1, .logs = {{"loss", NAN}}});
  CHECK(screen.all().find("\x1b[1;31mloss nan\x1b[0m") != std::string::npos);
}

TEST_CASE("durations, metrics and rates read well at every size") {
  CHECK(format_duration(0) == "0:00");
  CHECK(format_duration(59.6) == "1:00");
  CHECK(format_duration(3 * 3600 + 4 * 60 + 5) == "3:04:05");
  CHECK(format_duration(90061) == "1d 1:01:01");
  CHECK(format_duration(NAN) == "--");
  CHECK(format_duration(1e12) == "--");
  CHECK(format_metric(0) == "0.0000");
  CHECK(format_metric(0.00012345) == "1.234e-04");
  CHECK(format_metric(-123456) == "-1.235e+05");
  CHECK(format_metric(-INFINITY) == "-inf");
  CHECK(format_rate(9.94) == "9.9");
  CHECK(format_rate(9.97) == "10");
  CHECK(format_rate(999.6) == "1.00k");
  CHECK(format_rate(12345) == "12.3k");
  CHECK(format_rate(999600) == "1.00M");
  CHECK(format_rate(NAN) == "--");
}
