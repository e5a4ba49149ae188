#include "layers/image.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_random_flip = {
    .class_name = "RandomFlip",
    .summary = "In training, mirrors half of the images, horizontally, vertically or both.",
    .keys = {choice_key("mode", {"horizontal_and_vertical", "horizontal", "vertical"}, "horizontal_and_vertical"), seed_key(),
             data_format_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const std::string& mode = context.config().text("mode");
      Var flipped = image.x;
      if (mode != "vertical") flipped = reverse(flipped, image.width_axis);
      if (mode != "horizontal") flipped = reverse(flipped, image.height_axis);
      return {{select(less_equal(draw(context, per_image(image.x), 0, 1), 0.5), flipped, image.x), {}}};
    },
};

}  // namespace dl
