// ArrayRows: an array whose first axis counts the samples, in the type that its file gives it: in memory, or in a Spill where it is large.
// Who uses it: sources of arrays (IDX, NPY, NPZ, HDF5) and the dataset made of them.
// Thread-safety: read by any number of threads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/spill.h"
#include "tensor/tensor.h"

namespace dl {

class ArrayRows {
 public:
  static constexpr int64_t kMemoryBytes = int64_t{64} << 20;  // larger arrays are spilled

  ArrayRows(Tensor tensor) : dtype_(tensor.dtype()), dims_(tensor.dims()), tensor_(std::move(tensor)) {}
  // `give` is asked for the elements, native and row-major, one stretch of whole elements after the other.
  using Give = std::function<void(std::span<std::byte> into)>;
  static ArrayRows read(DType dtype, Dims dims, const Give& give, int64_t memory_bytes = kMemoryBytes);

  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  int64_t size() const { return element_count(dims_); }
  // The elements from number `first` on; in `buffer` where they are not in memory.
  const std::byte* elements(int64_t first, int64_t count, std::vector<std::byte>& buffer) const;
  // All of them, in memory.
  Tensor tensor() const;

 private:
  ArrayRows(DType dtype, Dims dims, std::shared_ptr<const Spill> spill) : dtype_(dtype), dims_(std::move(dims)), spill_(std::move(spill)) {}

  DType dtype_;
  Dims dims_;
  Tensor tensor_;
  std::shared_ptr<const Spill> spill_;  // null: all are in tensor_
};

}  // namespace dl
