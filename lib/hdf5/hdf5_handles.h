// What every writer of HDF5 needs of the library: identifiers that close themselves, the set-up, the types of tensors in a file.
// Who uses it: hdf5_output.cpp; the identifiers also hdf5_child.cpp. No HDF5 header gets in here: hid_t is int64_t and herr_t int.
// Call set_up_hdf5() first and hold hdf5_mutex() (hdf5/hdf5_mutex.h). Failures are bugs or lack of memory: InternalError.
#pragma once

#include <cstdint>
#include <utility>

#include "tensor/tensor.h"

namespace dl::hdf5 {

// Owns an HDF5 identifier.
class Id {
 public:
  Id(int64_t id, int (*close)(int64_t), const char* call);  // `call` gave the id
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Id& operator=(Id&&) = delete;
  ~Id() {
    if (id_ >= 0) close_(id_);
  }
  int64_t get() const { return id_; }

 private:
  int64_t id_;
  int (*close_)(int64_t);
};

void check(int status, const char* call);

// Once per process: no error stacks on stderr, no plugins loaded, nothing left to do at exit.
void set_up_hdf5();

Id property_list(int64_t cls);
Id copy_type(int64_t type);
// The type in the file, always little-endian. bfloat16 and bool, which HDF5 lacks, are stored as uint16 and uint8.
Id stored_type(DType dtype);
Id space_of(const Tensor& tensor);
// Of links: groups above are made, names are UTF-8.
Id link_creation();
// Of datasets: in one piece, not filled, without times, so that the same content gives the same bytes.
Id dataset_creation();

}  // namespace dl::hdf5
