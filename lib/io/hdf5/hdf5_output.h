// Hdf5Output: writes an HDF5 file for other programs (Keras, h5py, Deeplearning4j): groups, contiguous datasets, string attributes in
// the forms that h5py gives them. Data goes straight to the file, at an offset in it if need be (a member of an archive).
// Who uses it: writers of model files (lib/io/keras). One at a time in the process: holds hdf5_mutex().
// The same calls give the same bytes. Errors: EnvError "PATH: cannot write: ..." from close(); failures of the library are bugs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

class Hdf5Output {
 public:
  // Writes from `offset` on into the open file `fd`, which stays the caller's; `name` begins messages.
  Hdf5Output(int fd, uint64_t offset, const std::string& name);
  ~Hdf5Output();
  Hdf5Output(const Hdf5Output&) = delete;
  Hdf5Output& operator=(const Hdf5Output&) = delete;

  // Paths have no slash at the begin; "" is the root. Groups above are made where they are missing.
  void add_group(const std::string& path);
  void add_dataset(const std::string& path, const Tensor& tensor);
  // One string of any length.
  void set_text(const std::string& object, const std::string& name, std::string_view value);
  // An array of strings, padded with NULs; cut into name0, name1, ... where it is too long for one attribute, as Keras does.
  void set_texts(const std::string& object, const std::string& name, const std::vector<std::string>& values);

  // Bytes of the finished file. To be called once, last.
  uint64_t close();

 private:
  struct Driver;
  std::unique_lock<std::mutex> lock_;
  std::unique_ptr<Driver> driver_;
  int64_t file_ = -1;
};

}  // namespace dl
