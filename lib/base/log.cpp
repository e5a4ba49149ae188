#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "base/terminal.h"
#include "base/utf8.h"

namespace dl {
namespace {

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    if (!point.valid) {
      out += "\\ufffd";
    } else if (point.value == '"' || point.value == '\\') {
      out += {'\\', static_cast<char>(point.value)};
    } else if (point.value < 0x20) {
      out += fmt::format("\\u{:04x}", point.value);
    } else {
      out += text.substr(0, static_cast<size_t>(point.size));
    }
    text.remove_prefix(static_cast<size_t>(point.size));
  }
  out.push_back('"');
}

const char* level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::warn:
      return "warning";
    case spdlog::level::err:
      return "error";
    default:
      return "info";
  }
}

// Formats and writes; spdlog brings the levels, the lock and the time stamp.
class LineSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  LogOptions options;
  std::function<void()> before;
  std::function<void(const std::string&)> output;

  // Under the sink's lock, so that a message is never printed half configured.
  template <class F>
  void change(F&& edit) {
    std::lock_guard<std::mutex> lock(mutex_);
    edit(*this);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (options.rank != 0 && message.level < spdlog::level::warn) return;
    std::string line = options.format == LogFormat::kJson ? json_line(message) : text_line(message);
    if (before) before();
    if (output) return output(line);
    line.push_back('\n');
    // One write per line keeps the lines of several ranks apart. A closed stderr is no reason to stop a training.
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
  }
  void flush_() override {}

 private:
  std::string text_line(const spdlog::details::log_msg& message) const {
    std::string line;
    if (options.ranks > 1 && options.rank != 0) line += fmt::format("rank {}: ", options.rank);
    if (message.level != spdlog::level::info) {
      const char* color = message.level == spdlog::level::warn ? "\x1b[33m" : message.level == spdlog::level::err ? "\x1b[31m" : "\x1b[2m";
      const std::string label = std::string(level_name(message.level)) + ":";
      line += options.color ? color + label + "\x1b[0m " : label + " ";
    }
    // Lines of a message stay lines; every other control character is shown as '?'.
    std::string_view rest(message.payload.data(), message.payload.size());
    for (size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
      line += safe_for_terminal(rest.substr(0, end)) + "\n";
    }
    return line + safe_for_terminal(rest);
  }

  std::string json_line(const spdlog::details::log_msg& message) const {
    const auto since_epoch = message.time.time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
    std::string line = fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}")",
                                   fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000, level_name(message.level));
    if (options.ranks > 1) line += fmt::format(R"(,"rank":{})", options.rank);
    line += ",\"message\":";
    append_json_string(line, {message.payload.data(), message.payload.size()});
    return line + "}";
  }
};

struct Log {
  std::shared_ptr<LineSink> sink = std::make_shared<LineSink>();
  spdlog::logger logger{"dltool", sink};
};

Log& log() {
  static Log instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

LogLevel log_level_for(int quiet, int verbose) {
  const int loudness = verbose - quiet;
  return loudness > 0 ? LogLevel::kDebug : loudness == 0 ? LogLevel::kInfo : loudness == -1 ? LogLevel::kWarning : LogLevel::kError;
}

void configure_log(const LogOptions& options) {
  log().sink->change([&](LineSink& sink) { sink.options = options; });
  log().logger.set_level(to_spdlog(options.level));
}

// The message is data, never a format string.
void log_debug(const std::string& message) { log().logger.log(spdlog::level::debug, spdlog::string_view_t(message)); }
void log_info(const std::string& message) { log().logger.log(spdlog::level::info, spdlog::string_view_t(message)); }
void log_warning(const std::string& message) { log().logger.log(spdlog::level::warn, spdlog::string_view_t(message)); }
void log_error(const std::string& message) { log().logger.log(spdlog::level::err, spdlog::string_view_t(message)); }
bool log_enabled(LogLevel level) { return log().logger.should_log(to_spdlog(level)); }

void set_before_log(std::function<void()> hook) {
  log().sink->change([&](LineSink& sink) { sink.before = std::move(hook); });
}
void set_log_output(std::function<void(const std::string&)> output) {
  log().sink->change([&](LineSink& sink) { sink.output = std::move(output); });
}

}  // namespace dl
