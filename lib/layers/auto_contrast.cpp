#include "layers/color.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_auto_contrast = {
    .class_name = "AutoContrast",
    .summary = "Stretches each channel of an image to the whole range of values, at inference, too.",
    .keys = {value_range_key(), data_format_key()},
    .check = [](Layer& layer, spec::Reader& reader) { check_value_range(layer, reader); },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = read_image(context, context.to_compute(inputs[0].value)).x;
      const std::pair<double, double> range = value_range(context.config()), bytes = {0, 255};
      const Var y = change_range(x, range, bytes);
      // Axes 1 and 2 in Keras, whatever the data_format.
      const Var low = reduce_min(y, {1, 2}, true), high = reduce_max(y, {1, 2}, true), flat = equal(low, high);
      const Var scale = 255.0 / select(flat, 1.0, high - low);
      const Var stretched = change_range(clip_to(y * scale - low * scale, bytes), bytes, range);
      return {{select(flat, x, stretched), {}}};
    },
};

}  // namespace dl
