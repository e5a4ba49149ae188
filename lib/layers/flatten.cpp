#include <numeric>

#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_flatten = {
    .class_name = "Flatten",
    .summary = "Every axis but the batch into one, channels last.",
    .keys = {data_format_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      Var x = inputs[0].value;
      if (context.config().text("data_format") == "channels_first" && x.rank() > 2) {
        std::vector<int64_t> perm(static_cast<size_t>(x.rank()));
        std::iota(perm.begin(), perm.end(), 1);
        perm.front() = 0;
        perm.back() = 1;
        for (size_t i = 1; i + 1 < perm.size(); ++i) perm[i] = static_cast<int64_t>(i) + 1;
        x = transpose(x, perm);
      }
      Dim size(1);
      for (int64_t axis = 1; axis < x.rank(); ++axis) size = size * x.dim(axis);
      return {{reshape(x, {x.dim(0), size}), {}}};
    },
};

}  // namespace dl
