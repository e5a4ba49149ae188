#include "base/unnamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/error.h"
#include "base/terminal.h"

namespace dl {
namespace {

std::string folder() {
  const char* set = std::getenv("TMPDIR");
  return set && *set ? set : "/tmp";
}

}  // namespace

std::string temporary_folder() { return safe_for_terminal(folder()); }

int open_unnamed_file(const std::string& purpose) {
  int fd = ::open(folder().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {  // file systems and kernels without O_TMPFILE
    std::string name = folder() + "/dltool-XXXXXX";
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) ::unlink(name.c_str());
  }
  if (fd < 0)
    throw EnvError(temporary_folder() + ": cannot make a temporary file for " + purpose + ": " + std::generic_category().message(errno) +
                   "; set TMPDIR to a folder with room for it");
  return fd;
}

}  // namespace dl
