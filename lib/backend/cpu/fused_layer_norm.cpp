// Layer normalisation over trailing axes. The gradients of gamma and beta are sums over rows: each part of a fixed number of rows
// has its own sum, and the parts are added in order.
#include "backend/cpu/fused.h"
#include "backend/cpu/fused_loops.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

struct Shape2 {
  int64_t rows, length;
};
// {0, 0} where the axes are not the last ones.
Shape2 shape_of(const NodeView& node) {
  const Dims& dims = node.inputs[0].dims;
  const std::vector<int64_t>& axes = node.attrs.integers("axes");
  int64_t length = 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = dims.size() - axes.size() + i;
    if (axes[i] != static_cast<int64_t>(axis)) return {0, 0};
    length *= dims[axis];
  }
  return {length > 0 ? node.inputs[0].size() / length : 0, length};
}

std::unique_ptr<Kernel> prepare(const NodeView& node) {
  const auto [rows, length] = shape_of(node);
  if (!all_float32(node) || length == 0) return nullptr;
  const size_t scale = static_cast<size_t>(node.attrs.flag("scale")), center = static_cast<size_t>(node.attrs.flag("center"));
  const auto epsilon = static_cast<float>(node.attrs.real("epsilon"));
  return make_kernel(
      [row = fused_loops().layer_norm, rows = rows, n = length, scale, center, epsilon](const KernelArgs& args) {
        const float *x = floats(args, 0), *gamma = scale ? floats(args, 1) : nullptr, *beta = center ? floats(args, 1 + scale) : nullptr;
        float* y = result(args, 0);
        parallel_for(rows, rows_per_part(n, 65536), [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) row(x + r * n, gamma, beta, epsilon, y + r * n, n);
        });
      },
      {{0, 0}});
}

std::unique_ptr<Kernel> prepare_grad(const NodeView& node) {
  const auto [rows, length] = shape_of(node);
  if (!all_float32(node) || length == 0) return nullptr;
  const size_t scale = static_cast<size_t>(node.attrs.flag("scale")), center = static_cast<size_t>(node.attrs.flag("center"));
  const auto epsilon = static_cast<float>(node.attrs.real("epsilon"));
  const int64_t per_part = rows_per_part(length, 32768), parts = (rows + per_part - 1) / per_part,
                sums = static_cast<int64_t>(scale + center);
  const FusedLoops& loops = fused_loops();
  auto kernel = make_kernel([&loops, rows = rows, n = length, scale, center, epsilon, per_part, parts, sums](const KernelArgs& args) {
    const float *x = floats(args, 0), *gamma = scale ? floats(args, 1) : nullptr, *dy = floats(args, 1 + scale);
    float *dx = result(args, 0), *partial = static_cast<float*>(args.workspace);
    parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        float* sum = partial + part * sums * n;
        std::fill(sum, sum + sums * n, 0.0f);
        float *dgamma = scale ? sum : nullptr, *dbeta = center ? sum + static_cast<int64_t>(scale) * n : nullptr;
        for (int64_t r = part * per_part; r < std::min(rows, (part + 1) * per_part); ++r)
          loops.layer_norm_grad(x + r * n, gamma, dy + r * n, epsilon, dx + r * n, dgamma, dbeta, n);
      }
    });
    for (int64_t k = 0; k < sums; ++k) {
      float* total = result(args, static_cast<size_t>(1 + k));
      std::fill(total, total + n, 0.0f);
      for (int64_t part = 0; part < parts; ++part) loops.add(partial + (part * sums + k) * n, total, n);
    }
  });
  kernel->workspace_bytes = static_cast<size_t>(parts * sums * length) * sizeof(float);
  return kernel;
}

const KernelRow kRows[] = {{"layer_norm", "fused", prepare}, {"layer_norm_grad", "fused", prepare_grad}};

}  // namespace

std::span<const KernelRow> fused_layer_norm_rows() { return kRows; }

}  // namespace dl::cpu
