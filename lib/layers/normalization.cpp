#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "layers/array_node.h"
#include "layers/initializers.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr double kNormalizationEpsilon = 1e-7;

bool numbers_of(const spec::Node& value) {
  const std::optional<Tensor> array = array_of(value);
  return array && array->dtype() != DType::kBool;
}

void check_normalization(Layer& layer, spec::Reader& reader) {
  // null, when written, means one mean for everything; the default is the last axis.
  const spec::Node* written = reader.node().find("axis");
  const spec::Node axis = layer.config.node("axis");
  const bool is_int = axis.kind() == spec::Kind::kInt;
  if (written && written->is_null()) {
    layer.config.set("axis", spec::Node::list({}));
  } else if (is_int) {
    layer.config.set("axis", spec::Node::list({axis}));
  } else if (!axis.is_list() ||
             !std::all_of(axis.items().begin(), axis.items().end(), [](const spec::Node& n) { return n.kind() == spec::Kind::kInt; })) {
    reader.report("axis", "must be an integer, a list of integers, or null for one mean over everything");
    layer.config.set("axis", spec::Node::list({}));
  }
  if (layer.config.given("mean") != layer.config.given("variance"))
    reader.report("mean", "and variance must be given together, or neither");
  for (const char* key : {"mean", "variance"})
    if (const spec::Node& value = layer.config.node(key); !value.is_null() && !numbers_of(value))
      reader.report(key, "must be a number, or lists of numbers as nested as there are axes");
}

// A weight filled from the data, or the numbers of the config, in a shape that broadcasts against x.
Var statistic(LayerContext& context, const char* name, double initial, const Shape& kept, const Shape& broadcast) {
  const DType dtype = context.variable_dtype();
  if (!context.config().given(name)) {
    WeightSpec spec{name, kept, named_initializer(initial == 0 ? "Zeros" : "Ones")};
    spec.trainable = false;
    return reshape(context.add_weight(std::move(spec)), broadcast);
  }
  Dims dims;
  for (const Dim& size : kept) dims.push_back(size.value());
  const std::optional<std::vector<double>> values = broadcast_numbers(context.config().node(name), dims);
  if (!values) throw UserError(fmt::format("{} does not fit the sizes of its axes, {}", name, to_string(kept)));
  const int64_t count = static_cast<int64_t>(values->size());
  Tensor t(dtype, {count});
  for (int64_t i = 0; i < count; ++i) t.set(i, (*values)[static_cast<size_t>(i)]);
  return reshape(context.to_compute(constant(context.graph(), t)), broadcast);
}

}  // namespace

const LayerDef layer_normalization = {
    .class_name = "Normalization",
    .summary = "(x - mean) / standard deviation, taken from the training data or given.",
    .masking = Masking::kPass,
    .keys = {any_key("axis", spec::Node::integer(-1)), any_key("mean"), any_key("variance"), bool_key("invert", false)},
    .check = check_normalization,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = context.to_compute(inputs[0].value);
      const std::vector<int64_t> axes = normalize_axes(context.config().integers("axis"), x.rank(), "Normalization");
      Shape kept, broadcast(static_cast<size_t>(x.rank()), Dim(1));
      for (int64_t axis : axes) {
        if (!x.dim(axis).known())
          throw UserError("axis " + std::to_string(axis) + " of " + to_string(x.shape()) +
                          " keeps its own statistics and needs a known size");
        kept.push_back(x.dim(axis));
        broadcast[static_cast<size_t>(axis)] = x.dim(axis);
      }
      const Var mean = statistic(context, "mean", 0, kept, broadcast);
      const Var deviation = maximum(sqrt(statistic(context, "variance", 1, kept, broadcast)), kNormalizationEpsilon);
      return {{context.config().flag("invert") ? mean + x * deviation : (x - mean) / deviation, {}}};
    },
    .adapts = true,
};

}  // namespace dl
