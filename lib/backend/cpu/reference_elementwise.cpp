// Reference kernels of ops/elementwise.def, select and cast.
#include <string_view>

#include "backend/cpu/reference.h"
#include "backend/cpu/scalar_math.h"

namespace dl::cpu {
namespace {

// Rows whose expression is right in 64-bit integers. Integers take the others through double.
constexpr bool is_exact_in_integers(std::string_view name) {
  for (std::string_view exact : {"neg", "sign", "square", "relu", "add", "sub", "mul", "maximum", "minimum"})
    if (name == exact) return true;
  return false;
}

// Rows whose expression is not right in integers but whose value is one: in 64 bits, wrapping around as the hardware does.
template <class W>
W absolute(W x) {
  return x < W(0) ? static_cast<W>(0 - static_cast<uint64_t>(x)) : x;
}
template <class W>
W quotient(W a, W b) {  // towards zero
  if (std::is_signed_v<W> && b == static_cast<W>(-1)) return static_cast<W>(0 - static_cast<uint64_t>(a));
  return static_cast<W>(a / b);
}
template <class W>
W modulus(W a, W b) {  // with the sign of b
  if (std::is_signed_v<W> && b == static_cast<W>(-1)) return 0;
  const W rest = static_cast<W>(a % b);
  return rest != 0 && (rest < 0) != (b < 0) ? static_cast<W>(rest + b) : rest;
}
template <class W>
W power(W a, W b) {
  uint64_t result = 1, factor = static_cast<uint64_t>(a);
  for (auto left = static_cast<uint64_t>(b); left; left >>= 1, factor *= factor)
    if (left & 1) result *= factor;
  return static_cast<W>(result);
}

// The rows of the table as functions of T.
namespace value {
using namespace math;  // NOLINT: the vocabulary of the table
#define DL_UNARY(NAME, VALUE, GRAD)            \
  struct row_##NAME {                          \
    static constexpr const char* name = #NAME; \
    template <class T>                         \
    static T of(T x) {                         \
      return static_cast<T>(VALUE);            \
    }                                          \
  };
#define DL_BINARY(NAME, VALUE, GRAD_A, GRAD_B) \
  struct row_##NAME {                          \
    static constexpr const char* name = #NAME; \
    template <class T>                         \
    static T of(T a, T b) {                    \
      return static_cast<T>(VALUE);            \
    }                                          \
  };
#define DL_COMPARE(NAME, VALUE)                \
  struct row_##NAME {                          \
    static constexpr const char* name = #NAME; \
    template <class T>                         \
    static bool of(T a, T b) {                 \
      return VALUE;                            \
    }                                          \
  };
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
}  // namespace value

// What a row computes in for elements of type T.
template <class Row, class T>
using Compute = std::conditional_t<kIsFloat<T> || !is_exact_in_integers(Row::name), double, Wide<T>>;

template <class Row>
void run_unary(const ReferenceCall& call) {
  dispatch(call.inputs[0].dtype, [&]<class T>() {
    using C = Compute<Row, T>;
    constexpr bool is_abs = !kIsFloat<T> && std::string_view(Row::name) == "abs";
    const T* x = call.in<T>(0);
    T* y = call.out<T>(0);
    for (int64_t i = 0, n = call.inputs[0].size(); i < n; ++i) {
      if constexpr (is_abs)
        y[i] = convert<T>(absolute(widen(x[i])));
      else
        y[i] = convert<T>(Row::of(convert<C>(x[i])));
    }
  });
}

template <class T, class R, class F>
void run_pairs(const ReferenceCall& call, F f) {
  const Dims& out = call.outputs[0].dims;
  const Index a = broadcast_strides(call.inputs[0].dims, out), b = broadcast_strides(call.inputs[1].dims, out);
  R* y = call.out<R>(0);
  for_each_index(Index(out), [&](const Index& at) { *y++ = f(call.in<T>(0)[offset_of(at, a)], call.in<T>(1)[offset_of(at, b)]); });
}

template <class Row>
void run_binary(const ReferenceCall& call) {
  dispatch(call.inputs[0].dtype, [&]<class T>() {
    using C = Compute<Row, T>;
    run_pairs<T, T>(call, [](T a, T b) {
      // A division by zero and a negative power of an integer are left to floating point.
      if constexpr (!kIsFloat<T>) {
        constexpr std::string_view kName = Row::name;
        if (kName == "div" && b != T(0)) return convert<T>(quotient(widen(a), widen(b)));
        if (kName == "mod" && b != T(0)) return convert<T>(modulus(widen(a), widen(b)));
        if (kName == "pow" && b >= T(0)) return convert<T>(power(widen(a), widen(b)));
      }
      return convert<T>(Row::of(convert<C>(a), convert<C>(b)));
    });
  });
}

template <class Row>
void run_compare(const ReferenceCall& call) {
  dispatch(call.inputs[0].dtype, [&]<class T>() { run_pairs<T, bool>(call, [](T a, T b) { return Row::of(widen(a), widen(b)); }); });
}

void run_select(const ReferenceCall& call) {
  const Dims& out = call.outputs[0].dims;
  const Index c = broadcast_strides(call.inputs[0].dims, out), a = broadcast_strides(call.inputs[1].dims, out),
              b = broadcast_strides(call.inputs[2].dims, out);
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    T* y = call.out<T>(0);
    for_each_index(Index(out), [&](const Index& at) {
      *y++ = call.in<bool>(0)[offset_of(at, c)] ? call.in<T>(1)[offset_of(at, a)] : call.in<T>(2)[offset_of(at, b)];
    });
  });
}

void run_cast(const ReferenceCall& call) {
  dispatch(call.inputs[0].dtype, [&]<class From>() {
    dispatch(call.outputs[0].dtype, [&]<class To>() {
      const From* x = call.in<From>(0);
      To* y = call.out<To>(0);
      for (int64_t i = 0, n = call.inputs[0].size(); i < n; ++i) y[i] = convert<To>(x[i]);
    });
  });
}

}  // namespace

void append_reference_elementwise(std::vector<KernelRow>& rows) {
#define DL_UNARY(NAME, VALUE, GRAD) rows.push_back({#NAME, "reference", prepare_reference<run_unary<value::row_##NAME>>});
#define DL_BINARY(NAME, VALUE, GRAD_A, GRAD_B) rows.push_back({#NAME, "reference", prepare_reference<run_binary<value::row_##NAME>>});
#define DL_COMPARE(NAME, VALUE) rows.push_back({#NAME, "reference", prepare_reference<run_compare<value::row_##NAME>>});
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
  rows.push_back({"select", "reference", prepare_reference<run_select>});
  rows.push_back({"cast", "reference", prepare_reference<run_cast>});
}

}  // namespace dl::cpu
