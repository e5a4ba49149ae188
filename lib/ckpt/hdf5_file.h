// HDF5's C API as far as checkpoints need it: build a file in memory, read one from disk without trusting it.
// Who uses it: checkpoint.cpp only. No HDF5 header gets in here; hid_t is the int64_t it has been since HDF5 1.10.
// Reading takes groups, contiguous datasets of plain numbers, fixed-length texts and scalar attributes; it refuses soft and external
// links, second hard links, external and virtual storage, chunks and filters, and sizes that do not fit into the file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "tensor/tensor.h"

namespace dl {

// Owns an HDF5 identifier; closing errors are ignored (whoever cares flushes first).
class Hdf5Id {
 public:
  using Close = int (*)(int64_t);
  Hdf5Id() = default;
  Hdf5Id(int64_t id, Close close) : id_(id), close_(close) {}
  Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Id& operator=(Hdf5Id&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Id() {
    if (id_ >= 0) close_(id_);
  }
  int64_t get() const { return id_; }
  bool valid() const { return id_ >= 0; }

 private:
  int64_t id_ = -1;
  Close close_ = nullptr;
};

// A file that grows in memory. Failures of HDF5 are failures to allocate or bugs: InternalError.
class Hdf5Writer {
 public:
  // The first `user_block_bytes` (a power of two >= 512) are left to the caller; expected_bytes saves copying while it grows.
  Hdf5Writer(size_t user_block_bytes, size_t expected_bytes);
  ~Hdf5Writer();
  // Absolute paths; the groups above are created.
  void write_tensor(const std::string& path, const Tensor& tensor, uint32_t crc);
  void write_text(const std::string& path, const std::string& text);
  void write_attribute(const std::string& path, const char* name, uint32_t value);
  // The whole file, user block included (zeros); valid until the next call or the end of this object.
  std::string_view finish();

 private:
  Hdf5Id file_;
  size_t user_block_bytes_;
};

class Hdf5Reader {
 public:
  explicit Hdf5Reader(const std::string& path);
  ~Hdf5Reader();
  bool exists(const std::string& path) const;  // a checked hard link
  // Every dataset below the group, in order of names, with its path relative to it: "dense/kernel".
  void for_each_dataset(const std::string& group, const std::function<void(const std::string&)>& visit) const;
  std::pair<Tensor, uint32_t> read_tensor(const std::string& path) const;  // and its crc32c attribute
  std::string read_text(const std::string& path) const;
  uint32_t read_attribute(const std::string& path, const char* name) const;

 private:
  [[noreturn]] void fail(const std::string& object, const std::string& what) const;
  Hdf5Id open_object(const std::string& path, bool dataset) const;
  void claim(const std::string& path, uint64_t bytes) const;
  std::string path_;
  uint64_t file_bytes_ = 0;
  mutable uint64_t read_bytes_ = 0;  // of datasets so far
  Hdf5Id file_;
};

}  // namespace dl
