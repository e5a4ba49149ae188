#include "layers/color.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var fade(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  const Var share = cast(draw(context, per_image(image.x), factor), image.x.dtype());
  return clip_to(image.x + share * (to_gray(image) - image.x), value_range(context.config()));
}

}  // namespace

const LayerDef layer_random_color_degeneration = {
    .class_name = "RandomColorDegeneration",
    .summary = "In training, mixes each image with its grey version.",
    .keys = color_keys(),
    .check = check_color<kSaturation>,
    .build = build_color<kSaturation, fade>,
};

}  // namespace dl
