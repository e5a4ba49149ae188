#include "layers/borders.h"

namespace dl {

const LayerDef layer_zero_padding1d = {
    .class_name = "ZeroPadding1D",
    .summary = "Zeros before and after a sequence.",
    .keys = {any_key("padding", spec::Node::integer(1)), data_format_key()},
    .check = check_borders<1>,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_zero_padding(context, inputs, 1); },
};

}  // namespace dl
