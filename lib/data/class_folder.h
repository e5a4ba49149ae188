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

// Lists the files whose names end in one of `suffixes` (any case), dot files left out. With `labels` the sub-folders are the classes: those
// of `wanted` in that order, or all in byte order; those of the training part hold for other parts. Without, the files of the folder
// itself. Errors: EnvError when the folder cannot be read, FileError when it holds nothing of use; `kind` says of what ("images").
ClassFolder list_class_folder(const std::string& path, std::span<const std::string_view> suffixes, std::string_view kind, bool labels,
                              const std::vector<std::string>& wanted, const OpenOptions& options);

}  // namespace dl
