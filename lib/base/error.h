// Errors that end a command. Each class carries the exit code documented in dltool(1).
// Who uses it: everybody. main() turns an Error into one line on stderr and the exit code.
// Throw only when the command cannot go on; expected outcomes are return values.
// A message reads: place, what is wrong, what is allowed or what to do. Outer code adds its place with add_context.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace dl {

enum class ExitCode : int {
  kDone = 0,
  kThresholdMissed = 1,
  kUsage = 2,
  kBadFile = 3,
  kEnvironment = 4,
  kNumeric = 5,
  kBug = 70,
  kInterrupted = 75,
};

class Error : public std::exception {
 public:
  Error(ExitCode code, std::string message) : code_(code), message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }
  ExitCode code() const noexcept { return code_; }
  // "models/lenet.yaml:14:9" + "kernel 5 exceeds input 4" -> "models/lenet.yaml:14:9: kernel 5 exceeds input 4".
  void add_context(std::string_view place) { message_.insert(0, std::string(place) + ": "); }

 private:
  ExitCode code_;
  std::string message_;
};

// Wrong command line or spec (2): nothing was started.
struct UserError : Error {
  explicit UserError(std::string message) : Error(ExitCode::kUsage, std::move(message)) {}
};
// A data or model file is damaged, hostile or unsupported (3).
struct FileError : Error {
  explicit FileError(std::string message) : Error(ExitCode::kBadFile, std::move(message)) {}
};
// Storage, network, disk, device or MPI failed (4).
struct EnvError : Error {
  explicit EnvError(std::string message) : Error(ExitCode::kEnvironment, std::move(message)) {}
};
// NaN or Inf where the policy says stop (5).
struct NumericError : Error {
  explicit NumericError(std::string message) : Error(ExitCode::kNumeric, std::move(message)) {}
};
// A bug in dltool (70). Thrown by DL_CHECK.
struct InternalError : Error {
  explicit InternalError(std::string message) : Error(ExitCode::kBug, std::move(message)) {}
};

[[noreturn]] void fail_check(const char* condition, const char* file, int line, const std::string& message);

}  // namespace dl

// An invariant of dltool itself. `message` (a std::string expression) is evaluated only on failure.
#define DL_CHECK(condition, message)                                               \
  do {                                                                             \
    if (!(condition)) ::dl::fail_check(#condition, __FILE__, __LINE__, (message)); \
  } while (false)
