#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "data/config.h"
#include "data/file.h"
#include "data/paths.h"

namespace dl {
namespace {

const SourceFormat* const kFormats[] = {&kCsvFormat,      &kIdxFormat,    &kNpyFormat,        &kNpzFormat,
                                        &kHdf5Format,     &kImagesFormat, &kWebDatasetFormat, &kJsonLinesFormat,
                                        &kTfRecordFormat, &kTextFormat,   &kAudioFormat,      &kSyntheticFormat};

// The format whose extension `path` has; the longest extension wins. Null when none fits.
const SourceFormat* format_of(std::string_view path) {
  const SourceFormat* best = nullptr;
  size_t longest = 0;
  for (const SourceFormat* format : kFormats) {
    std::string_view rest = format->extensions;
    while (!rest.empty()) {
      const std::string_view extension = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), extension.size() + 1));
      if (!path.ends_with(extension) || extension.size() <= longest) continue;
      best = format;
      longest = extension.size();
    }
  }
  return best;
}

}  // namespace

std::string_view format_of_suffix(std::string_view path) {
  const SourceFormat* format = format_of(path);
  return format ? format->name : std::string_view();
}

std::shared_ptr<const Source> parse_source(const spec::Node& node, const std::string& path, const std::string& base_dir,
                                           spec::Problems& problems) {
  spec::Reader reader(node, path, problems);
  if (!node.is_map()) return nullptr;  // reported by the Reader, or null
  std::vector<std::string_view> names;
  for (const SourceFormat* format : kFormats) names.push_back(format->name);
  const SourceFormat* chosen = nullptr;
  if (reader.has("format")) {
    const std::string name = reader.get_choice("format", names);
    for (const SourceFormat* format : kFormats)
      if (format->name == name) chosen = format;
  } else {
    const spec::Node* file = node.find("path");
    if (file && file->is_list() && !file->items().empty()) file = &file->items()[0];
    chosen = file && file->is_string() ? format_of(file->as_string()) : nullptr;
    if (!chosen) reader.report("format", fmt::format("required here; one of {}", fmt::join(names, ", ")));
  }
  if (!chosen) return nullptr;
  std::shared_ptr<const Source> source = chosen->parse(reader, base_dir);
  reader.finish();
  return source;
}

spec::Node with_path(const spec::Node& source, const std::string& path) {
  spec::Node node = source;
  const char* key = node.find("images") ? "images" : node.find("path") ? "path" : "x";
  node.set(key, spec::Node::string(path));
  return node;
}

namespace {

spec::Node absolute(const spec::Node& path, const std::string& base_dir) {
  const std::string resolved = resolve_path(base_dir, path.as_string());
  if (resolved.empty() || resolved == "-" || resolved.find("://") != std::string::npos) return path;
  spec::Node node = spec::Node::string(std::filesystem::absolute(resolved).lexically_normal().string());
  node.set_place(path.place());
  return node;
}

void make_absolute(spec::Node& source, const std::string& base_dir) {
  const spec::Node* format = source.find("format");
  const bool npy = format && format->is_string() && format->as_string() == kNpyFormat.name;
  std::vector<std::string_view> keys = {"path", "images", "labels"};
  if (npy) keys = {"x", "y"};
  for (const std::string_view key : keys) {
    spec::Node* node = source.find(key);
    if (!node) continue;
    if (node->is_string()) *node = absolute(*node, base_dir);
    if (node->is_list())
      for (spec::Node& path : node->items())
        if (path.is_string()) path = absolute(path, base_dir);
    if ((npy || key == "path") && node->is_map())
      for (auto& [field, path] : node->entries())
        if (path.is_string()) path = absolute(path, base_dir);
  }
}

}  // namespace

spec::Node with_absolute_paths(const spec::Node& data, const std::string& base_dir) {
  spec::Node node = data;
  for (const std::string_view part : {"train", "validation", "test"})
    if (spec::Node* source = node.find(part); source && source->is_map()) make_absolute(*source, base_dir);
  return node;
}

}  // namespace dl
