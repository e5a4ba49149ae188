#include "data/class_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "data/file.h"

namespace dl {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxFiles = 100'000'000;

[[noreturn]] void throw_scan_error(const std::string& path, const std::error_code& error) {
  throw EnvError(fmt::format("{}: cannot list: {}", printable(path), error.message()));
}

using Suffixes = std::span<const std::string_view>;

bool has_suffix(std::string name, Suffixes suffixes) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::any_of(suffixes.begin(), suffixes.end(), [&](std::string_view s) { return name.ends_with(s); });
}

// Names directly in `path`, sorted by bytes, dot files left out.
std::vector<std::string> list(const std::string& path, bool folders, Suffixes suffixes) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code type_error;
    const fs::file_status status = it->status(type_error);
    if (name.starts_with('.')) continue;
    if (folders ? fs::is_directory(status) : !fs::is_directory(status) && has_suffix(name, suffixes)) names.push_back(name);
    if (names.size() > kMaxFiles) throw FileError(fmt::format("{}: more than {} files", printable(path), kMaxFiles));
  }
  if (error) throw_scan_error(path, error);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

ClassFolderSpec read_class_folder(spec::Reader& reader, const std::string& base_dir) {
  ClassFolderSpec spec;
  spec.path = read_path(reader, "path", base_dir);
  if (spec.path == "-") reader.report("path", "a folder is needed, standard input is not one");
  spec.labels = reader.get_bool("labels", true);
  spec.classes = reader.get_strings("classes", std::vector<std::string>{});
  return spec;
}

ClassFolder list_class_folder(const ClassFolderSpec& spec, std::span<const std::string_view> suffixes, std::string_view kind,
                              const OpenOptions& options) {
  const auto& [path, with_labels, wanted] = spec;
  const std::string place = printable(path);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error && status.type() != fs::file_type::not_found) throw_scan_error(path, error);
  if (!fs::exists(status)) throw EnvError(place + ": no such folder");
  if (!fs::is_directory(status)) throw FileError(fmt::format("{}: expected a folder of {}, found a file", place, kind));
  const bool labels = with_labels && !options.inputs_only;
  const std::vector<std::string> present = labels ? list(path, true, suffixes) : std::vector<std::string>{};
  const Field* trained = labels && options.training ? find_field(*options.training, "y") : nullptr;
  std::vector<std::string> classes = trained ? trained->classes : !wanted.empty() ? wanted : present;
  if (labels && classes.size() < 2)
    throw FileError(fmt::format("{}: {} sub-folders; expected one per class, at least 2 (or labels: false)", place, present.size()));
  if (trained)
    for (const std::string& name : present)
      if (std::find(classes.begin(), classes.end(), name) == classes.end())
        throw FileError(fmt::format("{}/{}: the training part has no class '{}'", place, printable(name), printable(name)));
  std::vector<ClassFolder::Entry> entries;
  if (!labels) {
    for (std::string& name : list(path, false, suffixes)) entries.push_back({std::move(name), 0});
    classes.clear();
  }
  for (size_t c = 0; c < classes.size(); ++c) {
    if (std::find(present.begin(), present.end(), classes[c]) == present.end()) {
      if (trained) continue;
      throw FileError(fmt::format("{}: no sub-folder for class '{}'", place, printable(classes[c])));
    }
    for (const std::string& name : list(path + "/" + classes[c], false, suffixes))
      entries.push_back({classes[c] + "/" + name, static_cast<int32_t>(c)});
  }
  if (entries.empty()) throw FileError(fmt::format("{}: holds no {} files", place, fmt::join(suffixes, ", ")));
  return {std::move(entries), std::move(classes)};
}

}  // namespace dl
