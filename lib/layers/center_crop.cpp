#include "layers/image.h"

namespace dl {

const LayerDef layer_center_crop = {
    .class_name = "CenterCrop",
    .summary = "The centre of an image; a smaller image is cropped to the ratio of sides and enlarged.",
    .keys = {int_key("height", 1), int_key("width", 1), data_format_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      const int64_t height = context.config().integer("height"), width = context.config().integer("width");
      const int64_t rows = image.height() - height, columns = image.width() - width;
      if (rows < 0 || columns < 0) return {{crop_and_resize(image, height, width, "bilinear", false), {}}};
      return {{crop(image, rows / 2, columns / 2, height, width), {}}};
    },
};

}  // namespace dl
