#include <fmt/format.h>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr std::string_view kForward = "forward_", kBackward = "backward_";

std::string prefixed(std::string_view prefix, const std::string& name) {
  return name.starts_with(prefix) ? name : std::string(prefix) + name;
}

bool is_recurrent(const Layer& layer) { return layer.config.has("go_backwards"); }

void check_bidirectional(Layer& layer, spec::Reader& reader) {
  // Keras writes null for "keep both outputs apart".
  if (const spec::Node* mode = reader.node().find("merge_mode"); mode && mode->is_null())
    layer.config.set("merge_mode", spec::Node::string("none"));
  const auto read = [&](const char* key) {
    auto child = read_child_layer(layer.config.node(key), reader.path_of(key), reader.problems());
    if (child && !is_recurrent(*child)) {
      reader.report(key, fmt::format("is {}, must be a recurrent layer (LSTM, GRU)", child->def->class_name));
      child = nullptr;
    }
    return child;
  };
  const auto forward = read("layer");
  if (!forward) return;
  auto backward = std::make_shared<Layer>(*forward);
  if (layer.config.given("backward_layer")) {
    const auto given = read("backward_layer");
    if (!given) return;
    backward = std::make_shared<Layer>(*given);
  } else {
    // Keras reverses the copy outright, whatever the wrapped layer says.
    backward->config.set("go_backwards", spec::Node::boolean(true));
    backward->name = prefixed(kBackward, backward->name);
  }
  if (forward->config.flag("go_backwards") == backward->config.flag("go_backwards"))
    reader.report("backward_layer", "must walk the other way: set go_backwards in one of the two layers");
  for (const char* key : {"return_sequences", "return_state"})
    if (forward->config.flag(key) != backward->config.flag(key))
      reader.report("backward_layer", fmt::format("must have the same {} as layer", key));
  if (forward->config.flag("return_state") && layer.config.text("merge_mode") == "none")
    reader.report("merge_mode", "must not be null together with return_state");
  auto named_forward = std::make_shared<Layer>(*forward);
  named_forward->name = prefixed(kForward, forward->name);
  if (backward->name == named_forward->name) reader.report("backward_layer", fmt::format("needs another name than '{}'", backward->name));
  named_forward->trainable = named_forward->trainable && layer.trainable;
  backward->trainable = backward->trainable && layer.trainable;
  layer.children["forward_layer"] = named_forward;
  layer.children["backward_layer"] = backward;
}

std::vector<MaskedVar> build_child(LayerContext& context, const std::string& object, std::span<const MaskedVar> inputs) {
  const Layer& child = *context.layer().children.at(object);
  const LayerContext::SubLayer scope(context, child.name, object);
  LayerContext inner = context.child(child);
  std::vector<MaskedVar> outputs = child.def->build(inner, inputs);
  // Keras gives wrapped layers zero_output_for_mask when they return sequences.
  if (const Var mask = inputs[0].mask; mask.valid() && child.config.flag("return_sequences")) {
    const Var walked = child.config.flag("go_backwards") ? reverse(mask, 1) : mask;
    outputs[0].value = select(expand_dims(walked, -1), outputs[0].value, 0.0);
  }
  return outputs;
}

Var merge(const std::string& mode, Var forward, Var backward) {
  if (mode == "sum") return forward + backward;
  if (mode == "mul") return forward * backward;
  if (mode == "ave") return (forward + backward) / 2.0;
  return concat({forward, backward}, -1);
}

std::vector<MaskedVar> build_bidirectional(LayerContext& context, std::span<const MaskedVar> inputs) {
  // With initial states: the first half of them for the forward layer.
  std::vector<MaskedVar> forward_inputs = {inputs[0]}, backward_inputs = {inputs[0]};
  const size_t states = inputs.size() - 1;
  if (states % 2 != 0) throw UserError(fmt::format("takes an even number of initial states, got {}", states));
  for (size_t i = 0; i < states; ++i) (i < states / 2 ? forward_inputs : backward_inputs).push_back(inputs[i + 1]);
  std::vector<MaskedVar> forward = build_child(context, "forward_layer", forward_inputs);
  std::vector<MaskedVar> backward = build_child(context, "backward_layer", backward_inputs);
  const bool sequences = context.layer().children.at("forward_layer")->config.flag("return_sequences");
  // The second sequence comes in the order walked.
  if (sequences) backward[0].value = reverse(backward[0].value, 1);
  const Var mask = sequences ? inputs[0].mask : Var();
  const std::string& mode = context.config().text("merge_mode");
  if (mode == "none") return {{forward[0].value, mask}, {backward[0].value, mask}};
  std::vector<MaskedVar> outputs = {{merge(mode, forward[0].value, backward[0].value), mask}};
  outputs.insert(outputs.end(), forward.begin() + 1, forward.end());
  outputs.insert(outputs.end(), backward.begin() + 1, backward.end());
  return outputs;
}

}  // namespace

const LayerDef layer_bidirectional = {
    .class_name = "Bidirectional",
    .summary = "A recurrent layer applied forwards and backwards; merge_mode concat, sum, ave, mul or none (two outputs).",
    .max_inputs = 5,
    .masking = Masking::kOwn,
    .keys = {{.name = "layer", .kind = KeyKind::kLayer, .required = true},
             {.name = "backward_layer", .kind = KeyKind::kLayer},
             choice_key("merge_mode", {"concat", "sum", "ave", "mul", "none"}, "concat"),
             unsupported_key("weights")},
    .check = check_bidirectional,
    .build = build_bidirectional,
};

}  // namespace dl
