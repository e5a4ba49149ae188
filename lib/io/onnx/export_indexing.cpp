// Running sums, the largest elements, elements by place, bits of integers, determinants.
#include <vector>

#include "io/onnx/export_rows.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

void emit_cumsum(Emitter& e, const Node& node, Value self) {
  NodeAttrs attrs;
  for (const char* flag : {"exclusive", "reverse"})
    if (node.attrs.flag(flag)) attrs.emplace_back(flag, int64_t{1});
  const std::string axis = e.scalar(DType::kInt64, static_cast<double>(node.attrs.integer("axis")));
  e.result(self, e.op("CumSum", {e.use(node.inputs[0]), axis}, std::move(attrs)));
}

void emit_top_k(Emitter& e, const Node& node, Value self) {
  NodeAttrs attrs = {{"axis", node.attrs.integer("axis")}};
  if (!node.attrs.flag("largest")) attrs.emplace_back("largest", int64_t{0});
  const Names out = e.ops("TopK", {e.use(node.inputs[0]), e.sizes(node.attrs.shape("k"), {node.inputs[0]})}, std::move(attrs), 2);
  for (uint32_t k = 0; k < 2; ++k) e.result({self.node, k}, out[k]);
}

Value indices_of(const Emitter& e, const Node& node) {
  return unwrapped_indices(e, node.inputs[1], e.shape(node.inputs[0])[static_cast<size_t>(node.attrs.integer("axis"))]);
}

void emit_gather_elements(Emitter& e, const Node& node, Value self) {
  e.result(self, e.op("GatherElements", {e.use(node.inputs[0]), e.use(indices_of(e, node))}, {{"axis", node.attrs.integer("axis")}}));
}

Scatter mode_of(const Node& node) { return static_cast<Scatter>(node.attrs.integer("mode")); }

void emit_scatter_elements(Emitter& e, const Node& node, Value self) {
  static constexpr const char* kReductions[] = {"none", "add", "mul", "max", "min"};
  NodeAttrs attrs = {{"axis", node.attrs.integer("axis")}};
  if (mode_of(node) != Scatter::kReplace) attrs.emplace_back("reduction", std::string(kReductions[node.attrs.integer("mode")]));
  e.result(self, e.op("ScatterElements", {e.use(node.inputs[0]), e.use(indices_of(e, node)), e.use(node.inputs[2])}, std::move(attrs)));
}

std::string refuse_scatter_elements(const RefuseCall& call) {
  const Scatter mode = mode_of(call.node);
  const int needed = mode == Scatter::kReplace ? 13 : mode == Scatter::kAdd || mode == Scatter::kMultiply ? 16 : 18;
  return call.opset < needed ? "needs opset " + std::to_string(needed) : "";
}

template <const char* kType>
void emit_bits(Emitter& e, const Node& node, Value self) {
  Names operands;
  for (Value v : node.inputs) operands.push_back(e.use(v));
  e.result(self, e.op(kType, std::move(operands)));
}
constexpr char kAnd[] = "BitwiseAnd", kOr[] = "BitwiseOr", kXor[] = "BitwiseXor", kNot[] = "BitwiseNot";

std::string refuse_bits(const RefuseCall& call) { return call.opset < 18 ? "needs opset 18" : ""; }

void emit_shift(Emitter& e, const Node& node, Value self) {
  const std::string direction = node.op == &op_shift_left ? "LEFT" : "RIGHT";
  e.result(self, e.op("BitShift", {e.use(node.inputs[0]), e.use(node.inputs[1])}, {{"direction", direction}}));
}

// ONNX shifts unsigned integers, and leaves open what a shift by the width of the type gives.
std::string refuse_shift(const RefuseCall& call) {
  const DType type = call.node.types[0].dtype;
  if (type != DType::kUInt8 && type != DType::kUInt16 && type != DType::kUInt32 && type != DType::kUInt64)
    return "ONNX shifts unsigned integers only";
  const Node& by = call.graph.node(call.node.inputs[1]);
  if (by.op != &op_constant) return "ONNX has a shift by known numbers of bits only";
  const Tensor& bits = by.attrs.tensor("value");
  for (int64_t i = 0; i < bits.size(); ++i)
    if (bits.at(i) >= static_cast<double>(8 * size_of(type))) return "shifts by the width of the type, which ONNX leaves open";
  return "";
}

const std::vector<Row> kIndexingRows = {
    {&op_cumsum, emit_cumsum},
    {&op_top_k, emit_top_k},
    {&op_gather_elements, emit_gather_elements},
    {&op_scatter_elements, emit_scatter_elements, refuse_scatter_elements},
    {&op_bitwise_and, emit_bits<kAnd>, refuse_bits},
    {&op_bitwise_or, emit_bits<kOr>, refuse_bits},
    {&op_bitwise_xor, emit_bits<kXor>, refuse_bits},
    {&op_bitwise_not, emit_bits<kNot>, refuse_bits},
    {&op_shift_left, emit_shift, refuse_shift},
    {&op_shift_right, emit_shift, refuse_shift},
    {&op_fmod,
     [](Emitter& e, const Node& node, Value self) {
       e.result(self, e.op("Mod", {e.use(node.inputs[0]), e.use(node.inputs[1])}, {{"fmod", int64_t{1}}}));
     }},
    {&op_determinant, [](Emitter& e, const Node& node, Value self) { e.result(self, e.op("Det", {e.use(node.inputs[0])})); }},
};

}  // namespace

std::span<const Row> indexing_rows() { return kIndexingRows; }

}  // namespace dl::onnx_export
