#include "layers/borders.h"

namespace dl {

const LayerDef layer_zero_padding3d = {
    .class_name = "ZeroPadding3D",
    .summary = "Zeros around a volume.",
    .keys = {any_key("padding", spec::Node::integer(1)), data_format_key()},
    .check = check_borders<3>,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_zero_padding(context, inputs, 3); },
};

}  // namespace dl
