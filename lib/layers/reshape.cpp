#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_reshape = {
    .class_name = "Reshape",
    .summary = "The same elements in another shape (without the batch); one size may be -1.",
    .keys = {ints_key("target_shape", {}, true)},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          int unknown = 0;
          for (int64_t size : layer.config.integers("target_shape")) {
            unknown += size == -1;
            if (size == 0 || size < -1) return reader.report("target_shape", "must hold positive integers, one of which may be -1");
          }
          if (unknown > 1) reader.report("target_shape", "must hold -1 at most once");
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      Shape shape = {x.dim(0)};
      for (int64_t size : context.config().integers("target_shape")) shape.push_back(Dim(size));
      return {{reshape(x, shape), {}}};
    },
};

}  // namespace dl
