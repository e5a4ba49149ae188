#include "layers/borders.h"

namespace dl {

const LayerDef layer_cropping1d = {
    .class_name = "Cropping1D",
    .summary = "Drops steps at the two ends of a sequence.",
    .keys = {any_key("cropping", spec::Node::integer(1))},
    .check = check_borders<1>,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_cropping(context, inputs, 1); },
};

}  // namespace dl
