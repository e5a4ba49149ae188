#include <fmt/format.h>

#include "base/error.h"
#include "layers/categories.h"
#include "ops/builders.h"

namespace dl {
namespace {

std::vector<MaskedVar> build_category_encoding(LayerContext& context, std::span<const MaskedVar> inputs) {
  const std::string& mode = context.config().text("output_mode");
  const Var indices = to_indices(inputs[0].value);
  Var weights;
  if (inputs.size() > 1) {
    if (mode != "count") throw UserError("a second input, weights of the counts, needs output_mode 'count'");
    weights = cast(inputs[1].value, context.variable_dtype());
    if (weights.shape() != indices.shape())
      throw UserError(fmt::format("weights {} need the shape of the integers {}", to_string(weights.shape()), to_string(indices.shape())));
  }
  return {{encode_categories(indices, mode == "binary" ? "multi_hot" : mode, context.config().integer("num_tokens"),
                             context.variable_dtype(), weights),
           {}}};
}

}  // namespace

const LayerDef layer_category_encoding = {
    .class_name = "CategoryEncoding",
    .summary = "Integers 0 .. num_tokens - 1 as one-hot, multi-hot or counts; a second input weighs the counts.",
    .max_inputs = 2,
    .keys = {int_key("num_tokens", 1), choice_key("output_mode", {"multi_hot", "one_hot", "count", "binary"}, "multi_hot"),
             unsupported_key("sparse", spec::Node::boolean(false))},
    .build = build_category_encoding,
};

}  // namespace dl
