#include "layers/color.h"

namespace dl {

const LayerDef layer_random_hue = {
    .class_name = "RandomHue",
    .summary = "In training, turns each image's colours by a random share of half the colour wheel.",
    .keys = color_keys(),
    .check = check_color<kHue>,
    .build = build_color<kHue, vary_hue>,
};

}  // namespace dl
