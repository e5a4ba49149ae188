#include "layers/borders.h"

namespace dl {

const LayerDef layer_zero_padding2d = {
    .class_name = "ZeroPadding2D",
    .summary = "Zeros around an image.",
    .keys = {any_key("padding", spec::Node::integer(1)), data_format_key()},
    .check = check_borders<2>,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_zero_padding(context, inputs, 2); },
};

}  // namespace dl
