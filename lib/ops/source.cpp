// Sources: nodes that no kernel computes.
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {
namespace {

std::vector<TensorType> infer_declared(const InferCall& call) { return {{call.attrs.dtype("dtype"), call.attrs.shape("shape")}}; }

std::vector<AttrSpec> declared_attrs() {
  return {{"name", std::string(), true}, {"dtype", DType::kFloat32, true}, {"shape", Shape{}, true}};
}

}  // namespace

const OpDef op_input = {
    .name = "input", .kind = OpKind::kSource, .attrs = declared_attrs(), .infer = infer_declared, .no_gradient = "source"};

const OpDef op_parameter = {
    .name = "parameter", .kind = OpKind::kSource, .attrs = declared_attrs(), .infer = infer_declared, .no_gradient = "source"};

const OpDef op_constant = {
    .name = "constant",
    .kind = OpKind::kSource,
    .attrs = {{"value", Tensor(), true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const Tensor& value = call.attrs.tensor("value");
      return {{value.dtype(), to_shape(value.dims())}};
    },
    .no_gradient = "source",
};

Var input(Graph& graph, const std::string& name, TensorType type) {
  return {&graph, graph.add(op_input, {}, {{"name", name}, {"dtype", type.dtype}, {"shape", type.shape}})};
}

Var parameter(Graph& graph, const std::string& name, TensorType type) {
  return {&graph, graph.add(op_parameter, {}, {{"name", name}, {"dtype", type.dtype}, {"shape", type.shape}})};
}

Var constant(Graph& graph, const Tensor& value) { return {&graph, graph.add(op_constant, {}, {{"value", value}})}; }

Var scalar(Graph& graph, DType dtype, double value) {
  Tensor t(dtype, {});
  t.set(0, value);
  return constant(graph, t);
}

Var full(Graph& graph, TensorType type, double value) { return broadcast_to(scalar(graph, type.dtype, value), type.shape); }

Var zeros_like(Var x) { return full(*x.graph, x.type(), 0); }
Var ones_like(Var x) { return full(*x.graph, x.type(), 1); }

Var add_op(const OpDef& op, std::span<const Var> inputs, Attrs attrs) {
  DL_CHECK(!inputs.empty(), std::string(op.name) + " needs an operand to know its graph");
  std::vector<Value> values;
  values.reserve(inputs.size());
  for (const Var& v : inputs) {
    DL_CHECK(v.graph == inputs[0].graph, std::string(op.name) + ": operands of different graphs");
    values.push_back(v.value);
  }
  return {inputs[0].graph, inputs[0].graph->add(op, values, std::move(attrs))};
}

Var add_op(const OpDef& op, std::initializer_list<Var> inputs, Attrs attrs) {
  return add_op(op, std::span<const Var>(inputs.begin(), inputs.size()), std::move(attrs));
}

}  // namespace dl
