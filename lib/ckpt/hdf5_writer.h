// Builds an HDF5 file in memory: contiguous little-endian datasets and their groups, so that h5py and the like read checkpoints.
// In memory, because HDF5 1.10 does not get over a disk that fills up. Who uses it: checkpoint_writer.cpp only.
// No HDF5 header gets in here; hid_t is the int64_t it has been since HDF5 1.10. Failures are failures to allocate or bugs: InternalError.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/hdf5_mutex.h"
#include "tensor/tensor.h"

namespace dl {

class Hdf5Writer {
 public:
  // The first `user_block_bytes` (a power of two >= 512) are left to the caller; expected_bytes saves copying while it grows.
  Hdf5Writer(size_t user_block_bytes, size_t expected_bytes);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  // Absolute paths; the groups above are created. Each returns where its bytes begin, from the start of the file (0 when it has none).
  uint64_t write_tensor(const std::string& path, const Tensor& tensor, uint32_t crc);
  uint64_t write_text(const std::string& path, const std::string& text);
  void write_attribute(const std::string& path, const char* name, uint32_t value);
  // The whole file, user block included (zeros); valid as long as this object.
  std::string_view finish();

 private:
  std::unique_lock<std::mutex> lock_{hdf5_mutex()};
  int64_t file_ = -1;
  size_t user_block_bytes_;
};

}  // namespace dl
