#include <cmath>

#include "layers/color.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr FactorRule kPosterBits{FactorKind::kImage, 1, 8};
constexpr std::pair<double, double> kPosterBytes{0, 255};

// The upper `bits` of each byte, a number drawn from [low, high) for each image.
Var posterize(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  const double low = std::floor(factor.first), high = std::floor(factor.second);
  const double last = std::max(high - 1, low);
  const Var bits = clip(floor(draw(context, per_image(image.x), low, high)), low, last);
  Tensor steps(DType::kFloat32, {9});
  for (int64_t i = 0; i < 9; ++i) steps.set(i, std::ldexp(1.0, static_cast<int>(8 - i)));
  const Var step = gather(constant(context.graph(), steps), cast(bits, DType::kInt32), 0);
  const std::pair<double, double> range = value_range(context.config());
  const Var bytes = floor(clip(cast(change_range(image.x, range, kPosterBytes), DType::kFloat32), 0, 255));
  return cast(change_range(floor(bytes / step) * step, kPosterBytes, range), image.x.dtype());
}

}  // namespace

const LayerDef layer_random_posterization = {
    .class_name = "RandomPosterization",
    .summary = "In training, leaves as many bits of each value as `factor` says, 1 to 8.",
    .keys = color_keys(),
    .check = check_color<kPosterBits>,
    .build = build_color<kPosterBits, posterize>,
};

}  // namespace dl
