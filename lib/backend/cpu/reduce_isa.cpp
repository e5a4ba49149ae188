#include "backend/cpu/reduce_isa.h"

#include "backend/cpu/isa.h"

#define DL_INLINE static inline __attribute__((always_inline))

namespace dl::cpu::DL_ISA {
namespace {

struct Bf16 {
  uint16_t bits;
};
DL_INLINE float widen(Bf16 x) { return __builtin_bit_cast(float, uint32_t{x.bits} << 16); }
DL_INLINE float widen(float x) { return x; }
DL_INLINE double widen(double x) { return x; }
DL_INLINE int64_t widen(int32_t x) { return x; }
DL_INLINE int64_t widen(int64_t x) { return x; }
template <class T>
using Partial = decltype(widen(T{}));

struct Sum {
  template <class P>
  DL_INLINE P join(P a, P b) {
    return a + b;
  }
};
struct Prod {
  template <class P>
  DL_INLINE P join(P a, P b) {
    return a * b;
  }
};
// NaN wins: of either side, written without a branch.
struct Max {
  template <class P>
  DL_INLINE P join(P a, P b) {
    return (b > a) | (b != b) ? b : a;
  }
};
struct Min {
  template <class P>
  DL_INLINE P join(P a, P b) {
    return (b < a) | (b != b) ? b : a;
  }
};

template <class Op, class T>
void reduce_run(const void* src, int64_t n, void* partial) {
  constexpr int64_t kLanes = 32;
  using P = Partial<T>;
  const T* x = static_cast<const T*>(src);
  P result = widen(x[0]);
  int64_t i = 1;
  if (n >= 2 * kLanes) {
    P lanes[kLanes];
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] = widen(x[j]);
    for (i = kLanes; i + kLanes <= n; i += kLanes)
      for (int64_t j = 0; j < kLanes; ++j) lanes[j] = Op::join(lanes[j], widen(x[i + j]));
    for (int64_t width = kLanes / 2; width > 0; width /= 2)
      for (int64_t j = 0; j < width; ++j) lanes[j] = Op::join(lanes[j], lanes[j + width]);
    result = lanes[0];
  }
  for (; i < n; ++i) result = Op::join(result, widen(x[i]));
  *static_cast<P*>(partial) = result;
}

// `width` columns at once, whose results stay in registers.
template <class Op, class T, int64_t width>
void reduce_columns(const T* x, int64_t rows, int64_t stride, Partial<T>* y) {
  Partial<T> kept[width];
  for (int64_t j = 0; j < width; ++j) kept[j] = widen(x[j]);
  for (int64_t i = 1; i < rows; ++i)
    for (int64_t j = 0; j < width; ++j) kept[j] = Op::join(kept[j], widen(x[i * stride + j]));
  for (int64_t j = 0; j < width; ++j) y[j] = kept[j];
}

template <class Op, class T>
void reduce_rows(const void* src, int64_t rows, int64_t stride, int64_t columns, void* partial) {
  const T* x = static_cast<const T*>(src);
  auto* y = static_cast<Partial<T>*>(partial);
  int64_t j = 0;
  for (; j + 32 <= columns; j += 32) reduce_columns<Op, T, 32>(x + j, rows, stride, y + j);
  for (; j + 8 <= columns; j += 8) reduce_columns<Op, T, 8>(x + j, rows, stride, y + j);
  for (; j < columns; ++j) reduce_columns<Op, T, 1>(x + j, rows, stride, y + j);
}

template <class T>
ReduceLoops loops_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return {reduce_run<Sum, T>, reduce_rows<Sum, T>};
    case ReduceOp::kProd:
      return {reduce_run<Prod, T>, reduce_rows<Prod, T>};
    case ReduceOp::kMax:
      return {reduce_run<Max, T>, reduce_rows<Max, T>};
    case ReduceOp::kMin:
      return {reduce_run<Min, T>, reduce_rows<Min, T>};
  }
  return {};
}

}  // namespace

ReduceLoops reduce_loops(ReduceOp op, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return loops_of<float>(op);
    case DType::kFloat64:
      return loops_of<double>(op);
    case DType::kBFloat16:
      return loops_of<Bf16>(op);
    case DType::kInt32:
      return loops_of<int32_t>(op);
    case DType::kInt64:
      return loops_of<int64_t>(op);
    default:
      return {};
  }
}

}  // namespace dl::cpu::DL_ISA
