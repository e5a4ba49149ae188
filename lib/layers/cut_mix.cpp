#include "layers/mixing.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_cut_mix = {
    .class_name = "CutMix",
    .summary = "In training, replaces a rectangle of each image by that of another of the batch.",
    .keys = {floats_key("factor", spec::Node::real(1)), seed_key(), data_format_key()},
    .check = [](Layer& layer, spec::Reader& reader) { check_factor(layer, reader, "factor", kShare); },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const Var alpha = draw(context, {}, factor_range(context.config(), "factor", kShare)) + 1e-6;
      const Var side = sqrt(1.0 - draw_beta(context, image.x, alpha));
      return {{select(draw_box(context, image, side, side), shuffle_images(context, image.x), image.x), {}}};
    },
};

}  // namespace dl
