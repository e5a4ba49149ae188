// matmul and matmul_bias of matrices so small that oneDNN's call costs more than the work. One thread, own loops.
#include "backend/cpu/epilogue.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/matmul_isa.h"
#include "backend/cpu/matmul_shape.h"
#include "backend/cpu/onednn_rows.h"
#include "backend/cpu/strides.h"

namespace dl::cpu {
namespace {

// Products of at most so many multiply-adds: measured, where oneDNN draws level.
constexpr double kMaxWork = 8192;

class SmallMatmulKernel final : public Kernel {
 public:
  SmallMatmulKernel(const MatmulShape& s, bool bias)
      : function_(for_active_isa(baseline::small_matmul, avx2::small_matmul, avx512::small_matmul)),
        shape_{s.m, s.n, s.k, s.a_row, s.a_column, s.b_row, s.b_column},
        batch_(s.batch),
        a_step_(broadcast_strides(s.a_batch, s.batch)),
        b_step_(broadcast_strides(s.b_batch, s.batch)),
        bias_(bias) {
    workspace_bytes = static_cast<size_t>(s.k * kMatmulPanel) * sizeof(float);
  }
  void run(const KernelArgs& args) override {
    const auto *a = static_cast<const float*>(args.inputs[0]), *b = static_cast<const float*>(args.inputs[1]);
    const float* bias = bias_ ? static_cast<const float*>(args.inputs[2]) : nullptr;
    auto *y = static_cast<float*>(args.outputs[0]), *panel = static_cast<float*>(args.workspace);
    for_each_index(batch_, [&](const Index& at) {
      function_(a + offset_of(at, a_step_) * shape_.m * shape_.k, b + offset_of(at, b_step_) * shape_.k * shape_.n, bias, y, panel, shape_);
      y += shape_.m * shape_.n;
    });
  }

 private:
  SmallMatmulFunction* function_;
  SmallMatmul shape_;
  Index batch_, a_step_, b_step_;
  bool bias_;
};

std::unique_ptr<Kernel> prepare_small(const NodeView& node) {
  if (node.outputs[0].dtype != DType::kFloat32 || node.outputs[0].dims.size() > kMaxRank) return nullptr;
  const MatmulShape shape(node);
  if (shape.work() > kMaxWork) return nullptr;
  return std::make_unique<SmallMatmulKernel>(shape, node.inputs.size() == 3);
}

}  // namespace

void append_small_matmul(std::vector<KernelRow>& rows) {
  rows.push_back({"matmul", "small", prepare_small});
  rows.push_back({"matmul_bias", "small",
                  [](const NodeView& node) { return with_activation(prepare_small(node), node.attrs.text("activation"), node); }});
}

}  // namespace dl::cpu
