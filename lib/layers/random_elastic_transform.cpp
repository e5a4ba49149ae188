#include <algorithm>
#include <cmath>
#include <numbers>

#include "layers/color.h"
#include "layers/warp.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// [size, 1, 1, 1] or [1, size, 1, 1]: a bell as wide as `sigma`, cut where a kernel of 6 * floor(sigma) + 1 cells ends.
Var cut_bell(Graph& graph, int64_t size, Var sigma, int64_t axis) {
  Shape shape(4, Dim(1));
  shape[static_cast<size_t>(axis)] = Dim(size);
  const Var x = iota(graph, DType::kFloat32, shape, axis) - static_cast<double>(size / 2);
  const Var e = select(less_equal(abs(x), 3.0 * floor(sigma)), exp(-0.5 * square(x / maximum(sigma, 1e-6))), 0.0);
  return e / reduce_sum(e);
}

// How far each pixel is moved, [batch, height, width] in multiples of alpha: noise that is blurred.
Var draw_displacement(LayerContext& context, const Image& image, Var sigma, double largest_sigma) {
  const Dim batch = image.x.dim(0), height(image.height()), width(image.width());
  const Shape shape = {batch, height, width, Dim(1)};
  const Var radius = sqrt(-2.0 * log(1.0 - draw(context, shape, 0, 1)));
  const Var noise = radius * cos(draw(context, shape, 0, 2 * std::numbers::pi)) * sigma;
  const int64_t half = 3 * static_cast<int64_t>(largest_sigma), size = 2 * half + 1;
  const auto blur = [&](Var x, int64_t axis) {
    const Window window{.strides = {1, 1},
                        .dilations = {1, 1},
                        .pads_begin = {axis == 0 ? half : 0, axis == 1 ? half : 0},
                        .pads_end = {axis == 0 ? half : 0, axis == 1 ? half : 0},
                        .channels_first = false};
    return conv(x, cut_bell(context.graph(), size, sigma, axis), window, 1);
  };
  return reshape(half > 0 ? blur(blur(noise, 0), 1) : noise, {batch, height, width});
}

}  // namespace

const LayerDef layer_random_elastic_transform = {
    .class_name = "RandomElasticTransform",
    .summary = "In training, distorts a share `factor` of the images like a rubber sheet.",
    .keys = {floats_key("factor", spec::Node::real(1)), floats_key("scale", spec::Node::real(1)),
             choice_key("interpolation", {"bilinear", "nearest"}, "bilinear"),
             choice_key("fill_mode", {"reflect", "wrap", "constant", "nearest", "mirror"}, "reflect"),
             float_key("fill_value", 0, -std::numeric_limits<double>::infinity()), value_range_key(), seed_key(), data_format_key()},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          for (const char* key : {"factor", "scale"}) check_factor(layer, reader, key, kShare);
          check_value_range(layer, reader);
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      const Config& config = context.config();
      const auto factor = factor_range(config, "factor", kShare), scale = factor_range(config, "scale", kShare);
      if (!context.training() || factor.second == 0 || scale.second == 0) return {{image.x, {}}};
      const Var chosen = draw_chosen(context, image.x, factor);
      const Var strength = draw(context, {}, scale);
      const auto height = static_cast<double>(image.height()), width = static_cast<double>(image.width());
      const double largest = std::min(height, width) * 0.05 * scale.second;
      const Var sigma = std::min(height, width) * 0.05 * strength, alpha = std::max(height, width) * 0.1 * strength;
      // Keras draws both directions from one seed, so a pixel moves as far down as to the right.
      const Var shift = alpha * draw_displacement(context, image, sigma, largest);
      const Var moved = move_pixels(context, image, shift, shift);
      const std::vector<double> range = config.reals("value_range");
      return {{clip(select(chosen, moved, image.x), range[0], range[1]), {}}};
    },
};

}  // namespace dl
