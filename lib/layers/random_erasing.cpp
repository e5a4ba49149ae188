#include "base/error.h"
#include "layers/mixing.h"
#include "layers/noise.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr FactorRule kErasedShare = kShare;

void check_random_erasing(Layer& layer, spec::Reader& reader) {
  check_factor(layer, reader, "factor", kShare);
  check_factor(layer, reader, "scale", kErasedShare);
  check_value_range(layer, reader);
  const spec::Node& fill = layer.config.node("fill_value");
  if (fill.is_list() && fill.items().size() != 3) reader.report("fill_value", "must be a number, a list of three numbers, or null (noise)");
}

Var erasing_fill(LayerContext& context, const Image& image) {
  const Config& config = context.config();
  const std::vector<double> range = config.reals("value_range");
  Var fill;
  if (!config.given("fill_value")) {
    fill = random_normal(context, image.x.shape()) * range[1];
  } else if (config.node("fill_value").is_number()) {
    fill = scalar(context.graph(), DType::kFloat32, config.real("fill_value"));
  } else {
    if (image.x.dim(3) != Dim(3)) throw UserError("a fill_value of three numbers needs three channels, last");
    Tensor colors(DType::kFloat32, {3});
    for (int64_t i = 0; i < 3; ++i) colors.set(i, config.reals("fill_value")[static_cast<size_t>(i)]);
    fill = constant(context.graph(), colors);
  }
  return cast(clip(fill, range[0], range[1]), image.x.dtype());
}

}  // namespace

const LayerDef layer_random_erasing = {
    .class_name = "RandomErasing",
    .summary = "In training, fills a random rectangle of a share `factor` of the images with noise or a value.",
    .keys = {floats_key("factor", spec::Node::real(1)),
             floats_key("scale", spec::Node::list({spec::Node::real(0.02), spec::Node::real(0.33)})), floats_key("fill_value"),
             value_range_key(), seed_key(), data_format_key()},
    .check = check_random_erasing,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const std::pair<double, double> scale = factor_range(context.config(), "scale", kErasedShare);
      const auto side = [&] { return sqrt(draw(context, per_image(image.x), scale)); };
      const Var width = side(), box = draw_box(context, image, width, side());
      const Var chosen = draw_chosen(context, image.x, factor_range(context.config(), "factor", kShare));
      return {{select(logical_and(chosen, box), erasing_fill(context, image), image.x), {}}};
    },
};

}  // namespace dl
