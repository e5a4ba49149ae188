#include "layers/mixing.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_mix_up = {
    .class_name = "MixUp",
    .summary = "In training, a weighted mean of each image and another of the batch; weights are Beta(alpha, alpha).",
    .keys = {{.name = "alpha", .kind = KeyKind::kFloat, .fallback = spec::Node::real(0.2), .min = 1e-6, .max = 1e6},
             seed_key(),
             data_format_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      Var x = read_image(context, inputs[0].value).x;
      if (!context.training()) return {{x, {}}};
      x = context.to_compute(x);
      const Var alpha = scalar(context.graph(), DType::kFloat32, context.config().real("alpha"));
      const Var weight = cast(draw_beta(context, x, alpha), x.dtype());
      return {{weight * x + (1.0 - weight) * shuffle_images(context, x), {}}};
    },
};

}  // namespace dl
