#include <numbers>

#include "layers/warp.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr FactorRule kTurns{FactorKind::kImage, -1, 1};

}  // namespace

const LayerDef layer_random_rotation = {
    .class_name = "RandomRotation",
    .summary = "In training, turns each image about its centre by a random share of a full turn.",
    .keys = join_keys({floats_key("factor", {}, true)}, warp_keys("reflect")),
    .check = [](Layer& layer, spec::Reader& reader) { check_factor(layer, reader, "factor", kTurns); },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const std::pair<double, double> turns = factor_range(context.config(), "factor", kTurns);
      const Var degrees = draw(context, per_map(image.x), turns.first * 360, turns.second * 360);
      const Var angle = degrees * (std::numbers::pi / 180);
      const Var c = cos(angle), s = sin(angle);
      const double x = 0.5 * static_cast<double>(image.width() - 1), y = 0.5 * static_cast<double>(image.height() - 1);
      const Projection turn{c, -s, x - x * c + y * s, s, c, y - x * s - y * c};
      return {{warp(context, image, turn, context.config().text("fill_mode")), {}}};
    },
};

}  // namespace dl
