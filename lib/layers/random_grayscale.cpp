#include "layers/color.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_random_grayscale = {
    .class_name = "RandomGrayscale",
    .summary = "In training, turns a share `factor` of the images grey.",
    .keys = {float_key("factor", 0.5, 0, 1), seed_key(), data_format_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      Image image = read_image(context, inputs[0].value);
      if (!context.training()) return {{image.x, {}}};
      image.x = context.to_compute(image.x);
      const Var chosen = less(draw(context, per_image(image.x), 0, 1), context.config().real("factor"));
      return {{select(chosen, to_gray(image), image.x), {}}};
    },
};

}  // namespace dl
