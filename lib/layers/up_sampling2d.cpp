#include "layers/layer.h"
#include "layers/resize.h"
#include "layers/window.h"

namespace dl {

const LayerDef layer_up_sampling2d = {
    .class_name = "UpSampling2D",
    .summary = "Enlarges an image by whole factors: repeats rows and columns (nearest) or interpolates (bilinear).",
    .keys = {tuple_key("size", 2, spec::Node::integer(2)), data_format_key(),
             choice_key("interpolation", {"nearest", "bilinear"}, "nearest")},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const bool channels_first = context.config().text("data_format") == "channels_first";
      require_rank(inputs[0].value, 2, "UpSampling2D", channels_first);
      const std::vector<int64_t> size = context.config().integers("size");
      const auto enlarge = context.config().text("interpolation") == "nearest" ? repeat_elements : enlarge_linear;
      const int64_t axis = channels_first ? 2 : 1;
      return {{enlarge(enlarge(inputs[0].value, axis, size[0]), axis + 1, size[1]), {}}};
    },
};

}  // namespace dl
