#include "layers/color.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// Between a smoothed image (0), the image (1/2) and one away from the smoothed (1).
Var sharpen(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  const int64_t channels = image.x.dim(image.channel_axis).value();
  Tensor weights(image.x.dtype(), {3, 3, 1, channels});
  for (int64_t i = 0; i < weights.size(); ++i) weights.set(i, i / channels == 4 ? 5.0 / 13 : 1.0 / 13);
  Window window{.strides = {1, 1}, .dilations = {1, 1}, .pads_begin = {1, 1}, .pads_end = {1, 1}, .channels_first = image.channels_first};
  const Var smooth = conv(image.x, constant(context.graph(), weights), window, channels);
  const Var sharpness = cast(draw(context, per_image(image.x), factor) * 2.0, image.x.dtype());
  return clip_to(image.x + (1.0 - sharpness) * (smooth - image.x), value_range(context.config()));
}

}  // namespace

const LayerDef layer_random_sharpness = {
    .class_name = "RandomSharpness",
    .summary = "In training, blurs (factor below 1/2) or sharpens (above) each image.",
    .keys = color_keys(),
    .check = check_color<kShare>,
    .build = build_color<kShare, sharpen>,
};

}  // namespace dl
