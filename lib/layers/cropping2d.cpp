#include "layers/borders.h"

namespace dl {

const LayerDef layer_cropping2d = {
    .class_name = "Cropping2D",
    .summary = "Drops rows and columns at the borders of an image.",
    .keys = {any_key("cropping", spec::Node::integer(0)), data_format_key()},
    .check = check_borders<2>,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_cropping(context, inputs, 2); },
};

}  // namespace dl
