#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_dropout = {
    .class_name = "Dropout",
    .summary = "In training, zeroes a share `rate` of the elements and scales the others by 1 / (1 - rate).",
    .masking = Masking::kPass,
    .keys = {{.name = "rate", .kind = KeyKind::kFloat, .required = true, .min = 0, .max = 1}, any_key("noise_shape"), seed_key()},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          const spec::Node& shape = layer.config.node("noise_shape");
          if (shape.is_null()) return;
          bool fits = shape.is_list();
          for (const spec::Node& size : fits ? shape.items() : std::vector<spec::Node>())
            fits &= size.is_null() || (size.kind() == spec::Kind::kInt && size.as_int() > 0);
          if (!fits) reader.report("noise_shape", "must be a list of positive integers or null (the input's size)");
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      const double rate = context.config().real("rate");
      if (!context.training() || rate == 0) return {{x, {}}};
      if (rate == 1) return {{zeros_like(x), {}}};
      Shape shape = x.shape();
      if (context.config().given("noise_shape")) {
        const std::vector<spec::Node>& sizes = context.config().node("noise_shape").items();
        if (sizes.size() != shape.size())
          throw UserError("noise_shape has " + std::to_string(sizes.size()) + " sizes, the input " + to_string(shape) + " another rank");
        for (size_t i = 0; i < sizes.size(); ++i)
          if (!sizes[i].is_null()) shape[i] = Dim(sizes[i].as_int());
      }
      const Var keep = greater_equal(context.random_uniform(shape, context.config().node("seed")), rate);
      return {{select(keep, x * (1 / (1 - rate)), 0.0), {}}};
    },
};

}  // namespace dl
