// Messages for people, on stderr: text, or one JSON object per line (--log-format json).
// Who uses it: the commands and the training loop. Libraries below them throw or return instead of logging.
// Thread-safe. Before configure_log: text, info level. Rank 0 prints everything; other ranks only warnings and errors, with their number.
#pragma once

#include <functional>
#include <string>

namespace dl {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat { kText, kJson };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  bool color = false;  // wants_color(2)
  int rank = 0;
  int ranks = 1;
};

// -q once: warnings; -q twice: errors; -v: debug.
LogLevel log_level_for(int quiet, int verbose);
void configure_log(const LogOptions& options);

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);
bool log_enabled(LogLevel level);

// Called before each printed message, so that a progress bar can clear its line. Empty: none.
void set_before_log(std::function<void()> hook);
// Where lines go instead of stderr (without newline), for tests. Empty: stderr again.
void set_log_output(std::function<void(const std::string&)> output);

}  // namespace dl
