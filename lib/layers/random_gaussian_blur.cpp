#include "layers/color.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

void check_random_gaussian_blur(Layer& layer, spec::Reader& reader) {
  for (const char* key : {"factor", "sigma"}) check_factor(layer, reader, key, kShare);
  check_value_range(layer, reader);
  for (const int64_t size : layer.config.integers("kernel_size"))
    if (size % 2 == 0) return reader.report("kernel_size", "must be odd");
}

// [size], of sum 1.
Var gaussian_bell(LayerContext& context, int64_t size, Var sigma) {
  const Var x = iota(context.graph(), DType::kFloat32, {Dim(size)}, 0) - static_cast<double>(size - 1) / 2;
  const Var e = exp(-0.5 * square(x / sigma));
  return e / reduce_sum(e);
}

Var blur_image(LayerContext& context, const Image& image) {
  const std::pair<double, double> sigma = factor_range(context.config(), "sigma", kShare);
  const std::vector<int64_t> size = context.config().integers("kernel_size");
  const auto drawn = [&](int64_t cells) { return gaussian_bell(context, cells, draw(context, {}, sigma) + 1e-6); };
  const Var first = drawn(size[0]), second = drawn(size[1]);
  const Dim channels = image.x.dim(image.channel_axis);
  // Keras multiplies them the other way round and then takes the numbers for a kernel of size[0] rows.
  const Var cells = reshape(expand_dims(second, 1) * expand_dims(first, 0), {Dim(size[0]), Dim(size[1]), Dim(1), Dim(1)});
  const Var kernel = broadcast_to(cells, {Dim(size[0]), Dim(size[1]), Dim(1), channels});
  Window window{.strides = {1, 1},
                .dilations = {1, 1},
                .pads_begin = {size[0] / 2, size[1] / 2},
                .pads_end = {size[0] / 2, size[1] / 2},
                .channels_first = image.channels_first};
  return conv(image.x, cast(kernel, image.x.dtype()), window, channels.value());
}

}  // namespace

const LayerDef layer_random_gaussian_blur = {
    .class_name = "RandomGaussianBlur",
    .summary = "In training, blurs a share `factor` of the images, all by the same random amount.",
    .keys = join_keys(color_keys(spec::Node::real(1)),
                      {tuple_key("kernel_size", 2, spec::Node::integer(3)), floats_key("sigma", spec::Node::real(1))}),
    .check = check_random_gaussian_blur,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const Var chosen = draw_chosen(context, image.x, factor_range(context.config(), "factor", kShare));
      return {{clip_to(select(chosen, blur_image(context, image), image.x), value_range(context.config())), {}}};
    },
};

}  // namespace dl
