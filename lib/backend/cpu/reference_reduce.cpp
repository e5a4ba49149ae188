// Reference kernels that combine elements: reductions, arg_max, matmul; and size_of, random_uniform.
#include <algorithm>
#include <vector>

#include "backend/cpu/random_uniform.h"
#include "backend/cpu/reference.h"
#include "tensor/dim.h"

namespace dl::cpu {
namespace {

struct Sum {
  template <class W>
  static W start() {
    return 0;
  }
  template <class W>
  static W join(W a, W b) {
    return a + b;
  }
};
struct Prod {
  template <class W>
  static W start() {
    return 1;
  }
  template <class W>
  static W join(W a, W b) {
    return a * b;
  }
};
template <class W>
constexpr W lowest() {
  if constexpr (std::is_floating_point_v<W>)
    return -std::numeric_limits<W>::infinity();
  else
    return std::numeric_limits<W>::lowest();
}
template <class W>
constexpr W highest() {
  if constexpr (std::is_floating_point_v<W>)
    return std::numeric_limits<W>::infinity();
  else
    return std::numeric_limits<W>::max();
}
// NaN wins.
struct Max {
  template <class W>
  static W start() {
    return lowest<W>();
  }
  template <class W>
  static W join(W a, W b) {
    return a > b || a != a ? a : b;
  }
};
struct Min {
  template <class W>
  static W start() {
    return highest<W>();
  }
  template <class W>
  static W join(W a, W b) {
    return a < b || a != a ? a : b;
  }
};

// Sizes and strides of the axes a reduction keeps (in output order) and drops.
struct Split {
  Index kept, kept_strides, dropped, dropped_strides;

  explicit Split(const ReferenceCall& call) {
    const Dims& in = call.inputs[0].dims;
    const auto& axes = call.attrs.integers("axes");
    const Index strides = strides_of(in);
    for (size_t i = 0; i < in.size(); ++i) {
      const bool drop = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(i));
      push(drop ? dropped : kept, in[i]);
      push(drop ? dropped_strides : kept_strides, strides[i]);
    }
  }
  static void push(Index& index, int64_t value) { index[index.rank++] = value; }
};

template <class Op>
void run_reduce(const ReferenceCall& call) {
  const Split split(call);
  dispatch(call.inputs[0].dtype, [&]<class T>() {
    T* y = call.out<T>(0);
    for_each_index(split.kept, [&](const Index& at) {
      const T* x = call.in<T>(0) + offset_of(at, split.kept_strides);
      Wide<T> result = Op::template start<Wide<T>>();
      for_each_index(split.dropped, [&](const Index& in) { result = Op::join(result, widen(x[offset_of(in, split.dropped_strides)])); });
      *y++ = convert<T>(result);
    });
  });
}

void run_arg_max(const ReferenceCall& call) {
  const Dims& x_dims = call.inputs[0].dims;
  const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
  const Index strides = strides_of(x_dims);
  Index kept(x_dims);
  kept[axis] = 1;
  dispatch(call.inputs[0].dtype, [&]<class T>() {
    int64_t* y = call.out<int64_t>(0);
    for_each_index(kept, [&](const Index& at) {
      const T* x = call.in<T>(0) + offset_of(at, strides);
      int64_t best = 0;
      for (int64_t i = 1; i < x_dims[axis]; ++i) {
        const auto value = widen(x[i * strides[axis]]), top = widen(x[best * strides[axis]]);
        if (value > top || (value != value && top == top)) best = i;  // the first NaN wins, as in NumPy
      }
      *y++ = best;
    });
  });
}

void run_matmul(const ReferenceCall& call) {
  const Dims &a_dims = call.inputs[0].dims, &b_dims = call.inputs[1].dims, &y_dims = call.outputs[0].dims;
  const bool ta = call.attrs.flag("transpose_a"), tb = call.attrs.flag("transpose_b");
  const size_t ra = a_dims.size(), ry = y_dims.size();
  const int64_t m = y_dims[ry - 2], n = y_dims[ry - 1], k = a_dims[ra - (ta ? 2 : 1)];
  const Dims batch(y_dims.begin(), y_dims.end() - 2), a_batch(a_dims.begin(), a_dims.end() - 2), b_batch(b_dims.begin(), b_dims.end() - 2);
  const Index a_step = broadcast_strides(a_batch, batch), b_step = broadcast_strides(b_batch, batch);
  const int64_t a_row = ta ? 1 : k, a_col = ta ? m : 1, b_row = tb ? 1 : n, b_col = tb ? k : 1;
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    T* y = call.out<T>(0);
    for_each_index(Index(batch), [&](const Index& at) {
      const T* a = call.in<T>(0) + offset_of(at, a_step) * m * k;
      const T* b = call.in<T>(1) + offset_of(at, b_step) * k * n;
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          Wide<T> sum = 0;
          for (int64_t l = 0; l < k; ++l) sum += widen(a[i * a_row + l * a_col]) * widen(b[l * b_row + j * b_col]);
          *y++ = convert<T>(sum);
        }
    });
  });
}

void run_size_of(const ReferenceCall& call) {
  int64_t size = 1;
  for (Dim d : call.attrs.shape("size")) size *= d.value();
  dispatch(call.outputs[0].dtype, [&]<class T>() { *call.out<T>(0) = convert<T>(size); });
}

void run_random_uniform(const ReferenceCall& call) {
  const auto seed = static_cast<uint64_t>(call.attrs.integer("seed")), stream = static_cast<uint64_t>(call.attrs.integer("stream"));
  const int64_t step = *call.in<int64_t>(0);
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    T* y = call.out<T>(0);
    for (int64_t i = 0, n = call.outputs[0].size(); i < n; ++i)
      y[i] = to_uniform<T>(uniform_block(seed, stream, step, i / 4)[static_cast<size_t>(i % 4)]);
  });
}

}  // namespace

void append_reference_reduce(std::vector<KernelRow>& rows) {
  rows.push_back({"reduce_sum", "reference", prepare_reference<run_reduce<Sum>>});
  rows.push_back({"reduce_prod", "reference", prepare_reference<run_reduce<Prod>>});
  rows.push_back({"reduce_max", "reference", prepare_reference<run_reduce<Max>>});
  rows.push_back({"reduce_min", "reference", prepare_reference<run_reduce<Min>>});
  rows.push_back({"arg_max", "reference", prepare_reference<run_arg_max>});
  rows.push_back({"matmul", "reference", prepare_reference<run_matmul>});
  rows.push_back({"size_of", "reference", prepare_reference<run_size_of>});
  rows.push_back({"random_uniform", "reference", prepare_reference<run_random_uniform>});
}

}  // namespace dl::cpu
