#include "layers/mixing.h"

#include <numbers>

#include "ops/builders.h"

namespace dl {
namespace {

Var stripe(LayerContext& context, const Image& image, int64_t axis, int64_t size, Var share) {
  const auto length = static_cast<double>(size);
  const Var start = draw(context, per_image(image.x), 0, 1) * (length - share * length), end = start + share * length;
  Shape shape(4, Dim(1));
  shape[static_cast<size_t>(axis)] = Dim(size);
  const Var at = iota(context.graph(), DType::kFloat32, shape, axis);
  return logical_and(greater_equal(at, start), less(at, end));
}

}  // namespace

Var draw_box(LayerContext& context, const Image& image, Var width, Var height) {
  const Var columns = stripe(context, image, image.width_axis, image.width(), width);
  return logical_and(columns, stripe(context, image, image.height_axis, image.height(), height));
}

Var shuffle_images(LayerContext& context, Var x) {
  // The place of each random number among all; equal ones in their order.
  const Dim batch = x.dim(0);
  const Var drawn = draw(context, {batch, Dim(1)}, 0, 1), other = reshape(drawn, {Dim(1), batch});
  const Var at = iota(context.graph(), DType::kFloat32, {batch, Dim(1)}, 0), other_at = reshape(at, {Dim(1), batch});
  const Var before = logical_or(less(other, drawn), logical_and(equal(other, drawn), less(other_at, at)));
  return gather(x, cast(reduce_sum(cast(before, DType::kFloat32), {1}), DType::kInt32), 0);
}

Var draw_beta(LayerContext& context, Var x, Var alpha) {
  // L. Devroye, Random variate generation in one line of code, 1996, for symmetric beta variates; w = u^(1/alpha), nothing overflows.
  const Var u = draw(context, per_image(x), 0, 1), angle = draw(context, per_image(x), 0, 2 * std::numbers::pi);
  const Var w = exp(log(1.0 - u) / alpha), side = cos(angle), square = side * side;
  const Var share = (1.0 - w) * square / maximum(w + (1.0 - w) * square, 1e-30);
  return 0.5 + 0.5 * sign(side) * sqrt(share);
}

}  // namespace dl
