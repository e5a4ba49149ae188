// Colours of images: grey and HSV as TensorFlow computes them, and the random changes that RandomColorJitter shares with single layers.
// Who uses it: random_brightness.cpp, random_contrast.cpp, random_hue.cpp, random_saturation.cpp, random_color_jitter.cpp, ...
#pragma once

#include "layers/image.h"

namespace dl {

// One channel from three; an image of one channel stays. UserError for other numbers.
Var to_gray(const Image& image);

// Hue, saturation and value, each with a channel axis of size 1. UserError unless there are three channels.
struct Hsv {
  Var hue, saturation, value;
};
Hsv rgb_to_hsv(const Image& image);
Var hsv_to_rgb(const Hsv& hsv, int64_t channel_axis);

// From one range of values to the other.
Var change_range(Var x, std::pair<double, double> from, std::pair<double, double> to);
Var clip_to(Var x, std::pair<double, double> range);

// factor, value_range, seed, data_format.
std::vector<ConfigKey> color_keys();
std::vector<ConfigKey> color_keys(spec::Node factor);  // with a default

// What the layers RandomBrightness, ... do in training.
constexpr FactorRule kBrightness{FactorKind::kImage, -1, 1}, kContrast = kShare, kSaturation = kBrightness, kHue = kShare;
Var vary_brightness(LayerContext& context, const Image& image, std::pair<double, double> factor);
Var vary_contrast(LayerContext& context, const Image& image, std::pair<double, double> factor);
Var vary_saturation(LayerContext& context, const Image& image, std::pair<double, double> factor);
Var vary_hue(LayerContext& context, const Image& image, std::pair<double, double> factor);

// LayerDef::check and build of a layer of one `factor`: identity at inference.
template <const FactorRule& rule>
void check_color(Layer& layer, spec::Reader& reader) {
  check_factor(layer, reader, "factor", rule);
  check_value_range(layer, reader);
}
template <const FactorRule& rule, Var (*vary)(LayerContext&, const Image&, std::pair<double, double>)>
std::vector<MaskedVar> build_color(LayerContext& context, std::span<const MaskedVar> inputs) {
  Image image = read_image(context, inputs[0].value);
  if (!context.training()) return {{image.x, {}}};
  image.x = context.to_compute(image.x);
  return {{vary(context, image, factor_range(context.config(), "factor", rule)), {}}};
}

}  // namespace dl
