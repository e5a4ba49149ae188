// Losses of probabilities: crossentropies and their variants for noisy or rare classes, divergence, counts.
#include <algorithm>

#include "layers/losses/common.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

Var sparse_values(const LossCall& call, Var target) {
  const int64_t axis = axis_of(call);
  if (const Var logits = logits_of(call, "softmax"); logits.valid()) return sparse_softmax_cross_entropy(with_last(logits, axis), target);
  // The logarithm of probabilities that sum to 1 is their own logits, but for the clipping, so it is applied here.
  const Var log_p = log(normalized_probability(with_last(call.y_pred, axis)));
  const Var hit = one_hot(target, log_p.dim(-1), log_p.dtype());
  return -reduce_sum(select(greater(hit, 0.0), log_p, 0.0), {-1});
}

Var sparse_crossentropy(const LossCall& call) {
  if (!call.config.given("ignore_class")) return sparse_values(call, call.y_true);
  const Var kept = not_equal(call.y_true, scalar(*call.y_true.graph, call.y_true.dtype(), call.config.real("ignore_class")));
  *call.mask = kept;
  const Var target = select(kept, call.y_true, scalar(*call.y_true.graph, call.y_true.dtype(), 0));
  return select(kept, sparse_values(call, target), 0.0);
}

Var crossentropy(const LossCall& call) {
  const int64_t axis = axis_of(call);
  const Var target = with_last(smooth_classes(call), axis);
  if (const Var logits = logits_of(call, "softmax"); logits.valid()) return softmax_cross_entropy(with_last(logits, axis), target);
  return -reduce_sum(target * log(normalized_probability(with_last(call.y_pred, axis))), {-1});
}

// Of each element.
Var binary_values(const LossCall& call, Var target) {
  if (const Var logits = logits_of(call, "sigmoid"); logits.valid()) return sigmoid_cross_entropy(logits, target);
  const Var p = clip_probability(call.y_pred);
  return -(target * log(p) + (1.0 - target) * log(1.0 - p));
}

Var binary(const LossCall& call) { return reduce_mean(binary_values(call, smooth_binary(call)), {axis_of(call)}); }

Var binary_focal(const LossCall& call) {
  const Var target = smooth_binary(call);
  const Var p = call.config.flag("from_logits") ? sigmoid(call.y_pred) : call.y_pred;
  const Var right = target * p + (1.0 - target) * (1.0 - p);
  Var values = pow(1.0 - right, call.config.real("gamma")) * binary_values(call, target);
  if (call.config.flag("apply_class_balancing")) {
    const double alpha = call.config.real("alpha");
    values = (target * alpha + (1.0 - target) * (1 - alpha)) * values;
  }
  return reduce_mean(values, {axis_of(call)});
}

Var focal(const LossCall& call) {
  const int64_t axis = axis_of(call);
  const Var target = smooth_classes(call);
  const Var p = normalized_probability(call.config.flag("from_logits") ? softmax(call.y_pred, axis) : call.y_pred, axis);
  const std::vector<double> alpha = call.config.reals("alpha");
  Var values = pow(1.0 - p, call.config.real("gamma")) * (-target * log(p));
  if (alpha.size() == 1) {
    values = values * alpha[0];
  } else {
    Tensor weights(p.dtype(), {static_cast<int64_t>(alpha.size())});
    for (size_t i = 0; i < alpha.size(); ++i) weights.set(static_cast<int64_t>(i), alpha[i]);
    values = values * constant(*p.graph, weights);
  }
  return reduce_sum(values, {axis});
}

Var generalized(const LossCall& call) {
  const double q = call.config.real("q");
  const Var p = reduce_sum(call.y_pred * one_hot(call.y_true, call.y_pred.dim(-1), call.y_pred.dtype()), {-1});
  return (1.0 - pow(p, q)) / q;
}

void check_generalized(const Config& config, spec::Reader& reader) {
  if (config.real("q") <= 0 || config.real("q") >= 1) reader.report("q", "must be above 0 and below 1");
}

Var divergence(const LossCall& call) {
  const Var target = clip(call.y_true, kLossEpsilon, 1), p = clip(call.y_pred, kLossEpsilon, 1);
  return reduce_sum(target * log(target / p), {-1});
}

std::vector<ConfigKey> crossentropy_keys() { return {from_logits_key(), smoothing_key(), axis_key()}; }

}  // namespace

const LossDef loss_sparse_categorical_crossentropy = {
    .name = "sparse_categorical_crossentropy",
    .class_name = "SparseCategoricalCrossentropy",
    .keys = {from_logits_key(), {.name = "ignore_class", .kind = KeyKind::kInt}, axis_key()},
    .target = LossTarget::kClass,
    .build = sparse_crossentropy};
const LossDef loss_categorical_crossentropy = {
    .name = "categorical_crossentropy", .class_name = "CategoricalCrossentropy", .keys = crossentropy_keys(), .build = crossentropy};
const LossDef loss_binary_crossentropy = {.name = "binary_crossentropy",
                                          .class_name = "BinaryCrossentropy",
                                          .aliases = {"bce", "BCE"},
                                          .keys = crossentropy_keys(),
                                          .build = binary};
const LossDef loss_binary_focal_crossentropy = {
    .name = "binary_focal_crossentropy",
    .class_name = "BinaryFocalCrossentropy",
    .keys =
        join_keys({bool_key("apply_class_balancing", false), float_key("alpha", 0.25, 0), float_key("gamma", 2, 0)}, crossentropy_keys()),
    .build = binary_focal};
const LossDef loss_categorical_focal_crossentropy = {
    .name = "categorical_focal_crossentropy",
    .class_name = "CategoricalFocalCrossentropy",
    .keys = join_keys({floats_key("alpha", spec::Node::real(0.25)), float_key("gamma", 2, 0)}, crossentropy_keys()),
    .build = focal};
const LossDef loss_categorical_generalized_cross_entropy = {.name = "categorical_generalized_cross_entropy",
                                                            .class_name = "CategoricalGeneralizedCrossEntropy",
                                                            .keys = {float_key("q", 0.5, 0, 1)},
                                                            .target = LossTarget::kClass,
                                                            .check = check_generalized,
                                                            .build = generalized};
const LossDef loss_kl_divergence = {
    .name = "kl_divergence", .class_name = "KLDivergence", .aliases = {"kld", "KLD", "kullback_leibler_divergence"}, .build = divergence};
const LossDef loss_poisson = {.name = "poisson", .class_name = "Poisson", .build = [](const LossCall& call) {
                                return reduce_mean(call.y_pred - call.y_true * log(call.y_pred + kLossEpsilon), {-1});
                              }};

}  // namespace dl
