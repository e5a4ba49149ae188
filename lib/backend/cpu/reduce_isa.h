// The inner loops of reductions, per instruction set. Who uses it: loops_reduce.cpp. reduce_isa.cpp defines the tables.
// Partial results are float for float32 and bfloat16, double for float64, int64 for integers. They take at most a few thousand terms:
// callers add them up in double.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace dl::cpu {

enum class ReduceOp : uint8_t { kSum, kProd, kMax, kMin };

struct ReduceLoops {
  // Of n > 0 contiguous elements, in 32 interleaved parts (so that the bits do not depend on the instruction set): *partial.
  void (*run)(const void* x, int64_t n, void* partial);
  // Of `rows` > 0 rows `stride` elements apart, column by column: partial[columns].
  void (*rows)(const void* x, int64_t rows, int64_t stride, int64_t columns, void* partial);
};

namespace baseline {
ReduceLoops reduce_loops(ReduceOp op, DType dtype);
}
namespace avx2 {
ReduceLoops reduce_loops(ReduceOp op, DType dtype);
}
namespace avx512 {
ReduceLoops reduce_loops(ReduceOp op, DType dtype);
}

}  // namespace dl::cpu
