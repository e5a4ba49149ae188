#include <algorithm>

#include "base/error.h"
#include "layers/categories.h"
#include "ops/builders.h"

namespace dl {
namespace {

void check_discretization(Layer& layer, spec::Reader& reader) {
  if (!layer.config.given("bin_boundaries")) {
    if (!layer.config.given("num_bins"))
      reader.report("bin_boundaries", "is missing: the ascending borders between bins, or num_bins to compute them from the training data");
    return;
  }
  const std::vector<double> borders = layer.config.reals("bin_boundaries");
  if (!layer.config.node("bin_boundaries").is_list() || !std::is_sorted(borders.begin(), borders.end()))
    reader.report("bin_boundaries", "must be a list of ascending numbers");
}

std::vector<MaskedVar> build_discretization(LayerContext& context, std::span<const MaskedVar> inputs) {
  if (!context.config().given("bin_boundaries"))
    throw UserError("has no bins yet: training computes them from its data (dltool train); or give bin_boundaries");
  const std::vector<double> borders = context.config().reals("bin_boundaries");
  const Var x = cast(inputs[0].value, DType::kFloat32);
  Tensor values(DType::kFloat32, {static_cast<int64_t>(borders.size())});
  for (size_t i = 0; i < borders.size(); ++i) values.set(static_cast<int64_t>(i), borders[i]);
  const Var bin = count_not_above(x, values);
  const std::string& mode = context.config().text("output_mode");
  if (mode == "int") return {{bin, {}}};
  return {{encode_categories(bin, mode, values.size() + 1, context.compute_dtype()), {}}};
}

}  // namespace

const LayerDef layer_discretization = {
    .class_name = "Discretization",
    .summary = "The number of the bin that each number falls into, or that as one-hot, multi-hot or counts.",
    .autocast = false,
    .keys = {floats_key("bin_boundaries"),
             {.name = "num_bins", .kind = KeyKind::kInt, .min = 1, .max = 1e9},
             float_key("epsilon", 0.01, 1e-6, 1),
             choice_key("output_mode", {"int", "one_hot", "multi_hot", "count"}, "int"),
             unsupported_key("sparse", spec::Node::boolean(false))},
    .check = check_discretization,
    .build = build_discretization,
};

}  // namespace dl
