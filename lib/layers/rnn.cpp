#include <fmt/format.h>

#include "base/error.h"
#include "layers/cells.h"
#include "ops/builders.h"

namespace dl {
namespace {

// The cell, and those inside it, frozen where the layer is.
std::shared_ptr<const Layer> frozen_with(const std::shared_ptr<const Layer>& cell, bool trainable) {
  auto copy = std::make_shared<Layer>(*cell);
  copy->trainable = copy->trainable && trainable;
  for (auto& [key, child] : copy->children) child = frozen_with(child, copy->trainable);
  return copy;
}

void check_rnn(Layer& layer, spec::Reader& reader) {
  spec::Node cell = layer.config.node("cell");
  // A list of cells is a stack.
  if (cell.is_list()) {
    spec::Node stack = spec::Node::map({{"StackedRNNCells", spec::Node::map({{"cells", cell}})}});
    stack.set_place(cell.place());
    cell = stack;
  }
  if (const auto child = read_cell(cell, reader.path_of("cell"), reader.problems()))
    layer.children["cell"] = frozen_with(child, layer.trainable);
}

std::vector<MaskedVar> build_rnn(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Layer& cell = *context.layer().children.at("cell");
  const Var x = context.to_compute(inputs[0].value), mask = inputs[0].mask;
  if (x.rank() != 3) throw UserError("needs a sequence [batch, time, features], got " + to_string(x.shape()));
  const std::vector<Var> states = initial_states(context, inputs, state_shapes(cell, x.dim(0)));
  if (!states.empty() && states.size() != count_states(cell))
    throw UserError(fmt::format("takes {} initial states, got {}", count_states(cell), states.size()));
  const Recurrent result = walk_cell(context, cell, "cell", x, states, mask, context.config().flag("go_backwards"));
  keep_states(context, result.state);
  return recurrent_outputs(context, result, mask, output_state(cell));
}

}  // namespace

const LayerDef layer_rnn = {
    .class_name = "RNN",
    .summary = "A cell (LSTMCell, GRUCell, SimpleRNNCell, or a list of them) over a sequence. Further inputs are the initial states.",
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .keys = join_keys({any_key("cell", {}, true)}, sequence_keys()),
    .check = check_rnn,
    .build = build_rnn,
};

}  // namespace dl
