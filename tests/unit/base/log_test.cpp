#include "base/log.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace dl;

namespace {
struct Capture {
  std::vector<std::string> lines;
  explicit Capture(const LogOptions& options) {
    configure_log(options);
    set_log_output([this](const std::string& line) { lines.push_back(line); });
  }
  ~Capture() {
    set_log_output({});
    set_before_log({});
    configure_log({});
  }
};
}  // namespace

TEST_CASE("text log: level, labels, no format strings, control characters disarmed") {
  Capture log({.level = LogLevel::kInfo});
  log_debug("hidden");
  log_info("100 % {} done");
  log_warning("a\x1b[2J");
  log_error("first\nsecond");
  CHECK(log.lines == std::vector<std::string>{"100 % {} done", "warning: a?[2J", "error: first\nsecond"});
  CHECK(log_enabled(LogLevel::kWarning));
  CHECK_FALSE(log_enabled(LogLevel::kDebug));
}

TEST_CASE("text log: colour only where asked for") {
  Capture log({.level = LogLevel::kDebug, .color = true});
  log_warning("w");
  log_info("i");
  CHECK(log.lines == std::vector<std::string>{"\x1b[33mwarning:\x1b[0m w", "i"});
}

TEST_CASE("JSON log: one object per line, escaped") {
  Capture log({.level = LogLevel::kDebug, .format = LogFormat::kJson});
  log_debug("quote \" slash \\ line\nü \xff end");
  REQUIRE(log.lines.size() == 1);
  const std::string& line = log.lines[0];
  std::string digits_as_zero = line.substr(0, 34);
  for (char& c : digits_as_zero) c = c >= '0' && c <= '9' ? '0' : c;
  CHECK(digits_as_zero == R"({"time":"0000-00-00T00:00:00.000Z")");
  CHECK(line.substr(34) == R"(,"level":"debug","message":"quote \" slash \\ line\u000aü \ufffd end"})");
}

TEST_CASE("other ranks print only warnings, with their number") {
  Capture log({.rank = 3, .ranks = 4});
  log_info("hidden");
  log_warning("shown");
  CHECK(log.lines == std::vector<std::string>{"rank 3: warning: shown"});
}

TEST_CASE("-q and -v choose the level") {
  CHECK(log_level_for(0, 0) == LogLevel::kInfo);
  CHECK(log_level_for(1, 0) == LogLevel::kWarning);
  CHECK(log_level_for(2, 0) == LogLevel::kError);
  CHECK(log_level_for(0, 1) == LogLevel::kDebug);
  CHECK(log_level_for(1, 1) == LogLevel::kInfo);
}

TEST_CASE("the hook runs before each printed line only") {
  Capture log({.level = LogLevel::kInfo});
  int calls = 0;
  set_before_log([&] { ++calls; });
  log_debug("hidden");
  CHECK(calls == 0);
  log_info("shown");
  CHECK(calls == 1);
}
