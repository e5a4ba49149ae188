#include "net/http.h"

#define CURL_DISABLE_TYPECHECK  // its macros take the names of the functions
#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/log.h"
#include "base/positional_io.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo

namespace dl {
namespace {

constexpr int kTries = 3;
constexpr long kConnectSeconds = 30, kStalledSeconds = 60, kRedirects = 5;

struct Curl {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_easy_init) init;
  decltype(&::curl_easy_setopt) set;
  decltype(&::curl_easy_getinfo) get;
  decltype(&::curl_easy_perform) perform;
  decltype(&::curl_easy_cleanup) cleanup;
  decltype(&::curl_easy_strerror) message;
  decltype(&::curl_slist_append) append;
  decltype(&::curl_slist_free_all) free_list;
};

template <class F>
void bind(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(::dlsym(library, name));
  if (!function) throw EnvError(fmt::format("libcurl.so.4 has no {}; install Debian's libcurl4", name));
}

const Curl& curl() {
  static const Curl made = [] {
    void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) throw EnvError("downloads need libcurl.so.4, which is not installed; install Debian's libcurl4");
    Curl c{};
    bind(library, "curl_global_init", c.global_init);
    bind(library, "curl_easy_init", c.init);
    bind(library, "curl_easy_setopt", c.set);
    bind(library, "curl_easy_getinfo", c.get);
    bind(library, "curl_easy_perform", c.perform);
    bind(library, "curl_easy_cleanup", c.cleanup);
    bind(library, "curl_easy_strerror", c.message);
    bind(library, "curl_slist_append", c.append);
    bind(library, "curl_slist_free_all", c.free_list);
    if (c.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw EnvError("libcurl does not start");
    return c;
  }();
  return made;
}

struct Answer {
  int fd = -1;
  uint64_t bytes = 0;  // written
  int write_error = 0;
  long status = 0;
  HttpVersion version;
};

std::string trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

bool takes_name(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' && std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) {
           return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
         });
}

size_t take_header(char* data, size_t, size_t size, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // that of another answer before was a redirection
    const size_t space = line.find(' ');
    answer.status = space == std::string_view::npos ? 0 : std::strtol(std::string(line.substr(space)).c_str(), nullptr, 10);
    answer.version = {};
  }
  if (takes_name(line, "etag")) answer.version.etag = trimmed(line.substr(5));
  if (takes_name(line, "last-modified")) answer.version.last_modified = trimmed(line.substr(14));
  return size;
}

size_t take_body(char* data, size_t, size_t size, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  if (answer.status != 200) return size;  // the page that explains an error
  const Transfer written = write_at(answer.fd, answer.bytes, data, size);
  answer.bytes += written.bytes;
  answer.write_error = written.error;
  return written.error != 0 ? 0 : size;
}

struct Attempt {
  Answer answer;
  std::string error;  // empty: the server answered, with answer.status
};

Attempt attempt(const std::string& url, int fd, const HttpVersion& known) {
  const Curl& c = curl();
  const std::unique_ptr<CURL, decltype(c.cleanup)> handle(c.init(), c.cleanup);
  if (!handle) throw EnvError("libcurl: out of memory");
  Attempt result;
  result.answer.fd = fd;
  std::unique_ptr<curl_slist, decltype(c.free_list)> headers(nullptr, c.free_list);
  const auto add_header = [&](const std::string& line) { headers.reset(c.append(headers.release(), line.c_str())); };
  if (!known.etag.empty())
    add_header("If-None-Match: " + known.etag);
  else if (!known.last_modified.empty())
    add_header("If-Modified-Since: " + known.last_modified);
  char detail[CURL_ERROR_SIZE] = "";
  CURL* h = handle.get();
  c.set(h, CURLOPT_URL, url.c_str());
  c.set(h, CURLOPT_HTTPHEADER, headers.get());
  c.set(h, CURLOPT_PROTOCOLS_STR, "http,https");
  c.set(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  c.set(h, CURLOPT_FOLLOWLOCATION, 1L);
  c.set(h, CURLOPT_MAXREDIRS, kRedirects);
  c.set(h, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
  c.set(h, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  c.set(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
  c.set(h, CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
  c.set(h, CURLOPT_NOSIGNAL, 1L);
  c.set(h, CURLOPT_USERAGENT, "dltool");
  c.set(h, CURLOPT_ERRORBUFFER, detail);
  c.set(h, CURLOPT_HEADERFUNCTION, take_header);
  c.set(h, CURLOPT_HEADERDATA, &result.answer);
  c.set(h, CURLOPT_WRITEFUNCTION, take_body);
  c.set(h, CURLOPT_WRITEDATA, &result.answer);
  if (const CURLcode code = c.perform(h); code != CURLE_OK) result.error = detail[0] ? detail : c.message(code);
  return result;
}

bool is_passing(const Attempt& a) {
  if (!a.error.empty()) return a.answer.write_error == 0;
  return a.answer.status == 408 || a.answer.status == 429 || a.answer.status >= 500;
}

class File {
 public:
  explicit File(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    if (fd_ < 0) throw_file_error(path_, "cannot write", errno);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  void clear() {
    if (::ftruncate(fd_, 0) != 0) throw_file_error(path_, "cannot write", errno);
  }

 private:
  std::string path_;
  int fd_;
};

}  // namespace

bool is_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

std::string public_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t host = url.find("://") + 3, at = url.substr(0, url.find('/', host)).rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
}

std::string file_name_of_url(std::string_view url) {
  const std::string shown = public_url(url);
  const size_t host = shown.find("://") + 3, slash = shown.rfind('/');
  const std::string coded = slash < host || slash == std::string::npos ? "" : shown.substr(slash + 1);
  std::string name;
  for (size_t i = 0; i < coded.size(); ++i) {
    const auto is_digit = [&](size_t at) { return at < coded.size() && std::isxdigit(static_cast<unsigned char>(coded[at])); };
    if (coded[i] == '%' && is_digit(i + 1) && is_digit(i + 2)) {
      name += static_cast<char>(std::stoi(coded.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      name += coded[i];
    }
  }
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
    throw UserError(fmt::format("{}: names no file", shown));
  return name;
}

Download download(const std::string& url, const std::string& path, const HttpVersion& known) {
  const std::string shown = public_url(url);
  File file(path);
  for (int left = kTries - 1;; --left) {
    file.clear();
    const Attempt a = attempt(url, file.fd(), known);
    if (a.error.empty() && a.answer.status == 304) return {false, known};
    if (a.error.empty() && a.answer.status == 200) return {true, a.answer.version};
    if (a.answer.write_error != 0) throw_file_error(path, "cannot write", a.answer.write_error);
    const std::string why = a.error.empty() ? fmt::format("the server answers {}", a.answer.status) : a.error;
    if (left == 0 || !is_passing(a)) throw EnvError(fmt::format("{}: cannot be fetched: {}", shown, why));
    log_warning(fmt::format("{}: {}; trying again", shown, why));
    std::this_thread::sleep_for(std::chrono::seconds(kTries - left));
  }
}

}  // namespace dl
