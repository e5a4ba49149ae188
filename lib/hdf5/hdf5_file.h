// Hdf5File: an HDF5 file that somebody else wrote. HDF5 1.10 crashes on crafted files, so the library runs in a forked child process
// with limits on memory, time and open files; this class talks to it. Groups, attributes and the shapes of datasets come first, then the
// data of those datasets that are asked for.
// Who uses it: readers of model files (lib/io/keras), the hdf5 source of lib/data. Not thread-safe.
// Errors: FileError "NAME: OBJECT: ..." for a damaged, hostile or unsupported file, whatever happened to the child; EnvError when
// there can be no child. Memory: the listing, and the tensors that were read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

// Bytes of an open file; the descriptor stays the caller's.
struct FileRange {
  int fd = -1;
  uint64_t offset = 0, length = 0;
};

struct Hdf5Dataset {
  DType dtype = DType::kFloat32;
  Dims dims;
  std::string problem;  // why it cannot be read; "" when it can
  uint32_t number = 0;  // by which the child knows it
};

class Hdf5File {
 public:
  // `name` begins messages.
  Hdf5File(const std::string& name, const FileRange& range);
  ~Hdf5File();
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;

  const std::string& name() const { return name_; }
  // Paths have no slash at the begin; "" is the root.
  bool has_group(const std::string& path) const { return groups_.contains(path); }
  const Hdf5Dataset* dataset(const std::string& path) const;  // null when there is none
  const std::map<std::string, Hdf5Dataset>& datasets() const { return datasets_; }

  // A string attribute of any of HDF5's four kinds. nullopt when it is missing or holds no single string.
  std::optional<std::string> text(const std::string& object, const std::string& attribute) const;
  // A list of strings; also one that is split over name0, name1, ... since it was too long. nullopt when there is none.
  std::optional<std::vector<std::string>> texts(const std::string& object, const std::string& attribute) const;

  // Its elements converted to `dtype`, if that is another type than the file's. FileError for a dataset with a problem.
  Tensor read(const std::string& path, std::optional<DType> dtype = std::nullopt);
  // The same in stretches, little-endian and row-major: begin(), then next() until all elements have been had.
  const Hdf5Dataset& begin(const std::string& path);
  void next(std::span<std::byte> into) { receive(into.data(), into.size()); }

 private:
  struct Attribute {
    bool scalar = false, is_text = false;
    std::vector<std::string> texts;
  };

  void start_child(const FileRange& range);
  void read_listing();
  void read_attribute(std::string_view payload);
  void read_dataset_row(std::string_view payload);
  void receive(void* destination, size_t bytes);
  void send(const void* source, size_t bytes);
  [[noreturn]] void fail(const std::string& message);
  [[noreturn]] void report_end();
  void stop_child() noexcept;

  std::string name_;
  int socket_ = -1, child_ = -1;
  std::string at_;  // the object the child was looking at, as far as known
  std::map<std::string, bool> groups_;
  std::map<std::string, Hdf5Dataset> datasets_;
  std::map<std::string, std::map<std::string, Attribute>> attributes_;
};

}  // namespace dl
