#include "layers/color.h"

namespace dl {
namespace {

struct JitterPart {
  const char* key;
  const FactorRule* rule;
  Var (*vary)(LayerContext&, const Image&, std::pair<double, double>);
};
constexpr JitterPart kJitterParts[] = {{"brightness_factor", &kBrightness, vary_brightness},
                                       {"contrast_factor", &kContrast, vary_contrast},
                                       {"saturation_factor", &kSaturation, vary_saturation},
                                       {"hue_factor", &kHue, vary_hue}};

}  // namespace

const LayerDef layer_random_color_jitter = {
    .class_name = "RandomColorJitter",
    .summary = "In training, RandomBrightness, RandomContrast, RandomSaturation and RandomHue, those that have a factor.",
    .keys = {floats_key("brightness_factor"), floats_key("contrast_factor"), floats_key("saturation_factor"), floats_key("hue_factor"),
             value_range_key(), seed_key(), data_format_key()},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          for (const JitterPart& part : kJitterParts) check_factor(layer, reader, part.key, *part.rule);
          check_value_range(layer, reader);
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      Image image = read_image(context, inputs[0].value);
      if (!context.training()) return {{image.x, {}}};
      image.x = context.to_compute(image.x);
      for (const JitterPart& part : kJitterParts)
        if (context.config().given(part.key)) image.x = part.vary(context, image, factor_range(context.config(), part.key, *part.rule));
      return {{image.x, {}}};
    },
};

}  // namespace dl
