#include "layers/recurrent.h"

#include "base/error.h"
#include "ops/builders.h"
#include "ops/scan.h"

namespace dl {

std::vector<ConfigKey> cell_keys(std::vector<ConfigKey> own) {
  return join_keys({int_key("units", 1), activation_key("activation", "tanh"), bool_key("use_bias", true),
                    initializer_key("kernel_initializer", "glorot_uniform"), initializer_key("recurrent_initializer", "orthogonal"),
                    initializer_key("bias_initializer", "zeros"), regularizer_key("kernel_regularizer"),
                    regularizer_key("recurrent_regularizer"), regularizer_key("bias_regularizer"), constraint_key("kernel_constraint"),
                    constraint_key("recurrent_constraint"), constraint_key("bias_constraint"), float_key("dropout", 0, 0, 1),
                    float_key("recurrent_dropout", 0, 0, 1), seed_key(), ignored_key("implementation")},
                   std::move(own));
}

std::vector<ConfigKey> sequence_keys() {
  const spec::Node no = spec::Node::boolean(false);
  return {regularizer_key("activity_regularizer"),
          bool_key("return_sequences", false),
          bool_key("return_state", false),
          bool_key("go_backwards", false),
          bool_key("zero_output_for_mask", false),
          bool_key("stateful", false),
          ignored_key("unroll", no),
          ignored_key("use_cudnn", spec::Node::string("auto")),
          unsupported_key("time_major", no)};
}

std::vector<ConfigKey> recurrent_keys(std::vector<ConfigKey> own) { return join_keys(cell_keys(std::move(own)), sequence_keys()); }

ConfigKey gate_activation_key() { return activation_key("recurrent_activation", "sigmoid"); }

void check_recurrent(Layer& layer, spec::Reader& reader) {
  for (const char* key : {"dropout", "recurrent_dropout"})
    if (layer.config.real(key) == 1) reader.report(key, "is 1, must be less");
}

Recurrent walk_steps(Var sequence, std::span<const Var> states, std::span<const Var> constants, Var mask, bool reversed,
                     const RecurrentStep& step) {
  // With a mask the previous output is a state too: it starts with zeros, not with the initial state.
  std::vector<Var> carried(states.begin(), states.end()), sequences = {sequence};
  if (mask.valid()) {
    carried.push_back(zeros_like(states[0]));
    sequences.push_back(mask);
  }
  const Scan walked = scan(carried, sequences, constants, 1, reversed,
                           [&](std::span<const Var> before, std::span<const Var> elements, std::span<const Var> c) {
                             std::vector<Var> after = step(before.first(states.size()), elements[0], c);
                             if (!mask.valid()) return ScanStep{after, {after[0]}};
                             after.push_back(after[0]);
                             for (size_t i = 0; i < after.size(); ++i) {
                               Var taken = elements[1];
                               while (taken.rank() < after[i].rank()) taken = expand_dims(taken, -1);
                               after[i] = select(taken, after[i], before[i]);
                             }
                             return ScanStep{after, {after.back()}};
                           });
  Recurrent result{walked.sequences[0], walked.states};
  result.state.resize(states.size());
  return result;
}

bool drops_state(const LayerContext& context) { return context.training() && context.config().real("recurrent_dropout") > 0; }

std::vector<Var> dropout_masks(LayerContext& context, const TensorType& type, double rate, int64_t count) {
  std::vector<Var> masks;
  for (int64_t i = 0; i < count; ++i) {
    const Var keep = greater_equal(context.random_uniform(type.shape, context.config().node("seed")), rate);
    masks.push_back(select(keep, full(context.graph(), type, 1 / (1 - rate)), 0.0));
  }
  return masks;
}

Var project_gates(LayerContext& context, Var x, Var kernel, int64_t gates) {
  const double rate = context.config().real("dropout");
  if (!drops_state(context) || rate == 0) return matmul(x, kernel);
  const Dim width = floor_div(kernel.dim(1), gates);
  const std::vector<Var> masks = dropout_masks(context, {x.dtype(), {x.dim(0), Dim(1), x.dim(2)}}, rate, gates);
  std::vector<Var> blocks;
  for (int64_t k = 0; k < gates; ++k)
    blocks.push_back(matmul(x * masks[static_cast<size_t>(k)], slice_axis(kernel, 1, Dim(k) * width, width)));
  return concat(blocks, -1);
}

std::vector<Var> state_masks(LayerContext& context, const TensorType& state, int64_t gates) {
  return dropout_masks(context, state, context.config().real("recurrent_dropout"), gates);
}

std::vector<Var> states_or_zeros(Graph& graph, std::span<const Var> states, const TensorType& type, size_t count) {
  std::vector<Var> all(states.begin(), states.end());
  while (all.size() < count) all.push_back(full(graph, type, 0));
  return all;
}

Var recurrent_input(LayerContext& context, Var x) {
  x = context.to_compute(x);
  if (x.rank() != 3) throw UserError("needs a sequence [batch, time, features], got " + to_string(x.shape()));
  const double rate = context.config().real("dropout");
  if (!context.training() || rate == 0 || drops_state(context)) return x;  // project_gates drops
  const Var keep = greater_equal(context.random_uniform({x.dim(0), Dim(1), x.dim(2)}, context.config().node("seed")), rate);
  return select(keep, x * (1 / (1 - rate)), 0.0);
}

std::vector<Var> initial_states(LayerContext& context, std::span<const MaskedVar> inputs, std::span<const Shape> shapes) {
  std::vector<Var> states;
  for (const MaskedVar& input : inputs.subspan(1)) states.push_back(context.to_compute(input.value));
  if (states.empty() && context.config().flag("stateful"))
    for (size_t i = 0; i < shapes.size(); ++i) states.push_back(context.to_compute(context.state(i, shapes[i])));
  return states;
}

void keep_states(LayerContext& context, std::span<const Var> states) {
  if (!context.config().flag("stateful")) return;
  for (size_t i = 0; i < states.size(); ++i) {
    context.state(i, states[i].shape());
    context.set_state(i, stop_gradient(states[i]));
  }
}

std::vector<MaskedVar> recurrent_outputs(LayerContext& context, const Recurrent& result, Var mask, size_t output) {
  const bool sequences = context.config().flag("return_sequences");
  // The last output is the last hidden state: a masked step repeats both.
  Var y = sequences ? result.sequence : result.state[output];
  if (mask.valid() && context.config().flag("zero_output_for_mask")) {
    const bool backwards = context.config().flag("go_backwards");
    const Var walked = backwards ? reverse(mask, 1) : mask;
    Var kept = sequences ? walked : squeeze(slice_axis(walked, 1, mask.dim(1) - Dim(1), 1), {1});
    while (kept.rank() < y.rank()) kept = expand_dims(kept, -1);
    y = select(kept, y, 0.0);
  }
  std::vector<MaskedVar> outputs = {{y, sequences ? mask : Var()}};
  if (context.config().flag("return_state"))
    for (const Var& state : result.state) outputs.push_back({state, {}});
  return outputs;
}

std::vector<MaskedVar> build_recurrent(LayerContext& context, std::span<const MaskedVar> inputs, const char* cell, WalkCell walk,
                                       size_t states) {
  const Var x = recurrent_input(context, inputs[0].value);
  const std::vector<Shape> shapes(states, {x.dim(0), Dim(context.config().integer("units"))});
  const std::vector<Var> initial = initial_states(context, inputs, shapes);
  Recurrent result;
  {
    const LayerContext::SubLayer scope(context, cell, "cell");
    result = walk(context, x, initial, inputs[0].mask, context.config().flag("go_backwards"));
  }
  keep_states(context, result.state);
  return recurrent_outputs(context, result, inputs[0].mask);
}

std::vector<MaskedVar> build_cell_step(LayerContext& context, std::span<const MaskedVar> inputs, WalkCell walk) {
  if (inputs[0].value.rank() != 2) throw UserError("needs one step [batch, features], got " + to_string(inputs[0].value.shape()));
  const Var x = recurrent_input(context, expand_dims(inputs[0].value, 1));
  std::vector<Var> states;
  for (const MaskedVar& state : inputs.subspan(1)) states.push_back(context.to_compute(state.value));
  const Recurrent result = walk(context, x, states, {}, false);
  std::vector<MaskedVar> outputs = {{squeeze(result.sequence, {1}), {}}};
  for (const Var& state : result.state) outputs.push_back({state, {}});
  return outputs;
}

}  // namespace dl
