// The images format: a folder with one sub-folder per class, as Keras's image_dataset_from_directory. Options in config.h.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "data/class_folder.h"
#include "data/file.h"
#include "data/image_rows.h"
#include "data/source.h"

namespace dl {
namespace {

constexpr std::string_view kSuffixes[] = {".jpg", ".jpeg", ".png"};

struct FolderSpec {
  ClassFolderSpec folder;
  ImageOptions image;
};

using Entry = ClassFolder::Entry;

class FolderDataset : public Dataset {
 public:
  FolderDataset(const FolderSpec& spec, ClassFolder folder, std::vector<std::string>* notes)
      : spec_(with_size(spec, folder.entries[0])),
        entries_(std::move(folder.entries)),
        rows_(spec_.image, static_cast<int64_t>(entries_.size()), notes) {
    fields_.push_back({"x", DType::kFloat32, {spec_.image.height, spec_.image.width, spec_.image.channels}, false, {}});
    if (!folder.classes.empty()) fields_.push_back({"y", DType::kInt32, {}, true, std::move(folder.classes)});
  }
  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  const std::vector<Field>& fields() const override { return fields_; }
  int32_t label(int64_t index, size_t) const override { return entries_[static_cast<size_t>(index)].label; }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw*) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    const Entry& entry = entries_[static_cast<size_t>(index)];
    try {
      rows_.write(index, reinterpret_cast<float*>(rows[0]), [&] { return decode(spec_, entry); });
    } catch (const FileError&) {
      if (!spec_.image.skip_corrupt) throw;
      return false;
    }
    if (fields_.size() > 1) *reinterpret_cast<int32_t*>(rows[1]) = entry.label;
    return true;
  }

 private:
  static FolderSpec with_size(FolderSpec spec, const Entry& first) {
    if (spec.image.height > 0) return spec;
    const Image image = decode(spec, first);
    spec.image.height = image.height;
    spec.image.width = image.width;
    return spec;
  }

  static Image decode(const FolderSpec& spec, const Entry& entry) {
    const std::string file = spec.folder.path + "/" + entry.file;
    try {
      return decode_image(read_file(file, kMaxImageBytes), printable(file), spec.image.channels);
    } catch (const FileError& e) {
      if (spec.image.skip_corrupt) throw;
      throw FileError(std::string(e.what()) + "; corrupt: skip leaves such images out");
    }
  }

  FolderSpec spec_;
  std::vector<Entry> entries_;
  ImageRows rows_;
  std::vector<Field> fields_;
};

class FolderSource : public Source {
 public:
  explicit FolderSource(FolderSpec spec) : spec_(std::move(spec)) {}

  OpenedSource open(const OpenOptions& options) const override {
    ClassFolder folder = list_class_folder(spec_.folder, kSuffixes, "images", options);
    OpenedSource opened;
    opened.dataset = std::make_shared<FolderDataset>(spec_, std::move(folder), &opened.notes);
    return opened;
  }

 private:
  FolderSpec spec_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  return std::make_shared<FolderSource>(FolderSpec{read_class_folder(reader, base_dir), read_image_options(reader)});
}

}  // namespace

const SourceFormat kImagesFormat{"images", "", parse};

}  // namespace dl
