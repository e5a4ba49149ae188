#include <fmt/format.h>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

// gamma or beta, in a shape that broadcasts against the grouped x; invalid without.
Var affine(LayerContext& context, const char* flag, const char* name, Dim channels, const Shape& broadcast) {
  if (!context.config().flag(flag)) return {};
  WeightSpec spec = context.weight_spec(name, {channels});
  spec.autocast = false;
  return reshape(context.add_weight(std::move(spec)), broadcast);
}

int64_t group_count(const Config& config, Dim channels) {
  if (!channels.known()) throw UserError("the axis to divide into groups has the unknown size '" + to_string(channels) + "'");
  const int64_t groups = config.integer("groups") == -1 ? channels.value() : config.integer("groups");
  if (channels.value() % groups != 0)
    throw UserError(fmt::format("groups is {}, must divide the size of the axis, {}", groups, channels.value()));
  return groups;
}

std::vector<MaskedVar> build_group_normalization(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  // In the variable type, as in Keras: half types would lose the small variances.
  const Var x = cast(inputs[0].value, context.variable_dtype());
  const int64_t axis = normalize_axis(config.integer("axis"), x.rank(), "GroupNormalization");
  if (axis == 0) throw UserError("axis must not be 0, the batch");
  const Dim channels = x.dim(axis), groups(group_count(config, channels)), size(channels.value() / groups.value());
  Shape grouped = x.shape(), broadcast(static_cast<size_t>(x.rank()), Dim(1));
  grouped[static_cast<size_t>(axis)] = broadcast[static_cast<size_t>(axis)] = size;
  grouped.insert(grouped.begin() + axis, groups);
  broadcast.insert(broadcast.begin() + axis, groups);
  std::vector<int64_t> axes;
  for (int64_t i = 1; i <= x.rank(); ++i)
    if (i != axis) axes.push_back(i);
  const Var parts = reshape(x, grouped), centered = parts - reduce_mean(parts, axes, true);
  Var y = centered * rsqrt(reduce_mean(square(centered), axes, true) + config.real("epsilon"));
  if (const Var gamma = affine(context, "scale", "gamma", channels, broadcast); gamma.valid()) y = y * gamma;
  if (const Var beta = affine(context, "center", "beta", channels, broadcast); beta.valid()) y = y + beta;
  return {{context.to_compute(reshape(y, x.shape())), {}}};
}

}  // namespace

const LayerDef layer_group_normalization = {
    .class_name = "GroupNormalization",
    .summary = "Normalises groups of channels of each sample to mean 0 and variance 1; groups -1: every channel by itself.",
    .masking = Masking::kPass,
    .autocast = false,
    .keys = {int_key("groups", spec::Node::integer(32), -1), int_key("axis", spec::Node::integer(-1), -64), float_key("epsilon", 1e-3, 0),
             bool_key("center", true), bool_key("scale", true), initializer_key("beta_initializer", "zeros"),
             initializer_key("gamma_initializer", "ones"), regularizer_key("beta_regularizer"), regularizer_key("gamma_regularizer"),
             constraint_key("beta_constraint"), constraint_key("gamma_constraint")},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          if (layer.config.integer("groups") == 0) reader.report("groups", "is 0, must be positive, or -1 for one group per channel");
        },
    .build = build_group_normalization,
};

}  // namespace dl
