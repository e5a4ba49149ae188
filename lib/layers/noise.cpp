#include "layers/noise.h"

#include <numbers>

#include "base/error.h"
#include "layers/window.h"
#include "ops/builders.h"

namespace dl {

ConfigKey dropout_rate_key(bool open) {
  return {.name = "rate", .kind = KeyKind::kFloat, .required = true, .min = 0, .max = 1, .max_open = open};
}

void check_noise_shape(Layer& layer, spec::Reader& reader) {
  const spec::Node& shape = layer.config.node("noise_shape");
  if (shape.is_null()) return;
  bool fits = shape.is_list();
  for (const spec::Node& size : fits ? shape.items() : std::vector<spec::Node>())
    fits &= size.is_null() || (size.kind() == spec::Kind::kInt && size.as_int() > 0);
  if (!fits) reader.report("noise_shape", "must be a list of positive integers or null (the input's size)");
}

Shape noise_shape(const LayerContext& context, Var x) {
  Shape shape = x.shape();
  if (!context.config().given("noise_shape")) return shape;
  const std::vector<spec::Node>& sizes = context.config().node("noise_shape").items();
  if (sizes.size() != shape.size())
    throw UserError("noise_shape has " + std::to_string(sizes.size()) + " sizes, the input " + to_string(shape) + " another rank");
  for (size_t i = 0; i < sizes.size(); ++i)
    if (!sizes[i].is_null()) shape[i] = Dim(sizes[i].as_int());
  return shape;
}

Var random_keep(LayerContext& context, const Shape& shape, double rate) {
  return greater_equal(context.random_uniform(shape, context.config().node("seed")), rate);
}

Var random_normal(LayerContext& context, const Shape& shape) {
  // Box-Muller; 1 - u is above 0.
  const Var radius = sqrt(-2.0 * log(1.0 - context.random_uniform(shape, context.config().node("seed"))));
  const Var angle = 2 * std::numbers::pi * context.random_uniform(shape, context.config().node("seed"));
  return radius * cos(angle);
}

Var drop_elements(LayerContext& context, Var x, const Shape& shape, double rate) {
  if (!context.training() || rate == 0) return x;
  if (rate == 1) return zeros_like(x);
  return select(random_keep(context, shape, rate), x * (1 / (1 - rate)), 0.0);
}

std::vector<ConfigKey> spatial_dropout_keys(int64_t spatial) {
  std::vector<ConfigKey> keys = {dropout_rate_key(false), seed_key()};
  if (spatial > 1) keys.push_back(data_format_key());
  return keys;
}

std::vector<MaskedVar> build_spatial_dropout(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial) {
  const Var x = inputs[0].value;
  const bool channels_first = spatial > 1 && context.config().text("data_format") == "channels_first";
  require_rank(x, spatial, context.layer().def->class_name, channels_first);
  const size_t channels = static_cast<size_t>(channel_axis(x, channels_first));
  Shape shape(static_cast<size_t>(x.rank()), Dim(1));
  shape[0] = x.dim(0);
  shape[channels] = x.shape()[channels];
  return {{drop_elements(context, x, shape, context.config().real("rate")), {}}};
}

}  // namespace dl
