// From a run-time element type to a C++ type, and value conversions that are defined for every value.
// Who uses it: the kernels of backend/cpu that are templates over the element type.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

namespace dl::cpu {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T> || std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

// Calls f.template operator()<T>() with the C++ type of `dtype`.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kFloat32:
      return f.template operator()<float>();
    case DType::kFloat64:
      return f.template operator()<double>();
    case DType::kBFloat16:
      return f.template operator()<bfloat16>();
    case DType::kFloat16:
      return f.template operator()<float16>();
    case DType::kInt8:
      return f.template operator()<int8_t>();
    case DType::kUInt8:
      return f.template operator()<uint8_t>();
    case DType::kInt16:
      return f.template operator()<int16_t>();
    case DType::kUInt16:
      return f.template operator()<uint16_t>();
    case DType::kInt32:
      return f.template operator()<int32_t>();
    case DType::kUInt32:
      return f.template operator()<uint32_t>();
    case DType::kInt64:
      return f.template operator()<int64_t>();
    case DType::kUInt64:
      return f.template operator()<uint64_t>();
    case DType::kBool:
      return f.template operator()<bool>();
  }
  fail_check("dtype", __FILE__, __LINE__, "unknown element type");
}

// The value of an element, to compute with: half precisions as float.
template <class T>
auto load(T x) {
  if constexpr (std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>)
    return to_float(x);
  else
    return x;
}

// Value conversion. To an integer: towards zero, NaN is 0, out of range is the nearest end. To bool: x != 0.
template <class To, class From>
To convert(From from) {
  const auto x = load(from);
  using X = std::remove_const_t<decltype(x)>;
  if constexpr (std::is_same_v<To, From>) {
    return from;
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return to_bfloat16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, float16>) {
    return to_float16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != X(0);
  } else if constexpr (std::is_floating_point_v<X> && std::is_integral_v<To>) {
    // 2^digits is exact in X, unlike the largest value of To.
    constexpr X low = static_cast<X>(std::numeric_limits<To>::min()),
                bound = static_cast<X>(uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2;
    if (x != x) return To(0);
    return x < low ? std::numeric_limits<To>::min() : x >= bound ? std::numeric_limits<To>::max() : static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace dl::cpu
