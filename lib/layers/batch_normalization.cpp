#include <fmt/format.h>

#include <tuple>

#include "base/error.h"
#include "layers/initializers.h"
#include "layers/layer.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

constexpr double kBatchNormalizationEpsilon = 1e-7;

std::vector<int64_t> other_axes(int64_t axis, int64_t rank) {
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis) axes.push_back(i);
  return axes;
}

// Mean and variance over the steps that the mask keeps; mask [batch, time], x [batch, time, channels].
std::pair<Var, Var> masked_moments(Var x, Var mask, int64_t axis) {
  const Var kept = broadcast_to(expand_dims(mask, -1), x.shape());
  const std::vector<int64_t> axes = other_axes(axis, x.rank());
  const Var count = reduce_sum(cast(expand_dims(mask, -1), x.dtype()), axes) + kBatchNormalizationEpsilon;
  const Var mean = reduce_sum(select(kept, x, 0.0), axes) / count;
  Shape broadcast(static_cast<size_t>(x.rank()), Dim(1));
  broadcast[static_cast<size_t>(axis)] = x.dim(axis);
  const Var difference = select(kept, x - reshape(mean, broadcast), 0.0);
  return {mean, reduce_sum(square(difference), axes) / count};
}

Var weight_or(LayerContext& context, const char* flag, const char* name, Dim channels, double value, DType dtype) {
  if (!context.config().flag(flag)) return full(context.graph(), {dtype, {channels}}, value);
  WeightSpec spec = context.weight_spec(name, {channels});
  spec.autocast = false;
  return context.add_weight(std::move(spec));
}

Var statistic(LayerContext& context, const char* name, Dim channels) {
  WeightSpec spec = context.weight_spec(name, {channels});
  spec.trainable = false;
  spec.autocast = false;
  return context.add_weight(std::move(spec));
}

std::vector<MaskedVar> build_batch_normalization(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  // Half types would overflow in the sums, so everything here happens in the variable type, as in Keras: the operators widen x to the
  // type of gamma.
  const Var x = inputs[0].value;
  const int64_t axis = normalize_axis(config.integer("axis"), x.rank(), "BatchNormalization");
  const Dim channels = x.dim(axis);
  const double epsilon = config.real("epsilon"), momentum = config.real("momentum");
  const Var gamma = weight_or(context, "scale", "gamma", channels, 1, context.variable_dtype());
  const Var beta = weight_or(context, "center", "beta", channels, 0, context.variable_dtype());
  const Var moving_mean = statistic(context, "moving_mean", channels);
  const Var moving_variance = statistic(context, "moving_variance", channels);
  if (!context.training() || !context.trainable())
    return {{context.to_compute(batch_norm_infer(x, gamma, beta, moving_mean, moving_variance, axis, epsilon)), {}}};
  Var y, mean, variance;
  if (const Var mask = inputs[0].mask; mask.valid()) {
    if (mask.rank() != x.rank() - 1 || axis != x.rank() - 1)
      throw UserError(
          fmt::format("a mask {} does not fit an input {} normalised over axis {}", to_string(mask.shape()), to_string(x.shape()), axis));
    std::tie(mean, variance) = masked_moments(cast(x, gamma.dtype()), mask, axis);
    y = batch_norm_infer(x, gamma, beta, mean, variance, axis, epsilon);
  } else {
    const BatchNorm result = batch_norm_train(x, gamma, beta, axis, epsilon);
    y = result.y, mean = result.mean, variance = result.variance;
  }
  const auto move = [&](const char* name, Var old, Var batch) {
    context.update_weight(name, context.latest(name, old) * momentum + stop_gradient(batch) * (1 - momentum));
  };
  move("moving_mean", moving_mean, mean);
  move("moving_variance", moving_variance, variance);
  return {{context.to_compute(y), {}}};
}

}  // namespace

const LayerDef layer_batch_normalization = {
    .class_name = "BatchNormalization",
    .summary = "Normalises each channel by the batch's mean and variance in training, by their moving averages otherwise.",
    .masking = Masking::kPass,
    .keys = {int_key("axis", spec::Node::integer(-1), -64), float_key("momentum", 0.99, 0, 1), float_key("epsilon", 1e-3, 0),
             bool_key("center", true), bool_key("scale", true), initializer_key("beta_initializer", "zeros"),
             initializer_key("gamma_initializer", "ones"), initializer_key("moving_mean_initializer", "zeros"),
             initializer_key("moving_variance_initializer", "ones"), regularizer_key("beta_regularizer"),
             regularizer_key("gamma_regularizer"), constraint_key("beta_constraint"), constraint_key("gamma_constraint"),
             unsupported_key("renorm", spec::Node::boolean(false)), unsupported_key("renorm_clipping"), ignored_key("renorm_momentum"),
             unsupported_key("synchronized", spec::Node::boolean(false))},
    .build = build_batch_normalization,
};

}  // namespace dl
