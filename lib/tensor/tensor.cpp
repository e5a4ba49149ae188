#include "tensor/tensor.h"

#include <cmath>
#include <cstdlib>

#include "tensor/cast.h"
#include "tensor/half.h"

namespace dl {

int64_t element_count(std::span<const int64_t> dims) {
  int64_t count = 1;
  for (int64_t d : dims) {
    if (d < 0) throw FileError("shape " + to_string(dims) + " has a negative size");
    if (__builtin_mul_overflow(count, d, &count)) throw FileError("shape " + to_string(dims) + " has more elements than fit in memory");
  }
  return count;
}

std::string to_string(std::span<const int64_t> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

Tensor::Tensor(DType dtype, Dims dims) : dtype_(dtype), dims_(std::move(dims)), size_(element_count(dims_)) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(size_, static_cast<int64_t>(size_of(dtype)), &bytes) || bytes > (int64_t{1} << 46))
    throw FileError("shape " + to_string(dims_) + " has more elements than fit in memory");
  // Zeros from calloc: pages of a large tensor that are not written to yet take no memory.
  constexpr size_t kAlignment = 64;
  const size_t rounded = (static_cast<size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
  void* memory = std::calloc(rounded + kAlignment, 1);
  if (!memory) throw EnvError("not enough memory for a tensor of shape " + to_string(dims_) + " (" + std::to_string(bytes) + " bytes)");
  const size_t beyond = reinterpret_cast<uintptr_t>(memory) % kAlignment;
  data_ = std::shared_ptr<std::byte>(static_cast<std::byte*>(memory) + (kAlignment - beyond), [memory](std::byte*) { std::free(memory); });
}

namespace {

template <class F>
auto dispatch(DType dtype, F f) {
  switch (dtype) {
    case DType::kFloat32:
      return f(float{});
    case DType::kFloat64:
      return f(double{});
    case DType::kBFloat16:
      return f(bfloat16{});
    case DType::kFloat16:
      return f(float16{});
    case DType::kInt8:
      return f(int8_t{});
    case DType::kUInt8:
      return f(uint8_t{});
    case DType::kInt16:
      return f(int16_t{});
    case DType::kUInt16:
      return f(uint16_t{});
    case DType::kInt32:
      return f(int32_t{});
    case DType::kUInt32:
      return f(uint32_t{});
    case DType::kInt64:
      return f(int64_t{});
    case DType::kUInt64:
      return f(uint64_t{});
    case DType::kBool:
      return f(bool{});
  }
  fail_check("dtype", __FILE__, __LINE__, "unknown dtype");
}

template <class T>
double widen(T value) {
  if constexpr (std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>)
    return static_cast<double>(to_float(value));
  else
    return static_cast<double>(value);
}

template <class T>
T narrow(double value) {
  if constexpr (std::is_same_v<T, bfloat16>)
    return to_bfloat16(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, float16>)
    return to_float16(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, bool>)
    return value != 0.0;
  else
    return static_cast<T>(value);
}

}  // namespace

double Tensor::at(int64_t index) const {
  return dispatch(dtype_, [&](auto tag) { return widen(reinterpret_cast<const decltype(tag)*>(data_.get())[index]); });
}

void Tensor::set(int64_t index, double value) {
  dispatch(dtype_, [&](auto tag) { reinterpret_cast<decltype(tag)*>(data_.get())[index] = narrow<decltype(tag)>(value); });
}

void cast_elements(const void* src, DType from, void* dst, DType to, int64_t count) {
  dispatch(from, [&](auto from_tag) {
    dispatch(to, [&](auto to_tag) {
      using From = decltype(from_tag);
      using To = decltype(to_tag);
      const auto* elements = static_cast<const From*>(src);
      auto* results = static_cast<To*>(dst);
      for (int64_t i = 0; i < count; ++i) {
        if constexpr (std::is_integral_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>)
          results[i] = static_cast<To>(elements[i]);  // not through double: int64 keeps its low bits
        else
          results[i] = narrow<To>(widen(elements[i]));
      }
    });
  });
}

Tensor Tensor::cast(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result(dtype, dims_);
  cast_elements(raw(), dtype_, result.raw(), dtype, size_);
  return result;
}

Tensor Tensor::reshaped(Dims dims) const {
  DL_CHECK(element_count(dims) == size_, "cannot view " + to_string(dims_) + " as " + to_string(dims));
  Tensor view = *this;
  view.dims_ = std::move(dims);
  return view;
}

Tensor Tensor::clone() const {
  Tensor copy(dtype_, dims_);
  if (bytes()) std::memcpy(copy.raw(), raw(), bytes());
  return copy;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  DL_CHECK(rank() > 0 && 0 <= begin && begin <= end && end <= dims_[0], "row range outside of " + to_string(dims_));
  Dims dims = dims_;
  dims[0] = end - begin;
  Tensor part(dtype_, dims);
  const size_t row_bytes = dims_[0] ? bytes() / static_cast<size_t>(dims_[0]) : 0;
  if (part.bytes()) std::memcpy(part.raw(), data_.get() + static_cast<size_t>(begin) * row_bytes, part.bytes());
  return part;
}

bool bit_equal(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.dims() == b.dims() && (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

}  // namespace dl
