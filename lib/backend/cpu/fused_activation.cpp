// gelu and silu with their gradients, each one pass.
#include "backend/cpu/fused.h"
#include "backend/cpu/fused_loops.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements

std::unique_ptr<Kernel> prepare(const NodeView& node, void (*loop)(const float*, float*, int64_t)) {
  if (!all_float32(node)) return nullptr;
  return make_kernel(
      [loop, n = node.outputs[0].size()](const KernelArgs& args) {
        const float* x = floats(args, 0);
        float* y = result(args, 0);
        parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { loop(x + begin, y + begin, end - begin); });
      },
      {{0, 0}});
}

std::unique_ptr<Kernel> prepare_grad(const NodeView& node, void (*loop)(const float*, const float*, float*, int64_t)) {
  if (!all_float32(node)) return nullptr;
  return make_kernel(
      [loop, n = node.outputs[0].size()](const KernelArgs& args) {
        const float *x = floats(args, 0), *dy = floats(args, 1);
        float* dx = result(args, 0);
        parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { loop(x + begin, dy + begin, dx + begin, end - begin); });
      },
      {{0, 0}, {0, 1}});
}

const KernelRow kRows[] = {
    {"gelu", "fused",
     [](const NodeView& node) { return prepare(node, node.attrs.flag("approximate") ? fused_loops().gelu_tanh : fused_loops().gelu); }},
    {"gelu_grad", "fused",
     [](const NodeView& node) {
       return prepare_grad(node, node.attrs.flag("approximate") ? fused_loops().gelu_tanh_grad : fused_loops().gelu_grad);
     }},
    {"silu", "fused", [](const NodeView& node) { return prepare(node, fused_loops().silu); }},
    {"silu_grad", "fused", [](const NodeView& node) { return prepare_grad(node, fused_loops().silu_grad); }},
};

}  // namespace

std::span<const KernelRow> fused_activation_rows() { return kRows; }

}  // namespace dl::cpu
