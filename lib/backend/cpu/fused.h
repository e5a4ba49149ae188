// What the files fused_*.cpp share: kernels from a function, and the lists of rows that fused_rows() joins.
// All kernels take float32 in plain layout; other types go through the lowering. Work is cut by shapes alone, so no result
// depends on the thread count.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "backend/cpu/rows.h"

namespace dl::cpu {

std::span<const KernelRow> fused_softmax_rows();     // softmax, log_softmax, cross entropies
std::span<const KernelRow> fused_activation_rows();  // gelu, silu
std::span<const KernelRow> fused_layer_norm_rows();
std::span<const KernelRow> fused_optimizer_rows();
std::span<const KernelRow> fused_lstm_rows();
std::span<const KernelRow> fused_gru_rows();

template <class F>
class FunctionKernel final : public Kernel {
 public:
  explicit FunctionKernel(F function) : function_(std::move(function)) {}
  void run(const KernelArgs& args) override { function_(args); }

 private:
  F function_;
};

template <class F>
std::unique_ptr<Kernel> make_kernel(F function, std::vector<std::pair<int, int>> in_place = {}) {
  auto kernel = std::make_unique<FunctionKernel<F>>(std::move(function));
  kernel->in_place = std::move(in_place);
  return kernel;
}

// Every operand in [0, count) is float32.
inline bool all_float32(std::span<const OperandType> operands, size_t count) {
  return std::all_of(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(count),
                     [](const OperandType& t) { return t.dtype == DType::kFloat32; });
}
inline bool all_float32(const NodeView& node) {
  return all_float32(node.inputs, node.inputs.size()) && all_float32(node.outputs, node.outputs.size());
}

inline const float* floats(const KernelArgs& args, size_t input) { return static_cast<const float*>(args.inputs[input]); }
inline float* result(const KernelArgs& args, size_t output) { return static_cast<float*>(args.outputs[output]); }

// Rows or elements that make a thread worth waking: about 16 K elements of exponentials, or more of plain arithmetic.
inline int64_t rows_per_part(int64_t row_elements, int64_t elements = 16384) {
  return std::max<int64_t>(1, elements / std::max<int64_t>(1, row_elements));
}

}  // namespace dl::cpu
