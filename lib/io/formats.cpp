#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "io/format.h"
#include "io/raise/raise.h"
#include "io/refuse.h"
#include "layers/graph_layer.h"

namespace dl {

#define DL_FORMAT(name) extern const Format format_##name;
#include "io/formats.def"
#undef DL_FORMAT

namespace {

#define DL_FORMAT(name) &format_##name,
const std::vector<const Format*> kFormats = {
#include "io/formats.def"
};
#undef DL_FORMAT

constexpr size_t kHeadBytes = 4096;

}  // namespace

std::span<const Format* const> format_table() { return kFormats; }

const Format* find_format(std::string_view name) {
  for (const Format* format : kFormats)
    if (format->name == name) return format;
  return nullptr;
}

const Format* format_of_path(const std::string& path) {
  for (const Format* format : kFormats)
    for (const std::string_view suffix : format->suffixes)
      if (path.ends_with(suffix)) return format;
  return nullptr;
}

const Format* recognize_format(const std::string& path) {
  std::error_code ignored;
  std::array<char, kHeadBytes> bytes{};
  size_t count = 0;
  if (std::filesystem::is_regular_file(path, ignored)) {
    std::ifstream file(path, std::ios::binary);
    file.read(bytes.data(), bytes.size());
    count = static_cast<size_t>(file.gcount());
  }
  for (const Format* format : kFormats)
    if (format->probe(path, std::string_view(bytes.data(), count))) return format;
  return nullptr;
}

namespace {

// In the form that the format holds, as far as there is one.
SavedModel in_form_of(const Format& format, SavedModel model, std::vector<std::string>& hindrances) {
  if (format.layers_only && graph_of(model.model)) return raise_to_layers(std::move(model), hindrances);
  return model;
}

}  // namespace

std::vector<std::string> hindrances(const SavedModel& model, const Format& format, const WriteOptions& options) {
  std::vector<std::string> found;
  const SavedModel form = in_form_of(format, model, found);
  return found.empty() && format.unsupported ? format.unsupported(form, options) : found;
}

void refuse_if_any(const std::vector<std::string>& hindrances, const std::string& path, const char* format) {
  if (!hindrances.empty()) throw FileError(fmt::format("{}: cannot be written as {}:\n  {}", path, format, fmt::join(hindrances, "\n  ")));
}

void write_model(SavedModel model, const std::string& path, const Format& format, const WriteOptions& options) {
  std::vector<std::string> found;
  const SavedModel form = in_form_of(format, std::move(model), found);
  refuse_if_any(found, path, format.name);
  format.write(form, path, options);
}

SavedModel read_model(const std::string& path, const ReadOptions& options, const Format* format) {
  if (!format) format = recognize_format(path);
  if (!format || !format->read) {
    std::string names;
    for (const Format* f : kFormats)
      if (f->read) names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", f->name, f->suffixes.front());
    throw FileError(fmt::format("{}: is none of the model formats that can be read: {}", path, names));
  }
  return format->read(path, options);
}

}  // namespace dl
