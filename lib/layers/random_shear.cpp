#include "layers/warp.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr FactorRule kShear{FactorKind::kSymmetric, 0, 1};

void check_random_shear(Layer& layer, spec::Reader& reader) {
  for (const char* key : {"x_factor", "y_factor"}) {
    check_factor(layer, reader, key, {FactorKind::kSymmetric, -1, 1});
    // Keras writes a number as a list that it does not read.
    const std::vector<double> values = layer.config.given(key) ? layer.config.reals(key) : std::vector<double>();
    if (values.size() == 2 && values[0] <= 0 && values[0] == -values[1]) layer.config.set(key, spec::Node::real(values[1]));
  }
}

}  // namespace

const LayerDef layer_random_shear = {
    .class_name = "RandomShear",
    .summary = "In training, slants each image by random factors, to either side alike.",
    .keys = join_keys({floats_key("x_factor", spec::Node::real(0)), floats_key("y_factor", spec::Node::real(0))}, warp_keys("reflect")),
    .check = check_random_shear,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const Shape shape = per_map(image.x);
      const Var side = select(greater(draw(context, shape, 0, 1), 0.5), -1.0, full(context.graph(), {DType::kFloat32, {}}, 1));
      const Var y = draw(context, shape, factor_range(context.config(), "y_factor", kShear)) * side;
      const Var x = draw(context, shape, factor_range(context.config(), "x_factor", kShear)) * side;
      const Var one = ones_like(x);
      return {{warp(context, image, {one, x, {}, y, one, {}}, context.config().text("fill_mode")), {}}};
    },
};

}  // namespace dl
