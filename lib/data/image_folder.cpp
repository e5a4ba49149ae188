// The images format: a folder with one sub-folder per class, as Keras's image_dataset_from_directory. Options in config.h.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "data/file.h"
#include "data/image.h"
#include "data/source.h"

namespace dl {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kColorNames[] = {"rgb", "gray"};
constexpr std::string_view kCorruptNames[] = {"error", "skip"};
constexpr size_t kMaxFiles = 100'000'000;

struct FolderSpec {
  std::string path;
  int64_t height = 0, width = 0, channels = 3;  // height 0: that of the first image
  bool skip_corrupt = false, labels = true;
  std::vector<std::string> classes;
  double rescale = 1, offset = 0;
};

struct Entry {
  std::string file;  // relative to the folder
  int32_t label;
};

[[noreturn]] void throw_scan_error(const std::string& path, const std::error_code& error) {
  throw EnvError(fmt::format("{}: cannot list: {}", printable(path), error.message()));
}

bool is_image_name(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name.ends_with(".jpg") || name.ends_with(".jpeg") || name.ends_with(".png");
}

// Names directly in `path`, sorted by bytes, dot files left out.
std::vector<std::string> list(const std::string& path, bool folders) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code type_error;
    const fs::file_status status = it->status(type_error);
    if (name.starts_with('.')) continue;
    if (folders ? fs::is_directory(status) : !fs::is_directory(status) && is_image_name(name)) names.push_back(name);
    if (names.size() > kMaxFiles) throw FileError(fmt::format("{}: more than {} files", printable(path), kMaxFiles));
  }
  if (error) throw_scan_error(path, error);
  std::sort(names.begin(), names.end());
  return names;
}

class FolderDataset : public Dataset {
 public:
  FolderDataset(const FolderSpec& spec, std::vector<Entry> entries, std::vector<std::string> classes)
      : spec_(spec), entries_(std::move(entries)) {
    if (spec_.height == 0) {
      const Image first = decode(entries_[0]);
      spec_.height = first.height;
      spec_.width = first.width;
    }
    fields_.push_back({"x", DType::kFloat32, {spec_.height, spec_.width, spec_.channels}, false, {}});
    if (!classes.empty()) fields_.push_back({"y", DType::kInt32, {}, true, std::move(classes)});
  }
  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  const std::vector<Field>& fields() const override { return fields_; }

  bool get(int64_t index, std::span<std::byte* const> rows) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    const Entry& entry = entries_[static_cast<size_t>(index)];
    try {
      auto* x = reinterpret_cast<float*>(rows[0]);
      resize_bilinear(decode(entry), spec_.height, spec_.width, x);
      if (spec_.rescale != 1 || spec_.offset != 0) {
        const auto scale = static_cast<float>(spec_.rescale), offset = static_cast<float>(spec_.offset);
        for (int64_t i = 0; i < spec_.height * spec_.width * spec_.channels; ++i) x[i] = x[i] * scale + offset;
      }
    } catch (const FileError&) {
      if (!spec_.skip_corrupt) throw;
      return false;
    }
    if (fields_.size() > 1) *reinterpret_cast<int32_t*>(rows[1]) = entry.label;
    return true;
  }

 private:
  Image decode(const Entry& entry) const {
    const std::string file = spec_.path + "/" + entry.file;
    try {
      return decode_image(read_file(file, kMaxImageBytes), printable(file), spec_.channels);
    } catch (const FileError& e) {
      if (spec_.skip_corrupt) throw;
      throw FileError(std::string(e.what()) + "; corrupt: skip leaves such images out");
    }
  }

  FolderSpec spec_;
  std::vector<Entry> entries_;
  std::vector<Field> fields_;
};

class FolderSource : public Source {
 public:
  explicit FolderSource(FolderSpec spec) : spec_(std::move(spec)) {}

  OpenedSource open(const OpenOptions& options) const override {
    const std::string place = printable(spec_.path);
    std::error_code error;
    const fs::file_status status = fs::status(spec_.path, error);
    if (error && status.type() != fs::file_type::not_found) throw_scan_error(spec_.path, error);
    if (!fs::exists(status)) throw EnvError(place + ": no such folder");
    if (!fs::is_directory(status)) throw FileError(place + ": expected a folder of images, found a file");
    const bool labels = spec_.labels && !options.inputs_only;
    const std::vector<std::string> present = labels ? list(spec_.path, true) : std::vector<std::string>{};
    const Field* trained = labels && options.training ? find_field(*options.training, "y") : nullptr;
    std::vector<std::string> classes = trained ? trained->classes : !spec_.classes.empty() ? spec_.classes : present;
    if (labels && classes.size() < 2)
      throw FileError(fmt::format("{}: {} sub-folders; expected one per class, at least 2 (or labels: false)", place, present.size()));
    if (trained)
      for (const std::string& name : present)
        if (std::find(classes.begin(), classes.end(), name) == classes.end())
          throw FileError(fmt::format("{}/{}: the training part has no class '{}'", place, printable(name), printable(name)));
    std::vector<Entry> entries;
    if (!labels) {
      for (std::string& name : list(spec_.path, false)) entries.push_back({std::move(name), 0});
      classes.clear();
    }
    for (size_t c = 0; c < classes.size(); ++c) {
      if (std::find(present.begin(), present.end(), classes[c]) == present.end()) {
        if (trained) continue;
        throw FileError(fmt::format("{}: no sub-folder for class '{}'", place, printable(classes[c])));
      }
      for (const std::string& name : list(spec_.path + "/" + classes[c], false))
        entries.push_back({classes[c] + "/" + name, static_cast<int32_t>(c)});
    }
    if (entries.empty()) throw FileError(place + ": holds no .jpg, .jpeg or .png files");
    return {std::make_shared<FolderDataset>(spec_, std::move(entries), std::move(classes)), {}, {}, false};
  }

 private:
  FolderSpec spec_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  FolderSpec spec;
  spec.path = read_path(reader, "path", base_dir);
  if (spec.path == "-") reader.report("path", "a folder is needed, standard input is not one");
  if (reader.has("size")) {
    const std::vector<int64_t> size = reader.get_tuple("size", 2, {}, {1, 1 << 15});
    if (size.size() == 2) {
      spec.height = size[0];
      spec.width = size[1];
    }
  }
  spec.channels = reader.get_choice("color", kColorNames, "rgb") == "gray" ? 1 : 3;
  spec.skip_corrupt = reader.get_choice("corrupt", kCorruptNames, "error") == "skip";
  if (spec.skip_corrupt && spec.height == 0) reader.report("size", "required with corrupt: skip");
  spec.labels = reader.get_bool("labels", true);
  spec.classes = reader.get_strings("classes", std::vector<std::string>{});
  spec.rescale = read_scale(reader, "rescale", 1);
  spec.offset = read_scale(reader, "offset", 0);
  return std::make_shared<FolderSource>(std::move(spec));
}

}  // namespace

const SourceFormat kImagesFormat{"images", "", parse};

}  // namespace dl
