#include <fmt/format.h>

#include <vector>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr double kDotEpsilon = 1e-7;

void check_dot(Layer& layer, spec::Reader& reader) {
  const spec::Node axes = layer.config.node("axes");
  const auto is_int = [](const spec::Node& node) { return node.kind() == spec::Kind::kInt; };
  if (is_int(axes)) return;
  if (!axes.is_list() || axes.items().size() != 2 || !is_int(axes.items()[0]) || !is_int(axes.items()[1]))
    reader.report("axes", "must be an integer or two integers");
}

// The axis of input `i` to contract.
int64_t contracted_axis(const Config& config, Var x, size_t i) {
  const spec::Node& axes = config.node("axes");
  const int64_t axis = normalize_axis(axes.is_list() ? axes.items()[i].as_int() : axes.as_int(), x.rank(), "Dot");
  if (axis == 0) throw UserError("axes must not name the batch, axis 0");
  return axis;
}

// x with `axis` last and the axes between it and the batch in one: [batch, others, axis]. `others` gets their sizes.
Var as_matrix(Var x, int64_t axis, Shape& others) {
  std::vector<int64_t> perm = {0};
  for (int64_t i = 1; i < x.rank(); ++i) {
    if (i == axis) continue;
    perm.push_back(i);
    others.push_back(x.dim(i));
  }
  perm.push_back(axis);
  return reshape(transpose(x, perm), {x.dim(0), element_count(others), x.dim(axis)});
}

Var unit_length(Var x, int64_t axis) {
  // Keras's ops.normalize with order 2.
  return x * rsqrt(maximum(reduce_sum(square(x), {axis}, true), kDotEpsilon * kDotEpsilon));
}

std::vector<MaskedVar> build_dot(LayerContext& context, std::span<const MaskedVar> inputs) {
  Var operands[2];
  Shape shape = {inputs[0].value.dim(0)};
  for (size_t i = 0; i < 2; ++i) {
    Var x = cast(inputs[i].value, inputs[0].value.dtype());
    if (x.rank() < 2) throw UserError("Dot needs inputs with an axis beside the batch, got " + to_string(x.shape()));
    const int64_t axis = contracted_axis(context.config(), x, i);
    if (context.config().flag("normalize")) x = unit_length(x, axis);
    Shape others;
    operands[i] = as_matrix(x, axis, others);
    shape.insert(shape.end(), others.begin(), others.end());
  }
  const Dim a = operands[0].dim(2), b = operands[1].dim(2);
  if (!(a == b))
    throw UserError(fmt::format("axes have sizes {} and {} in the inputs {} and {}; they must agree", to_string(a), to_string(b),
                                to_string(inputs[0].value.shape()), to_string(inputs[1].value.shape())));
  if (shape.size() == 1) shape.push_back(Dim(1));
  return {{reshape(matmul(operands[0], operands[1], false, true), shape), {}}};
}

}  // namespace

const LayerDef layer_dot = {
    .class_name = "Dot",
    .summary = "Products of the two inputs summed along one axis of each; normalize gives cosines.",
    .min_inputs = 2,
    .max_inputs = 2,
    .masking = Masking::kOwn,
    .keys = {any_key("axes", {}, true), bool_key("normalize", false)},
    .check = check_dot,
    .build = build_dot,
};

}  // namespace dl
