#include <algorithm>

#include "layers/image.h"
#include "layers/interpolation.h"
#include "ops/builders.h"

namespace dl {
namespace {

// `size` elements along the axis from a random place on.
Var take_somewhere(LayerContext& context, Var x, int64_t axis, int64_t size) {
  const int64_t places = x.dim(axis).value() - size + 1;
  const Var start = minimum(floor(draw(context, {}, 0, static_cast<double>(places))), static_cast<double>(places - 1));
  return gather(x, iota(context.graph(), DType::kInt32, {Dim(size)}, 0) + cast(start, DType::kInt32), axis);
}

// An image no larger than the part: from where a centred part of its ratio would begin.
Var take_centre(const Image& image, int64_t height, int64_t width) {
  const int64_t h = image.height(), w = image.width();
  const int64_t top = (h - std::max<int64_t>(std::min(h, w * height / width), 1)) / 2;
  const int64_t left = (w - std::max<int64_t>(std::min(w, h * width / height), 1)) / 2;
  const Var part = crop(image, top, left, std::min(height, h - top), std::min(width, w - left));
  return resize_image(part, image.height_axis, height, width, "bilinear", false);
}

}  // namespace

const LayerDef layer_random_crop = {
    .class_name = "RandomCrop",
    .summary = "In training, a part of the images at a random place, the same for the whole batch.",
    .keys = {int_key("height", 1), int_key("width", 1), seed_key(), data_format_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      Image image = read_image(context, inputs[0].value);
      if (!context.training()) return {{image.x, {}}};
      image.x = context.to_compute(image.x);
      const int64_t height = context.config().integer("height"), width = context.config().integer("width");
      if (image.height() <= height || image.width() <= width) return {{take_centre(image, height, width), {}}};
      const Var rows = take_somewhere(context, image.x, image.height_axis, height);
      return {{take_somewhere(context, rows, image.width_axis, width), {}}};
    },
};

}  // namespace dl
