// Hdf5Output: writes an HDF5 file that every reader of HDF5 takes: groups, contiguous little-endian datasets, attributes; strings in the
// forms that h5py gives them. Everything goes straight to the file, at an offset in it if need be (a member of an archive), so a file
// needs no memory of its own size.
// Who uses it: checkpoints, writers of Keras's files (lib/io/keras). One at a time in the process: holds hdf5_mutex().
// The same calls give the same bytes. Errors: EnvError "NAME: cannot write: ..." from close(); failures of the library are bugs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

struct Hdf5Target;

class Hdf5Output {
 public:
  // Writes from `offset` on into the open file `fd`, which can be read too and stays the caller's; `name` begins messages. The first
  // `user_block_bytes` (none, or a power of two from 512 on) are left to the caller.
  Hdf5Output(int fd, uint64_t offset, const std::string& name, size_t user_block_bytes = 0);
  ~Hdf5Output();
  Hdf5Output(const Hdf5Output&) = delete;
  Hdf5Output& operator=(const Hdf5Output&) = delete;

  // Paths have no slash at the begin; "" is the root. Groups above are made where they are missing.
  void add_group(const std::string& path);
  // With elements of type `stored`, converted piece by piece. Both return where the data begins, from `offset` on (0 where there is none).
  uint64_t add_dataset(const std::string& path, const Tensor& tensor, DType stored);
  uint64_t add_dataset(const std::string& path, const Tensor& tensor) { return add_dataset(path, tensor, tensor.dtype()); }
  uint64_t add_text(const std::string& path, std::string_view text);  // one string of fixed length
  // Attributes. A string of any length.
  void set_text(const std::string& object, const std::string& name, std::string_view value);
  // An array of strings, padded with NULs; cut into name0, name1, ... where it is too long for one attribute, as Keras does.
  void set_texts(const std::string& object, const std::string& name, const std::vector<std::string>& values);
  void set_number(const std::string& object, const std::string& name, uint32_t value);

  // Bytes of the finished file, with the user block. To be called once, last.
  uint64_t close();

 private:
  std::unique_lock<std::mutex> lock_;
  std::unique_ptr<Hdf5Target> target_;
  int64_t file_ = -1;
};

}  // namespace dl
