#include "layers/layer.h"
#include "layers/window.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Every element along `axis`, `times` times in a row.
Var repeat(Var x, int64_t axis, int64_t times) {
  if (times == 1) return x;
  Shape spread = x.shape(), shape = x.shape();
  spread.insert(spread.begin() + axis + 1, Dim(times));
  shape[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)] * Dim(times);
  return reshape(broadcast_to(expand_dims(x, axis + 1), spread), shape);
}

}  // namespace

const LayerDef layer_up_sampling2d = {
    .class_name = "UpSampling2D",
    .summary = "Repeats rows and columns of an image.",
    .keys = {tuple_key("size", 2, spec::Node::integer(2)), data_format_key(),
             unsupported_key("interpolation", spec::Node::string("nearest"))},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const bool channels_first = context.config().text("data_format") == "channels_first";
      require_rank(inputs[0].value, 2, "UpSampling2D", channels_first);
      const std::vector<int64_t> size = context.config().integers("size");
      const int64_t axis = channels_first ? 2 : 1;
      return {{repeat(repeat(inputs[0].value, axis, size[0]), axis + 1, size[1]), {}}};
    },
};

}  // namespace dl
