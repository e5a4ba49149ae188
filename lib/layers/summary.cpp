#include "layers/summary.h"

#include <set>

#include "graph/op_def.h"
#include "layers/build.h"

namespace dl {
namespace {

std::vector<TensorType> bind_types(const std::vector<TensorType>& types, const Bindings& bindings) {
  std::vector<TensorType> bound = types;
  for (TensorType& type : bound) type.shape = dl::bind(type.shape, bindings);
  return bound;
}

bool known(const std::vector<TensorType>& types) {
  for (const TensorType& type : types)
    if (!all_known(type.shape)) return false;
  return true;
}

std::optional<double> node_flops(const Graph& graph, const dl::Node& node, const Bindings& bindings) {
  std::vector<TensorType> inputs;
  for (Value v : node.inputs) inputs.push_back(graph.type(v));
  inputs = bind_types(inputs, bindings);
  const std::vector<TensorType> outputs = bind_types(node.types, bindings);
  if (!known(inputs) || !known(outputs)) return std::nullopt;
  return flops_of(*node.op, {node.attrs, inputs, outputs});
}

}  // namespace

ModelSummary summarize(const Model& model, const Bindings& bindings, const Precision& precision) {
  Graph graph;
  WeightRegistry registry;
  BuildOptions options;
  options.precision = precision;
  const ModelGraph built = build_model(model, graph, registry, options);
  ModelSummary summary;
  summary.flops = 0;
  for (const ModelInput& input : model.inputs) summary.rows.push_back({input.name, "Input", {input.shape}, 0, 0, 0.0, {}});
  std::set<size_t> seen;
  for (size_t i = 0; i < model.calls.size(); ++i) {
    const LayerCall& call = model.calls[i];
    const CallTrace& trace = built.calls[i];
    SummaryRow row;
    row.name = call.name;
    row.class_name = model.layers[call.layer]->def->class_name;
    for (const MaskedVar& output : trace.outputs) row.outputs.push_back(output.value.shape());
    for (const ModelRef& ref : call.inputs) row.inputs.push_back(ref.is_input ? model.inputs[ref.index].name : model.calls[ref.index].name);
    if (seen.insert(call.layer).second) {
      for (size_t index : registry.keras_order(model.layers[call.layer]->name)) {
        const Parameter& parameter = registry.weights()[index].parameter;
        const TensorType& type = graph.type(parameter.value);
        const int64_t count = element_count(type.shape).value();
        row.parameters += count;
        if (parameter.trainable) row.trainable_parameters += count;
        summary.parameter_bytes += count * static_cast<int64_t>(size_of(type.dtype));
      }
    }
    row.flops = 0;
    for (uint32_t n = trace.first_node; n < trace.end_node; ++n) {
      const std::optional<double> flops = node_flops(graph, graph.node(n), bindings);
      row.flops = row.flops && flops ? std::optional(*row.flops + *flops) : std::nullopt;
    }
    summary.parameters += row.parameters;
    summary.trainable_parameters += row.trainable_parameters;
    summary.flops = summary.flops && row.flops ? std::optional(*summary.flops + *row.flops) : std::nullopt;
    summary.rows.push_back(std::move(row));
  }
  return summary;
}

}  // namespace dl
