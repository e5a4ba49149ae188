#include "layers/warp.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr FactorRule kTranslation{FactorKind::kSymmetric, -1, 1};

}  // namespace

const LayerDef layer_random_translation = {
    .class_name = "RandomTranslation",
    .summary = "In training, moves each image by random shares of its height and width.",
    .keys = join_keys({floats_key("height_factor", {}, true), floats_key("width_factor", {}, true)}, warp_keys("reflect")),
    .check =
        [](Layer& layer, spec::Reader& reader) {
          check_factor(layer, reader, "height_factor", kTranslation);
          check_factor(layer, reader, "width_factor", kTranslation);
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const Shape shape = per_map(image.x);
      const auto shift = [&](const char* key, int64_t size) {
        return draw(context, shape, factor_range(context.config(), key, kTranslation)) * static_cast<double>(-size);
      };
      const Var down = shift("height_factor", image.height()), right = shift("width_factor", image.width());
      const Var one = ones_like(down);
      return {{warp(context, image, {one, {}, right, {}, one, down}, context.config().text("fill_mode")), {}}};
    },
};

}  // namespace dl
