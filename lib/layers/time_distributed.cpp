#include <fmt/format.h>

#include <string_view>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Whether the steps must not be samples of one batch: in training a step's result may depend on which samples come with it, and a
// stateful layer has as many states as there are samples.
bool goes_step_by_step(const Layer& layer, bool training) {
  if (training && std::string_view(layer.def->class_name) == "BatchNormalization") return true;
  if (layer.config.has("stateful") && layer.config.flag("stateful")) return true;
  for (const auto& [name, child] : layer.children)
    if (goes_step_by_step(*child, training)) return true;
  return false;
}

Var build_child(LayerContext& context, LayerContext& inner, Var x, Var mask) {
  const LayerDef& def = *inner.layer().def;
  if (def.autocast && is_float(x.dtype())) x = inner.to_compute(x);
  const MaskedVar input{x, mask};
  std::vector<MaskedVar> outputs = def.build(inner, {&input, 1});
  if (outputs.size() != 1) throw UserError(fmt::format("wraps a {} with {} outputs; it must have one", def.class_name, outputs.size()));
  return context.to_compute(outputs[0].value);
}

Var merge_leading(Var x) {
  Shape shape = {x.dim(0) * x.dim(1)};
  shape.insert(shape.end(), x.shape().begin() + 2, x.shape().end());
  return reshape(x, shape);
}

std::vector<MaskedVar> build_time_distributed(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Var x = inputs[0].value, mask = inputs[0].mask;
  if (x.rank() < 3) throw UserError("TimeDistributed needs [batch, time, ...], got " + to_string(x.shape()));
  const Layer& child = *context.layer().children.at("layer");
  const LayerContext::SubLayer scope(context, child.name, "layer");
  LayerContext inner = context.child(child);
  if (!goes_step_by_step(child, context.training())) {
    // Samples do not see each other, so the steps can be samples of a larger batch.
    const Var y = build_child(context, inner, merge_leading(x), mask.valid() ? merge_leading(mask) : Var());
    Shape shape = {x.dim(0), x.dim(1)};
    shape.insert(shape.end(), y.shape().begin() + 1, y.shape().end());
    return {{reshape(y, shape), {}}};
  }
  if (!x.dim(1).known())
    throw UserError(fmt::format("takes a {} step by step and needs to know the number of steps '{}': give it in the input's shape",
                                child.def->class_name, to_string(x.dim(1))));
  std::vector<Var> steps;
  for (int64_t t = 0; t < x.dim(1).value(); ++t) {
    const auto step = [&](Var v) { return v.valid() ? squeeze(slice_axis(v, 1, t, 1), {1}) : v; };
    steps.push_back(expand_dims(build_child(context, inner, step(x), step(mask)), 1));
  }
  return {{concat(steps, 1), {}}};
}

}  // namespace

const LayerDef layer_time_distributed = {
    .class_name = "TimeDistributed",
    .summary = "Applies a layer to each step of a sequence.",
    .masking = Masking::kPass,
    .autocast = false,
    .keys = {{.name = "layer", .kind = KeyKind::kLayer, .required = true}},
    .check = wrap_child_layer,
    .build = build_time_distributed,
};

}  // namespace dl
