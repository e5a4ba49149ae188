// Tensor: dense host memory, row-major, 64-byte aligned, shared on copy (use clone() for a deep copy).
// Who uses it: data loading, checkpoints, constants of a Graph, inputs and outputs of a Session.
// Thread-safety: like a shared_ptr; concurrent readers are fine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "tensor/dtype.h"

namespace dl {

using Dims = std::vector<int64_t>;  // concrete sizes

// Product of sizes; 1 for rank 0. Throws FileError on a negative size or on overflow of int64.
int64_t element_count(std::span<const int64_t> dims);
std::string to_string(std::span<const int64_t> dims);  // "[2, 3]"

class Tensor {
 public:
  Tensor() = default;              // float32, shape [0], no data
  Tensor(DType dtype, Dims dims);  // zero-filled

  template <class T>
  static Tensor from(Dims dims, std::span<const T> values) {
    Tensor t(DTypeOf<T>::value, std::move(dims));
    DL_CHECK(static_cast<int64_t>(values.size()) == t.size(), "value count does not fit the shape");
    if (!values.empty()) std::memcpy(t.raw(), values.data(), values.size_bytes());
    return t;
  }
  template <class T>
  static Tensor scalar(T value) {
    return from<T>({}, std::span<const T>(&value, 1));
  }

  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  int64_t size() const { return size_; }  // elements
  size_t bytes() const { return static_cast<size_t>(size_) * size_of(dtype_); }
  void* raw() { return data_.get(); }
  const void* raw() const { return data_.get(); }

  template <class T>
  T* data() {
    DL_CHECK(DTypeOf<T>::value == dtype_, std::string("tensor holds ") + name_of(dtype_));
    return static_cast<T*>(raw());
  }
  template <class T>
  const T* data() const {
    DL_CHECK(DTypeOf<T>::value == dtype_, std::string("tensor holds ") + name_of(dtype_));
    return static_cast<const T*>(raw());
  }
  template <class T>
  std::span<const T> values() const {
    return {data<T>(), static_cast<size_t>(size_)};
  }

  double at(int64_t index) const;  // any dtype, row-major index
  void set(int64_t index, double value);
  Tensor cast(DType dtype) const;    // value conversion; shares memory when the type is the same
  Tensor reshaped(Dims dims) const;  // same elements, shared memory
  Tensor clone() const;
  // Rows [begin, end) of the first axis, copied.
  Tensor rows(int64_t begin, int64_t end) const;

 private:
  DType dtype_ = DType::kFloat32;
  Dims dims_{0};
  int64_t size_ = 0;
  std::shared_ptr<std::byte> data_;
};

bool bit_equal(const Tensor& a, const Tensor& b);

}  // namespace dl
