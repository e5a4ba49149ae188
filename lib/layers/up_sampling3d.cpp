#include "layers/layer.h"
#include "layers/resize.h"
#include "layers/window.h"

namespace dl {

const LayerDef layer_up_sampling3d = {
    .class_name = "UpSampling3D",
    .summary = "Repeats the slices, rows and columns of a volume.",
    .keys = {tuple_key("size", 3, spec::Node::integer(2)), data_format_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const bool channels_first = context.config().text("data_format") == "channels_first";
      Var y = inputs[0].value;
      require_rank(y, 3, "UpSampling3D", channels_first);
      const std::vector<int64_t> size = context.config().integers("size");
      for (size_t i = 0; i < size.size(); ++i) y = repeat_elements(y, static_cast<int64_t>(i) + (channels_first ? 2 : 1), size[i]);
      return {{y, {}}};
    },
};

}  // namespace dl
