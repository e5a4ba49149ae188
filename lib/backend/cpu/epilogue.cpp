#include "backend/cpu/epilogue.h"

#include "backend/cpu/elementwise_isa.h"
#include "backend/cpu/isa.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements of work worth a thread

ElementwiseLoop find_loop(const std::string& op, DType type) {
  const ElementwiseTable table = for_active_isa(baseline::elementwise_table, avx2::elementwise_table, avx512::elementwise_table)();
  for (int64_t i = 0; i < table.count; ++i)
    if (const ElementwiseEntry& e = table.entries[i]; e.input == type && e.output == type && e.op == op) return e.loop;
  return nullptr;
}

class WithActivation final : public Kernel {
 public:
  WithActivation(std::unique_ptr<Kernel> kernel, ElementwiseLoop loop, int64_t elements, size_t element_size)
      : kernel_(std::move(kernel)), loop_(loop), elements_(elements), element_size_(element_size) {
    input_layouts = kernel_->input_layouts;
    output_layouts = kernel_->output_layouts;
    workspace_bytes = kernel_->workspace_bytes;
  }
  void run(const KernelArgs& args) override {
    kernel_->run(args);
    parallel_for(elements_, kGrain, [&](int64_t begin, int64_t end) {
      std::byte* const data = static_cast<std::byte*>(args.outputs[0]) + static_cast<size_t>(begin) * element_size_;
      const void* const operand = data;
      loop_(&operand, data, {1, end - begin, {}, {}});
    });
  }

 private:
  std::unique_ptr<Kernel> kernel_;
  ElementwiseLoop loop_;
  int64_t elements_;
  size_t element_size_;
};

}  // namespace

std::unique_ptr<Kernel> with_activation(std::unique_ptr<Kernel> kernel, const std::string& activation, const NodeView& node) {
  if (!kernel || activation == "linear") return kernel;
  const OperandType& y = node.outputs[0];
  const ElementwiseLoop loop = find_loop(activation, y.dtype);
  const LayoutId layout = kernel->output_layouts.empty() ? kPlain : kernel->output_layouts[0];
  if (!loop || (activation == "sigmoid" && !node.layouts.is_dense(layout))) return nullptr;
  const size_t size = size_of(y.dtype);
  const int64_t elements = layout == kPlain ? y.size() : static_cast<int64_t>(node.layouts.bytes(layout) / size);
  const std::string detail = kernel->detail;
  auto result = std::make_unique<WithActivation>(std::move(kernel), loop, elements, size);
  result->detail = detail.empty() ? activation : detail + " + " + activation;
  return result;
}

}  // namespace dl::cpu
