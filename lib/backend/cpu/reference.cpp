#include "backend/cpu/reference.h"

#include <algorithm>

#include "backend/cpu/rows.h"

namespace dl::cpu {
namespace {

class ReferenceKernel final : public Kernel {
 public:
  ReferenceKernel(const NodeView& node, ReferenceFunction function)
      : attrs_(node.attrs),
        inputs_(node.inputs.begin(), node.inputs.end()),
        outputs_(node.outputs.begin(), node.outputs.end()),
        function_(function) {}
  void run(const KernelArgs& args) override { function_({attrs_, inputs_, outputs_, args}); }

 private:
  Attrs attrs_;
  std::vector<OperandType> inputs_, outputs_;
  ReferenceFunction function_;
};

bool fits(const OperandType& type) { return type.dims.size() <= kMaxRank; }

}  // namespace

std::unique_ptr<Kernel> make_reference(const NodeView& node, ReferenceFunction function) {
  if (!std::all_of(node.inputs.begin(), node.inputs.end(), fits) || !std::all_of(node.outputs.begin(), node.outputs.end(), fits))
    return nullptr;
  return std::make_unique<ReferenceKernel>(node, function);
}

std::span<const KernelRow> reference_rows() {
  static const std::vector<KernelRow> rows = [] {
    std::vector<KernelRow> all;
    append_reference_elementwise(all);
    append_reference_shape(all);
    append_reference_indexing(all);
    append_reference_reduce(all);
    append_reference_conv(all);
    append_reference_pool(all);
    append_reference_ctc(all);
    append_reference_hash(all);
    return all;
  }();
  return rows;
}

}  // namespace dl::cpu
