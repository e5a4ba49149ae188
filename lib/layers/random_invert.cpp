#include "layers/color.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var invert_values(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  // As written: Keras does not sort this range.
  const double top = context.config().reals("value_range")[1];
  return select(draw_chosen(context, image.x, factor), top - image.x, image.x);
}

}  // namespace

const LayerDef layer_random_invert = {
    .class_name = "RandomInvert",
    .summary = "In training, subtracts a share `factor` of the images from the largest value.",
    .keys = color_keys(spec::Node::real(1)),
    .check = check_color<kShare>,
    .build = build_color<kShare, invert_values>,
};

}  // namespace dl
