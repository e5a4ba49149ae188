// Reductions. Their axes are an operand from opset 18 on (of ReduceSum from 13) and an attribute before.
#include <algorithm>
#include <vector>

#include "io/onnx/export_rows.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

// All spatial axes of a channels-first image, kept as ones.
bool is_global_pooling(const Emitter& e, Value x, const Ints& axes, bool keepdims) {
  const size_t rank = e.shape(x).size();
  return keepdims && rank >= 3 && axes.size() == rank - 2 && axes.front() == 2 && e.type(x).dtype == DType::kFloat32;
}

void reduce(Emitter& e, const Node& node, Value self, const std::string& type, const char* pooling) {
  const Value x = node.inputs[0];
  const Ints& axes = node.attrs.integers("axes");
  const bool keepdims = node.attrs.flag("keepdims");
  if (axes.empty()) return e.result(self, e.use(x));
  if (pooling && is_global_pooling(e, x, axes, keepdims)) return e.result(self, e.op(pooling, {e.use(x)}));
  NodeAttrs attrs;
  if (!keepdims) attrs.emplace_back("keepdims", int64_t{0});
  Names operands = {e.use(x)};
  if (type == "ReduceSum" || e.opset() >= 18)
    operands.push_back(e.ints(axes, "axes"));
  else
    attrs.emplace_back("axes", axes);
  e.result(self, e.op(type.c_str(), std::move(operands), std::move(attrs)));
}

void emit_arg_max(Emitter& e, const Node& node, Value self) {
  e.result(self, e.op("ArgMax", {e.use(node.inputs[0])}, {{"axis", node.attrs.integer("axis")}, {"keepdims", int64_t{0}}}));
}

const std::vector<Row> kReduceRows = {
    {&op_reduce_sum, [](Emitter& e, const Node& node, Value self) { reduce(e, node, self, "ReduceSum", nullptr); }},
    {&op_reduce_max, [](Emitter& e, const Node& node, Value self) { reduce(e, node, self, "ReduceMax", "GlobalMaxPool"); }},
    {&op_reduce_min, [](Emitter& e, const Node& node, Value self) { reduce(e, node, self, "ReduceMin", nullptr); }},
    {&op_reduce_prod, [](Emitter& e, const Node& node, Value self) { reduce(e, node, self, "ReduceProd", nullptr); }},
    {&op_arg_max, emit_arg_max},
};

}  // namespace

// sum / number of elements
bool emit_mean(Emitter& e, const Node& div, Value self) {
  const Value sum = div.inputs[0], count = div.inputs[1];
  if (!e.is(sum, op_reduce_sum) || !e.is(count, op_size_of)) return false;
  const Node& node = e.node(sum);
  Dim size(1);
  for (int64_t axis : node.attrs.integers("axes")) size = size * e.shape(node.inputs[0])[static_cast<size_t>(axis)];
  if (node.attrs.integers("axes").empty() || e.node(count).attrs.shape("size") != Shape{size}) return false;
  reduce(e, node, self, "ReduceMean", "GlobalAveragePool");
  return true;
}

std::span<const Row> reduce_rows() { return kReduceRows; }

}  // namespace dl::onnx_export
