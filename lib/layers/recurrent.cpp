#include "layers/recurrent.h"

#include "base/error.h"
#include "ops/builders.h"

namespace dl {

std::vector<ConfigKey> recurrent_keys(std::vector<ConfigKey> own) {
  const spec::Node no = spec::Node::boolean(false);
  return join_keys({int_key("units", 1),
                    activation_key("activation", "tanh"),
                    activation_key("recurrent_activation", "sigmoid"),
                    bool_key("use_bias", true),
                    initializer_key("kernel_initializer", "glorot_uniform"),
                    initializer_key("recurrent_initializer", "orthogonal"),
                    initializer_key("bias_initializer", "zeros"),
                    regularizer_key("kernel_regularizer"),
                    regularizer_key("recurrent_regularizer"),
                    regularizer_key("bias_regularizer"),
                    regularizer_key("activity_regularizer"),
                    unsupported_key("kernel_constraint"),
                    unsupported_key("recurrent_constraint"),
                    unsupported_key("bias_constraint"),
                    float_key("dropout", 0, 0, 1),
                    float_key("recurrent_dropout", 0, 0, 1),
                    seed_key(),
                    bool_key("return_sequences", false),
                    bool_key("return_state", false),
                    bool_key("go_backwards", false),
                    unsupported_key("stateful", no),
                    unsupported_key("zero_output_for_mask", no),
                    ignored_key("unroll", no),
                    ignored_key("use_cudnn", spec::Node::string("auto")),
                    ignored_key("implementation"),
                    unsupported_key("time_major", no)},
                   std::move(own));
}

void check_recurrent(Layer& layer, spec::Reader& reader) {
  if (layer.config.real("recurrent_dropout") != 0)
    reader.report("recurrent_dropout", "is not supported yet, must be 0; `dropout` on the inputs is");
  if (layer.config.real("dropout") == 1) reader.report("dropout", "is 1, must be less");
}

Var recurrent_input(LayerContext& context, Var x) {
  x = context.to_compute(x);
  if (x.rank() != 3) throw UserError("needs a sequence [batch, time, features], got " + to_string(x.shape()));
  const double rate = context.config().real("dropout");
  if (!context.training() || rate == 0) return x;
  const Var keep = greater_equal(context.random_uniform({x.dim(0), Dim(1), x.dim(2)}, context.config().node("seed")), rate);
  return select(keep, x * (1 / (1 - rate)), 0.0);
}

Var initial_state(LayerContext& context, std::span<const MaskedVar> inputs, size_t index) {
  return index < inputs.size() ? context.to_compute(inputs[index].value) : Var();
}

std::vector<MaskedVar> recurrent_outputs(LayerContext& context, const Recurrent& result, Var mask) {
  const bool sequences = context.config().flag("return_sequences");
  // The last output is the last hidden state: a masked step repeats both.
  std::vector<MaskedVar> outputs = {{sequences ? result.sequence : result.state[0], sequences ? mask : Var()}};
  if (context.config().flag("return_state"))
    for (const Var& state : result.state) outputs.push_back({state, {}});
  return outputs;
}

}  // namespace dl
