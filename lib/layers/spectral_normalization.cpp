#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr double kSpectralEpsilon = 1e-7;  // Keras's backend.epsilon()

Var to_unit_length(Var x) { return x * minimum(rsqrt(reduce_sum(square(x))), 1 / kSpectralEpsilon); }

// The vector u [1, columns] and the kernel divided by its largest singular value as u tells it, after `iterations` of the power method.
std::pair<Var, Var> normalize_kernel(Var kernel, Var u, int64_t iterations) {
  const Dim columns = kernel.dim(-1);
  const Shape sizes(kernel.shape().begin(), kernel.shape().end() - 1);
  const Dim rows = std::accumulate(sizes.begin(), sizes.end(), Dim(1), [](Dim a, Dim b) { return a * b; });
  const Var matrix = reshape(kernel, {rows, columns});
  const Var transposed = transpose(matrix, {1, 0});
  Var left, right = u;
  for (int64_t i = 0; i < iterations; ++i) {
    left = to_unit_length(matmul(right, transposed));
    right = to_unit_length(matmul(left, matrix));
  }
  const Var sigma = reduce_sum(matmul(matmul(left, matrix), transpose(right, {1, 0})));
  // As in Keras, a kernel of zeros stays what it is.
  const Var none = equal(reduce_sum(cast(not_equal(kernel, 0.0), kernel.dtype())), 0.0);
  return {select(none, u, right), select(none, kernel, kernel / sigma)};
}

std::vector<MaskedVar> build_spectral_normalization(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Layer& child = *context.layer().children.at("layer");
  LayerContext outer = context;
  const LayerContext::SubLayer scope(context, child.name, "layer");
  LayerContext inner = context.child(child);
  bool found = false;
  inner.intercept_weights([&](const WeightSpec& spec, const std::function<Var()>& make) {
    if (found || (spec.name != "kernel" && spec.name != "embeddings")) return make();
    found = true;
    WeightSpec vector{.name = "vector_u", .shape = {Dim(1), spec.shape.back()}, .initializer = {"TruncatedNormal", {}}};
    vector.initializer.config.set("stddev", 0.02);
    vector.trainable = false;
    vector.autocast = false;
    const Var kernel = inner.latest(spec.name, make()), u = outer.add_weight(vector);
    if (!context.training()) return kernel;
    const auto [next, normalized] = normalize_kernel(kernel, outer.latest("vector_u", u), context.config().integer("power_iterations"));
    outer.update_weight("vector_u", stop_gradient(next));
    return inner.assign_weight(spec.name, normalized);
  });
  const Var x = inputs[0].value;
  const MaskedVar input{child.def->autocast && is_float(x.dtype()) ? inner.to_compute(x) : x, inputs[0].mask};
  const std::vector<MaskedVar> outputs = child.def->build(inner, {&input, 1});
  if (!found) throw UserError(fmt::format("wraps a {}, which has neither a kernel nor embeddings to normalise", child.def->class_name));
  // Keras casts back to the type of the input, even to that of the integers that an Embedding takes.
  return {{cast(outputs[0].value, x.dtype()), {}}};
}

}  // namespace

const LayerDef layer_spectral_normalization = {
    .class_name = "SpectralNormalization",
    .summary = "Divides the kernel of a layer by its largest singular value before every training step.",
    .keys = {{.name = "layer", .kind = KeyKind::kLayer, .required = true}, int_key("power_iterations", spec::Node::integer(1), 1)},
    .check = wrap_child_layer,
    .build = build_spectral_normalization,
};

}  // namespace dl
