// float16 (IEEE 754 binary16) storage and its conversions.
#pragma once

#include "tensor/dtype.h"

namespace dl {

struct float16 {
  uint16_t bits;
};
template <>
struct DTypeOf<float16> {
  static constexpr DType value = DType::kFloat16;
};

float to_float(float16 value);
float16 to_float16(float value);  // nearest even; overflow to infinity; subnormals kept

}  // namespace dl
