#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

constexpr double kMasked = -1e9;

void check_softmax(Layer& layer, spec::Reader& reader) {
  const spec::Node axis = layer.config.node("axis");
  const auto is_int = [](const spec::Node& node) { return node.kind() == spec::Kind::kInt; };
  if (is_int(axis)) return;
  if (!axis.is_list() || axis.items().empty() || !std::all_of(axis.items().begin(), axis.items().end(), is_int))
    reader.report("axis", "must be an integer or a list of integers");
}

// The mask that Keras would use: a second input, else the one that came with x; bool, of x's shape.
Var mask_of(std::span<const MaskedVar> inputs) {
  const Var x = inputs[0].value;
  Var mask = inputs[0].mask;
  if (inputs.size() > 1) {
    mask = inputs[1].value;
    if (mask.dtype() != DType::kBool) mask = greater(mask, 0.5);
  }
  if (!mask.valid()) return {};
  bool fits = mask.rank() <= x.rank();
  for (int64_t i = 1; fits && i <= mask.rank(); ++i) fits = mask.dim(-i) == Dim(1) || mask.dim(-i) == x.dim(-i);
  if (!fits) throw UserError(fmt::format("the mask {} must broadcast to the input {}", to_string(mask.shape()), to_string(x.shape())));
  return mask;
}

Var softmax_over(Var x, const spec::Node& axis) {
  if (!axis.is_list()) return softmax(x, axis.as_int());
  std::vector<int64_t> axes;
  for (const spec::Node& item : axis.items()) axes.push_back(item.as_int());
  if (axes.size() == 1) return softmax(x, axes[0]);
  axes = normalize_axes(axes, x.rank(), "Softmax");
  const Var e = exp(x - stop_gradient(reduce_max(x, axes, true)));
  return e / reduce_sum(e, axes, true);
}

}  // namespace

const LayerDef layer_softmax = {
    .class_name = "Softmax",
    .summary = "Exponentials that sum to 1 along the axis (or axes). A second input is a mask: what it does not keep gets 0.",
    .max_inputs = 2,
    .masking = Masking::kPass,
    .keys = {any_key("axis", spec::Node::integer(-1))},
    .check = check_softmax,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value, mask = mask_of(inputs);
      const Var y = softmax_over(mask.valid() ? select(mask, x, kMasked) : x, context.config().node("axis"));
      return {{mask.valid() ? select(mask, y, 0.0) : y, {}}};
    },
};

}  // namespace dl
