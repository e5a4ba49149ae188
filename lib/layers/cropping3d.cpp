#include "layers/borders.h"

namespace dl {

const LayerDef layer_cropping3d = {
    .class_name = "Cropping3D",
    .summary = "Drops slices at the borders of a volume.",
    .keys = {any_key("cropping", spec::Node::integer(1)), data_format_key()},
    .check = check_borders<3>,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_cropping(context, inputs, 3); },
};

}  // namespace dl
