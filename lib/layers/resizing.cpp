#include <algorithm>
#include <limits>

#include "layers/image.h"
#include "layers/interpolation.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Borders of the fill value that bring the image to the ratio height : width; both sides equal, so that one pixel may be missing.
Image pad_to_ratio(Image image, int64_t height, int64_t width, double value) {
  const int64_t h = image.height(), w = image.width();
  std::vector<int64_t> borders(4, 0);
  borders[static_cast<size_t>(image.height_axis)] = (std::max(h, w * height / width) - h) / 2;
  borders[static_cast<size_t>(image.width_axis)] = (std::max(w, h * width / height) - w) / 2;
  image.x = pad(image.x, borders, borders, value);
  return image;
}

void check_resizing(Layer& layer, spec::Reader& reader) {
  const Config& config = layer.config;
  if (config.flag("crop_to_aspect_ratio") && config.flag("pad_to_aspect_ratio"))
    reader.report("pad_to_aspect_ratio", "and crop_to_aspect_ratio cannot both be true");
}

}  // namespace

const LayerDef layer_resizing = {
    .class_name = "Resizing",
    .summary = "Resizes images to height x width, with or without their ratio of sides.",
    .keys = {int_key("height", 1), int_key("width", 1), choice_key("interpolation", interpolation_names(), "bilinear"),
             bool_key("crop_to_aspect_ratio", false), bool_key("pad_to_aspect_ratio", false),
             choice_key("fill_mode", {"constant"}, "constant"), float_key("fill_value", 0, -std::numeric_limits<double>::infinity()),
             bool_key("antialias", false), data_format_key()},
    .check = check_resizing,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Config& config = context.config();
      Image image = read_image(context, inputs[0].value);
      const int64_t height = config.integer("height"), width = config.integer("width");
      const std::string& interpolation = config.text("interpolation");
      const bool antialias = config.flag("antialias");
      if (config.flag("crop_to_aspect_ratio")) return {{crop_and_resize(image, height, width, interpolation, antialias), {}}};
      if (config.flag("pad_to_aspect_ratio")) image = pad_to_ratio(image, height, width, config.real("fill_value"));
      return {{resize_image(image.x, image.height_axis, height, width, interpolation, antialias), {}}};
    },
};

}  // namespace dl
