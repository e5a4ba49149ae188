#include "data/convert.h"

#include <cstring>
#include <type_traits>

#include "base/error.h"
#include "tensor/half.h"

namespace dl {
namespace {

template <class F>
void dispatch(DType dtype, F f) {
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
constexpr bool kIsHalf = std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

template <class T>
auto load(T value) {
  if constexpr (kIsHalf<T>)
    return to_float(value);
  else
    return value;
}

template <class T, class V>
T store(V value) {
  if constexpr (std::is_same_v<T, bfloat16>)
    return to_bfloat16(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, float16>)
    return to_float16(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, bool>)
    return value != V{0};
  else if constexpr (std::is_integral_v<T> && std::is_floating_point_v<V>)
    return static_cast<T>(value == value ? static_cast<int64_t>(value) : 0);
  else
    return static_cast<T>(value);
}

template <class S, class D>
void convert(const S* src, D* dst, int64_t count, double scale, double offset) {
  if (scale == 1 && offset == 0) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) dst[i] = store<D>(load(src[i]));
    return;
  }
  constexpr bool kWide = std::is_same_v<S, double> || std::is_same_v<D, double> || (std::is_integral_v<S> && sizeof(S) >= 4);
  using A = std::conditional_t<kWide, double, float>;
  const A a = static_cast<A>(scale), b = static_cast<A>(offset);
  // -O2 vectorizes only loops that ask for it.
  if (b == A{0}) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) dst[i] = store<D>(static_cast<A>(load(src[i])) * a);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) dst[i] = store<D>(static_cast<A>(load(src[i])) * a + b);
  }
}

}  // namespace

void convert_row(const std::byte* src, DType src_type, std::byte* dst, DType dst_type, int64_t count, double scale, double offset) {
  if (src_type == dst_type && scale == 1 && offset == 0) {
    std::memcpy(dst, src, static_cast<size_t>(count) * size_of(src_type));
    return;
  }
  dispatch(src_type, [&](auto s) {
    dispatch(dst_type, [&](auto d) {
      convert(reinterpret_cast<const decltype(s)*>(src), reinterpret_cast<decltype(d)*>(dst), count, scale, offset);
    });
  });
}

}  // namespace dl
