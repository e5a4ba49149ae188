#include "data/paths.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "data/file.h"

namespace dl {
namespace {

constexpr size_t kMaxFiles = 10'000'000;

// "a{08..11}b" -> a08b a09b a10b a11b; anything else is one path.
std::vector<std::string> expand_range(const std::string& text) {
  const size_t open = text.find('{'), dots = text.find("..", open), close = text.find('}', dots);
  if (open == std::string::npos || dots == std::string::npos || close == std::string::npos) return {text};
  const std::string_view low_text(text.data() + open + 1, dots - open - 1), high_text(text.data() + dots + 2, close - dots - 2);
  int64_t low = 0, high = 0;
  const auto parse = [](std::string_view s, int64_t& value) {
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    return error == std::errc() && end == s.data() + s.size() && value >= 0;
  };
  if (!parse(low_text, low) || !parse(high_text, high)) return {text};
  if (high < low) throw UserError(fmt::format("{}: the range goes from {} down to {}", printable(text), low, high));
  if (high - low >= static_cast<int64_t>(kMaxFiles)) throw UserError(fmt::format("{}: more than {} files", printable(text), kMaxFiles));
  std::vector<std::string> all;
  for (int64_t i = low; i <= high; ++i)
    for (std::string& tail : expand_range(text.substr(close + 1)))
      all.push_back(text.substr(0, open) + fmt::format("{:0{}}", i, low_text.size()) + tail);
  return all;
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status == GLOB_NOMATCH || paths.empty())
    throw EnvError(fmt::format("{}: no file matches (check the path; those in a run file start from its folder)", printable(pattern)));
  if (status != 0) throw EnvError(printable(pattern) + ": cannot list the files");
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

std::vector<std::string> read_paths(spec::Reader& reader, std::string_view key, const std::string& base_dir) {
  const spec::Node* node = reader.has(key) ? reader.get(key) : nullptr;
  std::vector<std::string> paths = node && node->is_list() ? reader.get_strings(key) : std::vector<std::string>{reader.get_string(key)};
  if (node && node->is_list() && paths.empty()) reader.report(key, "an empty list; name at least one file");
  for (std::string& path : paths) {
    if (path.empty() && node) reader.report(key, "an empty path; expected a file name");
    if (path == "-" && paths.size() > 1) reader.report(key, "standard input cannot be one of several files");
    path = resolve_path(base_dir, path);
  }
  return paths;
}

std::vector<std::string> expand_paths(const std::vector<std::string>& patterns) {
  std::vector<std::string> all;
  for (const std::string& pattern : patterns) {
    std::error_code ignored;
    if (pattern == "-" || std::filesystem::exists(pattern, ignored)) {
      all.push_back(pattern);
      continue;
    }
    for (const std::string& path : expand_range(pattern))
      for (std::string& file : expand_glob(path)) all.push_back(std::move(file));
  }
  if (all.size() > kMaxFiles) throw FileError(fmt::format("{}: more than {} files", printable(patterns[0]), kMaxFiles));
  std::set<std::string_view> seen;
  for (const std::string& path : all)
    if (!seen.insert(path).second) throw FileError(printable(path) + ": named twice");
  return all;
}

std::string describe_paths(const std::vector<std::string>& paths) {
  const std::string first = paths.empty() ? "" : printable(paths[0]);
  return paths.size() < 2 ? first : fmt::format("{} and {} more", first, paths.size() - 1);
}

}  // namespace dl
