#include "layers/color.h"

namespace dl {

const LayerDef layer_random_saturation = {
    .class_name = "RandomSaturation",
    .summary = "In training, changes the saturation of each image's colours.",
    .keys = color_keys(),
    .check = check_color<kSaturation>,
    .build = build_color<kSaturation, vary_saturation>,
};

}  // namespace dl
