#include "layers/augment.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_rand_augment = {
    .class_name = "RandAugment",
    .summary = "In training, applies num_ops augmentations to each batch, drawn from eleven.",
    .keys = {value_range_key(), int_key("num_ops", spec::Node::integer(2), 1), floats_key("factor", spec::Node::real(0.5)),
             choice_key("interpolation", {"bilinear", "nearest"}, "bilinear"), seed_key(), data_format_key()},
    .check = make_augmentations,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      Var x = read_image(context, context.to_compute(inputs[0].value)).x;
      if (!context.training()) return {{x, {}}};
      const std::span<const std::string_view> names = augmentation_names();
      const int64_t count = context.config().integer("num_ops");
      std::vector<Var> drawn;
      for (int64_t i = 0; i < count; ++i) drawn.push_back(floor(draw(context, {}, 0, static_cast<double>(names.size()))));
      for (const Var& choice : drawn)
        for (size_t k = 0; k < names.size(); ++k)
          x = select(equal(choice, static_cast<double>(k)), augment(context, names[k], std::string(names[k]), x), x);
      return {{x, {}}};
    },
};

}  // namespace dl
