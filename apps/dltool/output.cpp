#include "output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "base/terminal.h"
#include "version.h"

namespace dl::app {
namespace {

[[noreturn]] void fail_stdout(int code) { throw EnvError(fmt::format("stdout: {}; the output is incomplete", std::strerror(code))); }

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

// "models/lenet.yaml:14:9" of "models/lenet.yaml:14:9: kernel 5 exceeds ..."; "lib/x.cpp:12" of a failed check; "" without a place.
std::string_view place_of(std::string_view message) {
  for (size_t at = message.find(':'); at != std::string_view::npos && at + 1 < message.size(); at = message.find(':', at + 1)) {
    size_t end = message.find(':', at + 1);
    if (message[at + 1] == ' ') return {};
    if (end == std::string_view::npos || !is_number(message.substr(at + 1, end - at - 1))) continue;
    size_t column_end = message.find(':', end + 1);
    if (column_end != std::string_view::npos && is_number(message.substr(end + 1, column_end - end - 1))) end = column_end;
    return message.substr(0, end);
  }
  return {};
}

}  // namespace

void guard_standard_streams() {
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // The wrong direction on purpose for stdout, so that writing to it fails as it would have.
    int opened = open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR);
    if (opened != fd && opened >= 0) close(opened);
  }
}

void write_stdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_stdout(errno);
}

void finish_stdout() {
  bool failed_before = std::ferror(stdout) != 0;
  if (std::fflush(stdout) != 0) fail_stdout(errno);
  if (failed_before) fail_stdout(EIO);
}

void report_error(const Error& error, bool json) {
  std::string message = error.what();
  std::string_view place = place_of(message);
  std::string text;
  if (json) {
    nlohmann::ordered_json object;
    object["code"] = static_cast<int>(error.code());
    object["message"] = message;
    object["where"] = place.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(place);
    nlohmann::ordered_json whole;
    whole["error"] = object;
    text = whole.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  } else {
    // A line that begins with its place is left as it is, so that editors can jump there.
    if (error.code() == ExitCode::kBug)
      text = fmt::format("dltool: bug in version {}: ", version_id());
    else if (place.empty())
      text = "dltool: ";
    for (size_t begin = 0; begin <= message.size();) {  // one line per problem; names in them may hold control characters
      size_t end = std::min(message.find('\n', begin), message.size());
      text += safe_for_terminal(std::string_view(message).substr(begin, end - begin)) + "\n";
      begin = end + 1;
    }
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace dl::app
