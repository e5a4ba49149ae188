#include <algorithm>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_permute = {
    .class_name = "Permute",
    .summary = "Reorders the axes after the batch; they count from 1.",
    .keys = {ints_key("dims", {}, true)},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          std::vector<int64_t> dims = layer.config.integers("dims");
          std::sort(dims.begin(), dims.end());
          for (size_t i = 0; i < dims.size(); ++i)
            if (dims[i] != static_cast<int64_t>(i) + 1) return reader.report("dims", "must hold each of 1, 2, ... once, such as [2, 1]");
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      std::vector<int64_t> perm = context.config().integers("dims");
      perm.insert(perm.begin(), 0);
      const Var x = inputs[0].value;
      if (static_cast<int64_t>(perm.size()) != x.rank())
        throw UserError("dims has " + std::to_string(perm.size() - 1) + " axes, the input " + to_string(x.shape()) + " has " +
                        std::to_string(x.rank() - 1));
      return {{transpose(x, perm), {}}};
    },
};

}  // namespace dl
