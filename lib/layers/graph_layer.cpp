#include "layers/graph_layer.h"

#include <map>

#include "base/error.h"
#include "ops/builders.h"
#include "ops/composite.h"
#include "ops/ops.h"

namespace dl {
namespace {

std::vector<MaskedVar> build_graph_layer(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Program& program = *context.layer().graph;
  std::map<Value, Value> moved;  // from the program to the graph of the context
  for (size_t i = 0; i < program.inputs.size(); ++i) moved[program.inputs[i].value] = inputs[i].value.value;
  for (const Parameter& p : program.parameters) {
    const TensorType& type = program.graph.type(p.value);
    // Weights follow the precision of the run where they are float32, its default; other types mean something.
    WeightSpec spec{.name = p.name, .shape = type.shape, .initializer = p.initializer, .trainable = p.trainable};
    spec.autocast = type.dtype == DType::kFloat32;
    if (type.dtype != DType::kFloat32) spec.dtype = type.dtype;
    moved[p.value] = context.add_named_weight(std::move(spec)).value;
  }
  const std::string scope = context.graph().current_scope();
  const std::vector<char> live = live_nodes(program);
  for (uint32_t n = 0; n < program.graph.size(); ++n) {
    if (!live[n] || moved.contains({n, 0})) continue;
    const Node& node = program.graph.node(n);
    if (node.op == &op_composite) {  // what it is called in the file matters to writers of its format alone
      for (uint32_t o = 0; o < node.types.size(); ++o) moved[{n, o}] = moved.at(node.inputs[o]);
      continue;
    }
    std::vector<Value> operands;
    for (Value v : node.inputs) operands.push_back(moved.at(v));
    context.graph().set_scope(program.graph.scope_name(node.scope));  // as in the file, so that it comes out again as it went in
    const Value value = context.graph().add(*node.op, operands, node.attrs);
    for (uint32_t o = 0; o < node.types.size(); ++o) moved[{n, o}] = {value.node, o};
  }
  context.graph().set_scope(scope);
  std::vector<MaskedVar> outputs;
  for (const NamedValue& o : program.outputs) outputs.push_back({{&context.graph(), moved.at(o.value)}, {}});
  return outputs;
}

}  // namespace

const LayerDef layer_graph = {
    .class_name = "Graph",
    .summary = "The operators of an imported file.",
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .autocast = false,
    .build = build_graph_layer,
};

Model graph_model(const std::string& name, std::shared_ptr<const Program> program) {
  Model model;
  model.name = name;
  auto layer = std::make_shared<Layer>();
  layer->def = &layer_graph;
  layer->name = name.empty() ? "graph" : name;
  LayerCall call{layer->name, 0, {}, {}};
  for (const NamedValue& in : program->inputs) {
    const TensorType& type = program->graph.type(in.value);
    call.inputs.push_back({true, model.inputs.size(), 0});
    model.inputs.push_back({in.name, type.shape, type.dtype, type.dtype == DType::kFloat32, {}});
  }
  for (size_t o = 0; o < program->outputs.size(); ++o) model.outputs.push_back({program->outputs[o].name, {false, 0, o}});
  layer->graph = std::move(program);
  model.layers.push_back(std::move(layer));
  model.calls.push_back(std::move(call));
  return model;
}

const Program* graph_of(const Model& model) {
  return model.layers.size() == 1 && model.layers[0]->def == &layer_graph ? model.layers[0]->graph.get() : nullptr;
}

}  // namespace dl
