#include <fmt/format.h>

#include "base/error.h"
#include "layers/categories.h"
#include "ops/builders.h"
#include "ops/hash.h"

namespace dl {
namespace {

std::vector<MaskedVar> build_hashed_crossing(LayerContext& context, std::span<const MaskedVar> inputs) {
  const int64_t bins = context.config().integer("num_bins");
  std::vector<Var> values;
  for (const MaskedVar& input : inputs) {
    const Var x = input.value;
    if (!is_integer(x.dtype()))
      throw UserError(fmt::format("takes integers, got {}; give the inputs of the model dtype: int64", name_of(x.dtype())));
    if (x.rank() > 2 || (x.rank() == 2 && x.dim(1) != Dim(1)))
      throw UserError(fmt::format("takes [batch] or [batch, 1], got {}", to_string(x.shape())));
    if (x.shape() != inputs[0].value.shape())
      throw UserError(fmt::format("its inputs need one shape, got {} and {}", to_string(inputs[0].value.shape()), to_string(x.shape())));
    values.push_back(cast(x, DType::kInt64));
  }
  const Var bin = hash_crossing(values, bins);
  const std::string& mode = context.config().text("output_mode");
  return {{mode == "int" ? bin : encode_categories(bin, mode, bins, context.variable_dtype()), {}}};
}

}  // namespace

const LayerDef layer_hashed_crossing = {
    .class_name = "HashedCrossing",
    .summary = "A bin for each combination of the integers of two or more inputs, or that as one-hot.",
    .min_inputs = 2,
    .max_inputs = -1,
    .autocast = false,
    .keys = {int_key("num_bins", 1), choice_key("output_mode", {"int", "one_hot"}, "int"),
             unsupported_key("sparse", spec::Node::boolean(false))},
    .build = build_hashed_crossing,
};

}  // namespace dl
