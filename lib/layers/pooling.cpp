#include "layers/pooling.h"

#include "layers/window.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {

std::vector<ConfigKey> pooling_keys(size_t spatial, bool size_has_default) {
  return {size_has_default ? tuple_key("pool_size", spatial, spec::Node::integer(2)) : tuple_key("pool_size", spatial),
          tuple_key("strides", spatial, spec::Node()), choice_key("padding", {"valid", "same"}, "valid"), data_format_key()};
}

std::vector<MaskedVar> build_pooling(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial, Pooling pooling) {
  const Config& config = context.config();
  const bool channels_first = config.text("data_format") == "channels_first";
  const Var x = inputs[0].value;
  require_rank(x, spatial, context.layer().def->class_name, channels_first);
  const std::vector<int64_t> size = config.integers("pool_size");
  const std::vector<int64_t> strides = config.given("strides") ? config.integers("strides") : size;
  const Window window = make_window(x, config.text("padding"), size, strides, std::vector<int64_t>(size.size(), 1), channels_first);
  return {{pooling == Pooling::kMax ? max_pool(x, window) : avg_pool(x, window), {}}};
}

std::vector<ConfigKey> global_pooling_keys() { return {data_format_key(), bool_key("keepdims", false)}; }

std::vector<MaskedVar> build_global_pooling(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial, Pooling pooling) {
  const bool channels_first = context.config().text("data_format") == "channels_first";
  const bool keepdims = context.config().flag("keepdims");
  const Var x = inputs[0].value;
  require_rank(x, spatial, context.layer().def->class_name, channels_first);
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < spatial; ++i) axes.push_back(i + (channels_first ? 2 : 1));
  if (pooling == Pooling::kMax) return {{reduce_max(x, axes, keepdims), {}}};
  const Var mask = inputs[0].mask;
  if (!mask.valid() || spatial != 1) return {{reduce_mean(x, axes, keepdims), {}}};
  // The mean over the steps that the mask keeps, as GlobalAveragePooling1D of Keras.
  const Var kept = expand_dims(mask, channels_first ? 1 : 2);
  return {{reduce_sum(select(kept, x, 0.0), axes, keepdims) / reduce_sum(cast(kept, x.dtype()), axes, keepdims), {}}};
}

}  // namespace dl
