// Softmax along the last axis, and the cross entropies fused with it: one pass over the logits, row by row.
#include "backend/cpu/fused.h"
#include "backend/cpu/fused_loops.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

struct Rows {
  int64_t count, length;
};
// Rows along the last axis. Empty ones have no maximum and are left to the reference.
Rows rows_of(const Dims& dims) {
  const int64_t length = dims.empty() ? 0 : dims.back();
  return {length > 0 ? element_count(dims) / length : 0, length};
}

// The axes after the softmax axis hold one element.
bool is_last_axis(const NodeView& node) {
  const Dims& dims = node.inputs[0].dims;
  const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
  return std::all_of(dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, dims.end(), [](int64_t d) { return d == 1; });
}

using UnaryRow = void (*)(const float*, float*, int64_t);

std::unique_ptr<Kernel> prepare_unary(const NodeView& node, UnaryRow row) {
  if (!all_float32(node) || !is_last_axis(node)) return nullptr;
  const int64_t length = node.inputs[0].dims[static_cast<size_t>(node.attrs.integer("axis"))];
  if (length == 0) return nullptr;
  const int64_t count = node.inputs[0].size() / length;
  return make_kernel(
      [row, count, length](const KernelArgs& args) {
        const float* x = floats(args, 0);
        float* y = result(args, 0);
        parallel_for(count, rows_per_part(length), [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) row(x + r * length, y + r * length, length);
        });
      },
      {{0, 0}});
}

std::unique_ptr<Kernel> prepare_softmax_grad(const NodeView& node) {
  if (!all_float32(node) || !is_last_axis(node)) return nullptr;
  const int64_t length = node.inputs[0].dims[static_cast<size_t>(node.attrs.integer("axis"))];
  if (length == 0) return nullptr;
  const int64_t count = node.inputs[0].size() / length;
  return make_kernel(
      [row = fused_loops().softmax_grad, count, length](const KernelArgs& args) {
        const float *y = floats(args, 0), *dy = floats(args, 1);
        float* dx = result(args, 0);
        parallel_for(count, rows_per_part(length, 65536), [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) row(y + r * length, dy + r * length, dx + r * length, length);
        });
      },
      {{0, 0}, {0, 1}});
}

std::unique_ptr<Kernel> prepare_cross_entropy(const NodeView& node) {
  const Rows rows = rows_of(node.inputs[0].dims);
  if (!all_float32(node) || rows.length == 0) return nullptr;
  return make_kernel([row = fused_loops().cross_entropy, rows](const KernelArgs& args) {
    const float *x = floats(args, 0), *target = floats(args, 1);
    float* loss = result(args, 0);
    parallel_for(rows.count, rows_per_part(rows.length), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) loss[r] = row(x + r * rows.length, target + r * rows.length, rows.length);
    });
  });
}

std::unique_ptr<Kernel> prepare_cross_entropy_grad(const NodeView& node) {
  const Rows rows = rows_of(node.inputs[0].dims);
  if (!all_float32(node) || rows.length == 0) return nullptr;
  return make_kernel([row = fused_loops().cross_entropy_grad, rows](const KernelArgs& args) {
    const float *x = floats(args, 0), *target = floats(args, 1), *dy = floats(args, 2);
    float* dx = result(args, 0);
    parallel_for(rows.count, rows_per_part(rows.length), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(x + r * rows.length, target + r * rows.length, dy[r], dx + r * rows.length, rows.length);
    });
  });
}

// A list of int32 or int64.
struct Indices {
  const void* data;
  bool wide;
  int64_t operator[](int64_t i) const { return wide ? static_cast<const int64_t*>(data)[i] : static_cast<const int32_t*>(data)[i]; }
};

std::unique_ptr<Kernel> prepare_sparse(const NodeView& node) {
  const Rows rows = rows_of(node.inputs[0].dims);
  if (!all_float32(node.inputs, 1) || rows.length == 0) return nullptr;
  return make_kernel(
      [row = fused_loops().sparse_cross_entropy, rows, wide = node.inputs[1].dtype == DType::kInt64](const KernelArgs& args) {
        const float* x = floats(args, 0);
        const Indices target{args.inputs[1], wide};
        float* loss = result(args, 0);
        parallel_for(rows.count, rows_per_part(rows.length), [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) loss[r] = row(x + r * rows.length, target[r], rows.length);
        });
      });
}

std::unique_ptr<Kernel> prepare_sparse_grad(const NodeView& node) {
  const Rows rows = rows_of(node.inputs[0].dims);
  if (!all_float32(node.inputs, 1) || rows.length == 0) return nullptr;
  return make_kernel(
      [row = fused_loops().sparse_cross_entropy_grad, rows, wide = node.inputs[1].dtype == DType::kInt64](const KernelArgs& args) {
        const float *x = floats(args, 0), *dy = floats(args, 2);
        const Indices target{args.inputs[1], wide};
        float* dx = result(args, 0);
        parallel_for(rows.count, rows_per_part(rows.length), [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) row(x + r * rows.length, target[r], dy[r], dx + r * rows.length, rows.length);
        });
      },
      {{0, 0}});
}

std::unique_ptr<Kernel> prepare_sigmoid(const NodeView& node) {
  if (!all_float32(node)) return nullptr;
  return make_kernel(
      [loop = fused_loops().sigmoid_cross_entropy, n = node.outputs[0].size()](const KernelArgs& args) {
        const float *x = floats(args, 0), *target = floats(args, 1);
        float* y = result(args, 0);
        parallel_for(n, 16384, [&](int64_t begin, int64_t end) { loop(x + begin, target + begin, y + begin, end - begin); });
      },
      {{0, 0}, {0, 1}});
}

const KernelRow kRows[] = {
    {"softmax", "fused", [](const NodeView& node) { return prepare_unary(node, fused_loops().softmax); }},
    {"log_softmax", "fused", [](const NodeView& node) { return prepare_unary(node, fused_loops().log_softmax); }},
    {"softmax_grad", "fused", prepare_softmax_grad},
    {"softmax_cross_entropy", "fused", prepare_cross_entropy},
    {"softmax_cross_entropy_grad", "fused", prepare_cross_entropy_grad},
    {"sparse_softmax_cross_entropy", "fused", prepare_sparse},
    {"sparse_softmax_cross_entropy_grad", "fused", prepare_sparse_grad},
    {"sigmoid_cross_entropy", "fused", prepare_sigmoid},
};

}  // namespace

std::span<const KernelRow> fused_softmax_rows() { return kRows; }

}  // namespace dl::cpu
