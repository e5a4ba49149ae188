// Reference kernels of running sums and products, top_k, gather_elements, scatter_elements, bits, fmod and determinants.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "backend/cpu/reference.h"
#include "tensor/dim.h"

namespace dl::cpu {
namespace {

// An operand as [outer, size, inner] around an axis.
struct Blocks {
  int64_t outer = 1, size = 1, inner = 1;

  Blocks(const Dims& dims, const Attrs& attrs) {
    const auto axis = static_cast<size_t>(attrs.integer("axis"));
    for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer : i == axis ? size : inner) *= dims[i];
  }
};

// ---- cumsum, cumprod

// Integers wrap around.
template <class W>
W wrapping_add(W a, W b) {
  if constexpr (std::is_integral_v<W>)
    return static_cast<W>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}
template <class W>
W wrapping_mul(W a, W b) {
  if constexpr (std::is_integral_v<W>)
    return static_cast<W>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}

template <bool product>
void run_cumulative(const ReferenceCall& call) {
  const Blocks b(call.inputs[0].dims, call.attrs);
  const bool exclusive = call.attrs.flag("exclusive"), reverse = call.attrs.flag("reverse");
  dispatch(call.inputs[0].dtype, [&]<class T>() {
    for (int64_t o = 0; o < b.outer; ++o)
      for (int64_t k = 0; k < b.inner; ++k) {
        Wide<T> total = product ? 1 : 0;
        for (int64_t step = 0; step < b.size; ++step) {
          const int64_t at = (o * b.size + (reverse ? b.size - 1 - step : step)) * b.inner + k;
          const Wide<T> x = widen(call.in<T>(0)[at]), next = product ? wrapping_mul(total, x) : wrapping_add(total, x);
          call.out<T>(0)[at] = convert<T>(exclusive ? total : next);
          total = next;
        }
      }
  });
}

// ---- top_k

// Orders places of one line; the memory for them is the kernel's workspace.
class TopKKernel final : public Kernel {
 public:
  explicit TopKKernel(const NodeView& node)
      : blocks_(node.inputs[0].dims, node.attrs),
        dtype_(node.inputs[0].dtype),
        k_(node.attrs.shape("k")[0].value()),
        largest_(node.attrs.flag("largest")) {
    workspace_bytes = static_cast<size_t>(blocks_.size) * sizeof(int64_t);
  }

  void run(const KernelArgs& args) override {
    dispatch(dtype_, [&]<class T>() {
      for (int64_t o = 0; o < blocks_.outer; ++o)
        for (int64_t i = 0; i < blocks_.inner; ++i)
          run_line<T>(static_cast<const T*>(args.inputs[0]) + o * blocks_.size * blocks_.inner + i, o * k_ * blocks_.inner + i, args);
    });
  }

 private:
  // a before b, where the order is a's and b's values': NaN is above all.
  template <class V>
  static bool above(V a, V b) {
    if (a != a || b != b) return a != a && b == b;
    return a > b;
  }

  template <class T>
  void run_line(const T* x, int64_t to, const KernelArgs& args) {
    auto* places = static_cast<int64_t*>(args.workspace);
    std::iota(places, places + blocks_.size, int64_t{0});
    std::partial_sort(places, places + k_, places + blocks_.size, [&](int64_t a, int64_t b) {
      const auto va = widen(x[a * blocks_.inner]), vb = widen(x[b * blocks_.inner]);
      if (largest_ ? above(va, vb) : above(vb, va)) return true;
      if (largest_ ? above(vb, va) : above(va, vb)) return false;
      return a < b;
    });
    for (int64_t j = 0; j < k_; ++j) {
      static_cast<T*>(args.outputs[0])[to + j * blocks_.inner] = x[places[j] * blocks_.inner];
      static_cast<int64_t*>(args.outputs[1])[to + j * blocks_.inner] = places[j];
    }
  }

  Blocks blocks_;
  DType dtype_;
  int64_t k_;
  bool largest_;
};

std::unique_ptr<Kernel> prepare_top_k(const NodeView& node) { return std::make_unique<TopKKernel>(node); }

// ---- gather_elements, scatter_elements

// Calls visit(element of the indices, element of x it names).
template <class Visit>
void for_each_place(const ReferenceCall& call, Visit&& visit) {
  const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
  const Dims& x = call.inputs[0].dims;
  const Index strides = strides_of(x);
  const bool narrow = call.inputs[1].dtype == DType::kInt32;
  int64_t i = 0;
  for_each_index(Index(call.inputs[1].dims), [&](Index at) {
    at[axis] = narrow ? call.in<int32_t>(1)[i] : call.in<int64_t>(1)[i];
    if (at[axis] < 0 || at[axis] >= x[axis])
      throw UserError("index " + std::to_string(at[axis]) + " is outside of 0 to " + std::to_string(x[axis] - 1));
    visit(i++, offset_of(at, strides));
  });
}

void run_gather_elements(const ReferenceCall& call) {
  dispatch(call.outputs[0].dtype,
           [&]<class T>() { for_each_place(call, [&](int64_t i, int64_t place) { call.out<T>(0)[i] = call.in<T>(0)[place]; }); });
}

template <class W>
W join(int64_t mode, W old, W update) {
  switch (mode) {  // as enum Scatter of ops/indexing.h
    case 1:
      return wrapping_add(old, update);
    case 2:
      return wrapping_mul(old, update);
    case 3:
      return old > update || old != old ? old : update;
    case 4:
      return old < update || old != old ? old : update;
    default:
      return update;
  }
}

void run_scatter_elements(const ReferenceCall& call) {
  const int64_t mode = call.attrs.integer("mode");
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    T* y = call.out<T>(0);
    std::copy_n(call.in<T>(0), call.inputs[0].size(), y);
    for_each_place(call, [&](int64_t i, int64_t place) { y[place] = convert<T>(join(mode, widen(y[place]), widen(call.in<T>(2)[i]))); });
  });
}

// ---- bits

template <class F>
void for_each_integer_type(DType dtype, F&& f) {
  dispatch(dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) f.template operator()<T>();
  });
}

template <class T>
T shift(T a, T b, bool left) {
  using U = std::make_unsigned_t<T>;
  constexpr auto kWidth = static_cast<uint64_t>(sizeof(T) * 8);
  const auto by = static_cast<uint64_t>(b);
  if (b < T(0) || by >= kWidth) return T(0);
  return left ? static_cast<T>(static_cast<U>(static_cast<uint64_t>(static_cast<U>(a)) << by)) : static_cast<T>(a >> by);
}

struct And {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
struct ShiftLeft {
  template <class T>
  static T of(T a, T b) {
    return shift(a, b, true);
  }
};
struct ShiftRight {
  template <class T>
  static T of(T a, T b) {
    return shift(a, b, false);
  }
};
// A remainder of a division by zero is NaN, of integers 0.
struct Remainder {
  template <class T>
  static T of(T a, T b) {
    const Wide<T> x = widen(a), y = widen(b);
    if constexpr (kIsFloat<T>)
      return convert<T>(std::fmod(x, y));
    else if constexpr (std::is_same_v<T, bool>)
      return false;
    else
      return y == 0 || (std::is_signed_v<T> && y == static_cast<Wide<T>>(-1)) ? T(0) : static_cast<T>(x % y);
  }
};

template <class Row, class T>
void run_pairs(const ReferenceCall& call) {
  const Dims& out = call.outputs[0].dims;
  const Index a = broadcast_strides(call.inputs[0].dims, out), b = broadcast_strides(call.inputs[1].dims, out);
  T* y = call.out<T>(0);
  for_each_index(Index(out), [&](const Index& at) { *y++ = Row::of(call.in<T>(0)[offset_of(at, a)], call.in<T>(1)[offset_of(at, b)]); });
}

template <class Row>
void run_bits(const ReferenceCall& call) {
  for_each_integer_type(call.outputs[0].dtype, [&]<class T>() { run_pairs<Row, T>(call); });
}

void run_not(const ReferenceCall& call) {
  for_each_integer_type(call.outputs[0].dtype, [&]<class T>() {
    std::transform(call.in<T>(0), call.in<T>(0) + call.inputs[0].size(), call.out<T>(0), [](T x) { return static_cast<T>(~x); });
  });
}

void run_fmod(const ReferenceCall& call) {
  dispatch(call.outputs[0].dtype, [&]<class T>() { run_pairs<Remainder, T>(call); });
}

// ---- determinant

// Elimination with row exchanges; destroys m.
double determinant_of(double* m, int64_t n) {
  double result = 1;
  for (int64_t c = 0; c < n; ++c) {
    int64_t pivot = c;
    for (int64_t r = c + 1; r < n; ++r)
      if (std::abs(m[r * n + c]) > std::abs(m[pivot * n + c])) pivot = r;
    if (m[pivot * n + c] == 0) return 0;
    if (pivot != c) {
      std::swap_ranges(m + pivot * n, m + pivot * n + n, m + c * n);
      result = -result;
    }
    result *= m[c * n + c];
    for (int64_t r = c + 1; r < n; ++r) {
      const double factor = m[r * n + c] / m[c * n + c];
      for (int64_t k = c; k < n; ++k) m[r * n + k] -= factor * m[c * n + k];
    }
  }
  return result;
}

class DeterminantKernel final : public Kernel {
 public:
  explicit DeterminantKernel(const NodeView& node)
      : dtype_(node.inputs[0].dtype), n_(node.inputs[0].dims.back()), count_(node.outputs[0].size()) {
    workspace_bytes = static_cast<size_t>(n_ * n_) * sizeof(double);
  }
  void run(const KernelArgs& args) override {
    dispatch(dtype_, [&]<class T>() {
      auto* m = static_cast<double*>(args.workspace);
      for (int64_t i = 0; i < count_; ++i) {
        const T* x = static_cast<const T*>(args.inputs[0]) + i * n_ * n_;
        std::transform(x, x + n_ * n_, m, [](T v) { return static_cast<double>(load(v)); });
        static_cast<T*>(args.outputs[0])[i] = convert<T>(determinant_of(m, n_));
      }
    });
  }

 private:
  DType dtype_;
  int64_t n_, count_;
};

std::unique_ptr<Kernel> prepare_determinant(const NodeView& node) { return std::make_unique<DeterminantKernel>(node); }

}  // namespace

void append_reference_indexing(std::vector<KernelRow>& rows) {
  rows.push_back({"cumsum", "reference", prepare_reference<run_cumulative<false>>});
  rows.push_back({"cumprod", "reference", prepare_reference<run_cumulative<true>>});
  rows.push_back({"top_k", "reference", prepare_top_k});
  rows.push_back({"gather_elements", "reference", prepare_reference<run_gather_elements>});
  rows.push_back({"scatter_elements", "reference", prepare_reference<run_scatter_elements>});
  rows.push_back({"bitwise_and", "reference", prepare_reference<run_bits<And>>});
  rows.push_back({"bitwise_or", "reference", prepare_reference<run_bits<Or>>});
  rows.push_back({"bitwise_xor", "reference", prepare_reference<run_bits<Xor>>});
  rows.push_back({"bitwise_not", "reference", prepare_reference<run_not>});
  rows.push_back({"shift_left", "reference", prepare_reference<run_bits<ShiftLeft>>});
  rows.push_back({"shift_right", "reference", prepare_reference<run_bits<ShiftRight>>});
  rows.push_back({"fmod", "reference", prepare_reference<run_fmod>});
  rows.push_back({"determinant", "reference", prepare_determinant});
}

}  // namespace dl::cpu
