#include "backend/cpu/elementwise_isa.h"

#include "backend/cpu/isa.h"
#include "backend/cpu/scalar_math.h"

namespace dl::cpu::DL_ISA {
namespace {

// ---- elements as they lie in memory, and the type they are computed in

struct Bf16 {
  uint16_t bits;
};
using Bool = uint8_t;  // 0 or 1

DL_SCALAR_FUNCTION float widen(Bf16 x) { return __builtin_bit_cast(float, uint32_t{x.bits} << 16); }
template <class T>
DL_SCALAR_FUNCTION T widen(T x) {
  return x;
}

// Rounds to nearest even; branch-free, unlike to_bfloat16.
DL_SCALAR_FUNCTION void store(Bf16& y, float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, quiet = bits >> 16 | 0x40u;
  y.bits = static_cast<uint16_t>(x != x ? quiet : rounded);
}
template <class T>
DL_SCALAR_FUNCTION void store(T& y, T x) {
  y = x;
}

// ---- loops

template <class Row, class T>
void run_unary(const void* const* inputs, void* output, const ElementwiseBlock& block) {
  const T* x = static_cast<const T*>(inputs[0]);
  T* y = static_cast<T*>(output);
  for (int64_t i = 0; i < block.outer; ++i, x += block.outer_strides[0], y += block.inner) {
#pragma GCC ivdep
    for (int64_t j = 0; j < block.inner; ++j) store(y[j], Row::of(widen(x[j])));
  }
}

template <class Row, class T, class R, bool repeat_a, bool repeat_b>
void run_pairs(const void* const* inputs, void* output, const ElementwiseBlock& block) {
  const T* a = static_cast<const T*>(inputs[0]);
  const T* b = static_cast<const T*>(inputs[1]);
  R* y = static_cast<R*>(output);
  for (int64_t i = 0; i < block.outer; ++i, a += block.outer_strides[0], b += block.outer_strides[1], y += block.inner) {
    // Read once: the result may lie over an operand, but never over a repeated one.
    const auto a0 = widen(a[0]), b0 = widen(b[0]);
#pragma GCC ivdep
    for (int64_t j = 0; j < block.inner; ++j)
      store(y[j], static_cast<decltype(widen(R{}))>(Row::of(repeat_a ? a0 : widen(a[j]), repeat_b ? b0 : widen(b[j]))));
  }
}

template <class Row, class T, class R>
void run_binary(const void* const* inputs, void* output, const ElementwiseBlock& block) {
  if (block.repeats[0] && block.repeats[1]) return run_pairs<Row, T, R, true, true>(inputs, output, block);
  if (block.repeats[0]) return run_pairs<Row, T, R, true, false>(inputs, output, block);
  if (block.repeats[1]) return run_pairs<Row, T, R, false, true>(inputs, output, block);
  run_pairs<Row, T, R, false, false>(inputs, output, block);
}

template <class T, bool repeat_c, bool repeat_a, bool repeat_b>
void run_choice(const void* const* inputs, void* output, const ElementwiseBlock& block) {
  const Bool* c = static_cast<const Bool*>(inputs[0]);
  const T* a = static_cast<const T*>(inputs[1]);
  const T* b = static_cast<const T*>(inputs[2]);
  T* y = static_cast<T*>(output);
  for (int64_t i = 0; i < block.outer; ++i, y += block.inner) {
    const Bool c0 = c[0];
    const T a0 = a[0], b0 = b[0];
#pragma GCC ivdep
    for (int64_t j = 0; j < block.inner; ++j) {
      const T yes = repeat_a ? a0 : a[j], no = repeat_b ? b0 : b[j];
      y[j] = (repeat_c ? c0 : c[j]) ? yes : no;
    }
    c += block.outer_strides[0], a += block.outer_strides[1], b += block.outer_strides[2];
  }
}

// T: an unsigned integer of the elements' size.
template <class T>
void run_select(const void* const* inputs, void* output, const ElementwiseBlock& block) {
  using Loop = void (*)(const void* const*, void*, const ElementwiseBlock&);
  static constexpr Loop kLoops[] = {run_choice<T, false, false, false>, run_choice<T, false, false, true>,
                                    run_choice<T, false, true, false>,  run_choice<T, false, true, true>,
                                    run_choice<T, true, false, false>,  run_choice<T, true, false, true>,
                                    run_choice<T, true, true, false>,   run_choice<T, true, true, true>};
  kLoops[block.repeats[0] * 4 + block.repeats[1] * 2 + block.repeats[2]](inputs, output, block);
}

// Conversions as convert() of dispatch.h; those from floats to integers, which need care at the ends, are not here.
template <class From, class To>
void run_cast(const void* const* inputs, void* output, const ElementwiseBlock& block) {
  const From* x = static_cast<const From*>(inputs[0]);
  To* y = static_cast<To*>(output);
#pragma GCC ivdep
  for (int64_t j = 0; j < block.inner; ++j) store(y[j], static_cast<decltype(widen(To{}))>(widen(x[j])));
}

// ---- the table

namespace value {
using namespace math;  // NOLINT: the vocabulary of the table
#define DL_UNARY(NAME, VALUE, GRAD) \
  struct row_##NAME {               \
    template <class T>              \
    DL_SCALAR_MEMBER T of(T x) {    \
      return static_cast<T>(VALUE); \
    }                               \
  };
#define DL_BINARY(NAME, VALUE, GRAD_A, GRAD_B) \
  struct row_##NAME {                          \
    template <class T>                         \
    DL_SCALAR_MEMBER T of(T a, T b) {          \
      return static_cast<T>(VALUE);            \
    }                                          \
  };
#define DL_COMPARE(NAME, VALUE)          \
  struct row_##NAME {                    \
    template <class T>                   \
    DL_SCALAR_MEMBER bool of(T a, T b) { \
      return VALUE;                      \
    }                                    \
  };
#define DL_SCALAR_MEMBER static inline __attribute__((always_inline))
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
}  // namespace value

constexpr DType kF32 = DType::kFloat32, kF64 = DType::kFloat64, kB16 = DType::kBFloat16, kI32 = DType::kInt32, kI64 = DType::kInt64,
                kU8 = DType::kUInt8, kBool = DType::kBool;

#define DL_SELECT(TYPE, STORED) {"select", TYPE, TYPE, run_select<STORED>},
#define DL_INTEGER_UNARY(NAME) \
  {#NAME, kI32, kI32, run_unary<value::row_##NAME, int32_t>}, {#NAME, kI64, kI64, run_unary<value::row_##NAME, int64_t>},
#define DL_INTEGER_BINARY(NAME)                                             \
  {#NAME, kI32, kI32, run_binary<value::row_##NAME, int32_t, int32_t>},     \
      {#NAME, kI64, kI64, run_binary<value::row_##NAME, int64_t, int64_t>}, \
      {#NAME, kU8, kU8, run_binary<value::row_##NAME, uint8_t, uint8_t>},

constexpr ElementwiseEntry kEntries[] = {
#define DL_UNARY(NAME, VALUE, GRAD)                                                                                    \
  {#NAME, kF32, kF32, run_unary<value::row_##NAME, float>}, {#NAME, kF64, kF64, run_unary<value::row_##NAME, double>}, \
      {#NAME, kB16, kB16, run_unary<value::row_##NAME, Bf16>},
#define DL_BINARY(NAME, VALUE, GRAD_A, GRAD_B)                                                                                          \
  {#NAME, kF32, kF32, run_binary<value::row_##NAME, float, float>}, {#NAME, kF64, kF64, run_binary<value::row_##NAME, double, double>}, \
      {#NAME, kB16, kB16, run_binary<value::row_##NAME, Bf16, Bf16>},
#define DL_COMPARE(NAME, VALUE)                                                                                                            \
  {#NAME, kF32, kBool, run_binary<value::row_##NAME, float, Bool>}, {#NAME, kF64, kBool, run_binary<value::row_##NAME, double, Bool>},     \
      {#NAME, kB16, kBool, run_binary<value::row_##NAME, Bf16, Bool>}, {#NAME, kI32, kBool, run_binary<value::row_##NAME, int32_t, Bool>}, \
      {#NAME, kI64, kBool, run_binary<value::row_##NAME, int64_t, Bool>},                                                                  \
      {#NAME, kU8, kBool, run_binary<value::row_##NAME, uint8_t, Bool>}, {#NAME, kBool, kBool, run_binary<value::row_##NAME, Bool, Bool>},
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
    DL_INTEGER_UNARY(neg) DL_INTEGER_UNARY(sign) DL_INTEGER_UNARY(square) DL_INTEGER_UNARY(relu) DL_INTEGER_BINARY(add)
        DL_INTEGER_BINARY(sub) DL_INTEGER_BINARY(mul) DL_INTEGER_BINARY(maximum) DL_INTEGER_BINARY(minimum) DL_SELECT(kF32, uint32_t)
            DL_SELECT(kF64, uint64_t) DL_SELECT(kB16, uint16_t) DL_SELECT(kI32, uint32_t) DL_SELECT(kI64, uint64_t) DL_SELECT(kU8, uint8_t)
                DL_SELECT(kBool, uint8_t){"cast", kF32, kF64, run_cast<float, double>},
    {"cast", kF32, kB16, run_cast<float, Bf16>},
    {"cast", kF64, kF32, run_cast<double, float>},
    {"cast", kF64, kB16, run_cast<double, Bf16>},
    {"cast", kB16, kF32, run_cast<Bf16, float>},
    {"cast", kB16, kF64, run_cast<Bf16, double>},
    {"cast", kI32, kF32, run_cast<int32_t, float>},
    {"cast", kI64, kF32, run_cast<int64_t, float>},
    {"cast", kU8, kF32, run_cast<uint8_t, float>},
    {"cast", kBool, kF32, run_cast<Bool, float>},
    {"cast", kI32, kF64, run_cast<int32_t, double>},
    {"cast", kI64, kF64, run_cast<int64_t, double>},
    {"cast", kU8, kF64, run_cast<uint8_t, double>},
    {"cast", kBool, kF64, run_cast<Bool, double>},
    {"cast", kU8, kB16, run_cast<uint8_t, Bf16>},
    {"cast", kBool, kB16, run_cast<Bool, Bf16>},
    {"cast", kI32, kI64, run_cast<int32_t, int64_t>},
    {"cast", kI64, kI32, run_cast<int64_t, int32_t>},
};

}  // namespace

ElementwiseTable elementwise_table() { return {kEntries, static_cast<int64_t>(sizeof kEntries / sizeof kEntries[0])}; }

}  // namespace dl::cpu::DL_ISA
