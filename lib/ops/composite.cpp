#include "ops/composite.h"

#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {
namespace {

std::vector<TensorType> composite_infer(const InferCall& call) {
  const int64_t results = call.attrs.integer("results"), given = static_cast<int64_t>(call.inputs.size()) - results;
  if (results < 1 || given < 0) infer_error(call, "needs its results");
  for (const int64_t i : call.attrs.integers("operands"))
    if (i < -1 || i >= given) infer_error(call, "names an operand that it has not");
  for (const int64_t o : call.attrs.integers("outputs"))
    if (o < -1 || o >= results) infer_error(call, "names a result that it has not");
  return {call.inputs.begin(), call.inputs.begin() + results};
}

std::vector<Sample> composite_samples() {
  const TensorType x{DType::kFloat32, {2, 3}}, y{DType::kFloat32, {4}};
  const auto attrs = [](int64_t results, std::vector<int64_t> operands, std::vector<int64_t> outputs) {
    return Attrs{{"type", std::string("Twice")}, {"results", results}, {"operands", std::move(operands)}, {"outputs", std::move(outputs)}};
  };
  return {{{x, y}, attrs(1, {0}, {0})}, {{x, y, x}, attrs(2, {-1, 0}, {1, -1, 0})}, {{y}, attrs(1, {}, {0})}};
}

}  // namespace

const OpDef op_composite = {
    .name = "composite",
    .min_inputs = 1,
    .max_inputs = -1,
    .attrs = {{"type", std::string(), true},
              {"version", int64_t{0}},
              {"attributes", std::string()},
              {"place", int64_t{0}},
              {"results", int64_t{1}, true},
              {"operands", std::vector<int64_t>(), true},
              {"outputs", std::vector<int64_t>(), true}},
    .infer = composite_infer,
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      return {call.inputs.begin(), call.inputs.begin() + call.attrs.integer("results")};
    },
    .flops = [](const CostCall&) { return 0.0; },
    .samples = composite_samples,
};

std::vector<Var> composite(const std::vector<Var>& results, const CompositeSpec& spec) {
  std::vector<Var> inputs = results;
  std::vector<int64_t> operands;
  for (const Var v : spec.operands) {
    operands.push_back(v.valid() ? static_cast<int64_t>(inputs.size() - results.size()) : -1);
    if (v.valid()) inputs.push_back(v);
  }
  const Var first = add_op(op_composite, inputs,
                           {{"type", spec.type},
                            {"version", spec.version},
                            {"attributes", spec.attributes},
                            {"place", spec.place},
                            {"results", static_cast<int64_t>(results.size())},
                            {"operands", std::move(operands)},
                            {"outputs", spec.outputs}});
  std::vector<Var> outputs;
  for (size_t i = 0; i < results.size(); ++i) outputs.push_back(first.output(static_cast<uint32_t>(i)));
  return outputs;
}

std::vector<Value> composite_operands(const Node& node) {
  std::vector<Value> operands;
  for (const int64_t i : node.attrs.integers("operands"))
    operands.push_back(i < 0 ? Value{} : node.inputs[static_cast<size_t>(node.attrs.integer("results") + i)]);
  return operands;
}

Value without_composite(const Graph& graph, Value value) {
  while (graph.node(value).op == &op_composite) value = graph.node(value).inputs[value.index];
  return value;
}

}  // namespace dl
