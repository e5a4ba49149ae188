#include "layers/color.h"

namespace dl {

const LayerDef layer_random_contrast = {
    .class_name = "RandomContrast",
    .summary = "In training, multiplies each image's distance from its mean by a random factor.",
    .keys = color_keys(),
    .check = check_color<kContrast>,
    .build = build_color<kContrast, vary_contrast>,
};

}  // namespace dl
