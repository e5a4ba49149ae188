#include "layers/build.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "layers/regularizers.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Keras divides the penalty on a layer's output by the batch size.
void add_activity_loss(LayerContext& context, Var output) {
  const spec::Node& regularizer = context.config().node("activity_regularizer");
  const Var y = cast(output, context.variable_dtype());
  context.add_loss(regularization_loss(regularizer, y) / size_of(y, {0}, y.dtype()));
}

std::vector<MaskedVar> build_call(LayerContext& context, std::vector<MaskedVar> inputs) {
  const LayerDef& def = *context.layer().def;
  bool masked = false;
  for (MaskedVar& input : inputs) {
    if (def.autocast && is_float(input.value.dtype())) input.value = context.to_compute(input.value);
    masked |= input.mask.valid();
  }
  std::vector<MaskedVar> outputs = def.build(context, inputs);
  if (def.masking == Masking::kPass)
    for (MaskedVar& output : outputs) output.mask = inputs[0].mask;
  if (masked && def.masking == Masking::kDrop)
    context.warn(fmt::format("{} does not pass masks on; later layers see every step", def.class_name));
  if (context.training() && context.config().has("activity_regularizer") && context.config().given("activity_regularizer"))
    add_activity_loss(context, outputs[0].value);
  return outputs;
}

// "inputs of 'sum': 'a' float32[batch, 5], 'b' float32[batch, 4, 6]"
std::string describe_inputs(const Model& model, const LayerCall& call, const std::vector<MaskedVar>& values) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < values.size(); ++i) {
    const ModelRef& ref = call.inputs[i];
    const std::string& name = ref.is_input ? model.inputs[ref.index].name : model.calls[ref.index].name;
    texts.push_back(fmt::format("'{}{}' {}", name, ref.output ? fmt::format(":{}", ref.output) : "", to_string(values[i].value.type())));
  }
  return fmt::format("inputs of '{}': {}", call.name, fmt::join(texts, ", "));
}

}  // namespace

TensorType input_type(const ModelInput& input, const Precision& precision) {
  return {input.default_dtype ? precision.variable : input.dtype, input.shape};
}

ModelGraph build_model(const Model& model, Graph& graph, WeightRegistry& registry, const BuildOptions& options) {
  ModelGraph result;
  std::vector<MaskedVar> inputs;
  for (const ModelInput& spec : model.inputs) {
    if (const auto given = options.inputs.find(spec.name); given != options.inputs.end()) {
      inputs.push_back({given->second, {}});
      continue;
    }
    inputs.push_back({input(graph, spec.name, input_type(spec, options.precision)), {}});
    result.inputs.push_back({spec.name, inputs.back().value.value});
  }
  const auto value_of = [&](const ModelRef& ref) {
    return ref.is_input ? inputs[ref.index] : result.calls[ref.index].outputs.at(ref.output);
  };
  std::vector<int64_t> uses(model.layers.size(), 0);
  for (const LayerCall& call : model.calls) {
    const Layer& layer = layer_of(model, call);
    std::vector<MaskedVar> operands;
    for (const ModelRef& ref : call.inputs) operands.push_back(value_of(ref));
    CallTrace trace;
    trace.first_node = graph.size();
    try {
      const ScopeGuard scope(graph, call.name);
      LayerContext context(graph, registry, result, {options.mode, options.precision, options.seed, options.counter}, layer,
                           uses[call.layer]++);
      trace.outputs = build_call(context, operands);
    } catch (const UserError& error) {
      throw UserError(
          fmt::format("{}: layer '{}': {}; {}", to_string(call.place), call.name, error.what(), describe_inputs(model, call, operands)));
    }
    trace.end_node = graph.size();
    result.calls.push_back(std::move(trace));
  }
  for (const ModelOutput& output : model.outputs) {
    const MaskedVar value = value_of(output.ref);
    result.outputs.push_back({output.name, value.value, value.mask});
  }
  return result;
}

void add_states(Program& program, const BuildResult& built) {
  for (const CarriedState& state : built.states) {
    program.updates.push_back({program.parameters.size(), state.next.value});
    program.parameters.push_back({state.name, state.value.value, false, {}});
  }
}

Program build_inference_program(const Model& model, const Precision& precision) {
  Program program;
  WeightRegistry registry;
  BuildOptions options;
  options.precision = precision;
  const ModelGraph built = build_model(model, program.graph, registry, options);
  program.inputs = built.inputs;
  for (const ModelOutputValue& output : built.outputs) program.outputs.push_back({output.name, output.value.value});
  program.parameters = registry.parameters();
  add_states(program, built);
  return program;
}

}  // namespace dl
