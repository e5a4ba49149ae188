#include "layers/losses/common.h"

#include "ops/builders.h"

namespace dl {

Var clip_probability(Var p) { return clip(p, kLossEpsilon, 1 - kLossEpsilon); }

Var normalized_probability(Var p, int64_t axis) { return clip_probability(p / reduce_sum(p, {axis}, true)); }

Var unit_vectors(Var x, int64_t axis) { return x * rsqrt(maximum(reduce_sum(square(x), {axis}, true), kLossEpsilon * kLossEpsilon)); }

Var logits_of(const LossCall& call, const char* op_name) {
  if (call.config.flag("from_logits")) return call.y_pred;
  // A softmax over another axis than the last is not looked through.
  return axis_of(call) == call.y_pred.rank() - 1 ? find_logits(call.y_pred, op_name) : Var{};
}

Var smooth_classes(const LossCall& call) {
  const double smoothing = call.config.real("label_smoothing");
  if (smoothing == 0) return call.y_true;
  return call.y_true * (1 - smoothing) + smoothing / size_of(call.y_true, {-1}, call.y_true.dtype());
}

Var smooth_binary(const LossCall& call) {
  const double smoothing = call.config.real("label_smoothing");
  return smoothing == 0 ? call.y_true : call.y_true * (1 - smoothing) + 0.5 * smoothing;
}

ConfigKey from_logits_key() { return bool_key("from_logits", false); }
ConfigKey smoothing_key() { return float_key("label_smoothing", 0, 0, 1); }
ConfigKey axis_key() { return int_key("axis", spec::Node::integer(-1), -64); }
ConfigKey optional_axes_key() { return ints_key("axis"); }

int64_t axis_of(const LossCall& call) { return normalize_axis(call.config.integer("axis"), call.y_pred.rank(), "loss"); }

std::vector<int64_t> axes_of(const LossCall& call) {
  return call.config.given("axis") ? normalize_axes(call.config.integers("axis"), call.y_pred.rank(), "loss") : std::vector<int64_t>{};
}

Var with_last(Var x, int64_t axis) {
  axis = normalize_axis(axis, x.rank(), "loss");
  if (axis == x.rank() - 1) return x;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i != axis) order.push_back(i);
  order.push_back(axis);
  return transpose(x, order);
}

}  // namespace dl
