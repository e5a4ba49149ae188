#include "layers/color.h"

namespace dl {

const LayerDef layer_random_brightness = {
    .class_name = "RandomBrightness",
    .summary = "In training, adds a random share of the range of values to each image.",
    .keys = color_keys(),
    .check = check_color<kBrightness>,
    .build = build_color<kBrightness, vary_brightness>,
};

}  // namespace dl
