// A folder with one sub-folder of files for each class, as Keras's *_dataset_from_directory functions read it.
// Who uses it: the images, text and audio sources.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/source.h"

namespace dl {

struct ClassFolder {
  struct Entry {
    std::string file;  // relative to the folder
    int32_t label = 0;
  };
  std::vector<Entry> entries;  // by class, then by name in byte order
  std::vector<std::string> classes;
};

struct ClassFolderSpec {
  std::string path;
  bool labels = true;                // the sub-folders are the classes
  std::vector<std::string> classes;  // these, in this order; empty: all, in byte order
};
// The keys path, labels and classes.
ClassFolderSpec read_class_folder(spec::Reader& reader, const std::string& base_dir);

// Lists the files whose names end in one of `suffixes` (any case), dot files left out: of the classes, where those of the training part
// hold for other parts, or of the folder itself. Errors: EnvError when the folder cannot be read, FileError when it holds nothing of use;
// `kind` says of what ("images").
ClassFolder list_class_folder(const ClassFolderSpec& spec, std::span<const std::string_view> suffixes, std::string_view kind,
                              const OpenOptions& options);

}  // namespace dl
