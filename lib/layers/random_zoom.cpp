#include "layers/warp.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr FactorRule kZoom{FactorKind::kSymmetric, -1, 1, true};

}  // namespace

const LayerDef layer_random_zoom = {
    .class_name = "RandomZoom",
    .summary = "In training, shrinks (above 0) or enlarges (below 0) each image by a random factor; without width_factor, both axes alike.",
    .keys = join_keys({floats_key("height_factor", {}, true), floats_key("width_factor")}, warp_keys("reflect")),
    .check =
        [](Layer& layer, spec::Reader& reader) {
          check_factor(layer, reader, "height_factor", kZoom);
          check_factor(layer, reader, "width_factor", kZoom);
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const Config& config = context.config();
      const auto zoom = [&](const char* key) {
        const std::pair<double, double> range = factor_range(config, key, kZoom);
        return draw(context, per_map(image.x), 1 + range.first, 1 + range.second);
      };
      const Var height = zoom("height_factor"), width = config.given("width_factor") ? zoom("width_factor") : height;
      const auto offset = [](Var factor, int64_t size) { return (1.0 - factor) * (static_cast<double>(size - 1) / 2); };
      const Projection map{width, {}, offset(width, image.width()), {}, height, offset(height, image.height())};
      return {{warp(context, image, map, config.text("fill_mode")), {}}};
    },
};

}  // namespace dl
