// The inner loops of elementwise kernels: one function per operator, element type and instruction set.
// Who uses it: elementwise.cpp. elementwise_isa.cpp defines the tables.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace dl::cpu {

// A block of `outer` x `inner` results, contiguous. Operand k advances by outer_strides[k] elements per outer step; along the inner
// axis it is contiguous, or one element where repeats[k].
struct ElementwiseBlock {
  int64_t outer, inner;
  int64_t outer_strides[3];
  bool repeats[3];
};
using ElementwiseLoop = void (*)(const void* const* inputs, void* output, const ElementwiseBlock& block);

struct ElementwiseEntry {
  const char* op;
  DType input, output;  // of the last operand, of the result
  ElementwiseLoop loop;
};
struct ElementwiseTable {
  const ElementwiseEntry* entries;
  int64_t count;
};

namespace baseline {
ElementwiseTable elementwise_table();
}
namespace avx2 {
ElementwiseTable elementwise_table();
}
namespace avx512 {
ElementwiseTable elementwise_table();
}

}  // namespace dl::cpu
