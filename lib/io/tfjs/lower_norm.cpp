// Normalisations. TF.js is right along the last axis, with up to four axes: others are moved there.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "io/tfjs/lowerings.h"
#include "layers/array_node.h"

namespace dl::tfjs {
namespace {

using spec::Node;

constexpr size_t kMaxAxes = 4;

int64_t positive(int64_t axis, const Ref& x) { return axis < 0 ? axis + static_cast<int64_t>(x.shape.size()) : axis; }

Tensor filled(int64_t size, float value) {
  Tensor t(DType::kFloat32, {size});
  std::fill_n(t.data<float>(), size, value);
  return t;
}

// All axes but the first and the last as one.
Ref flatten_middle(const Call& c, const Ref& x) {
  const Shape& s = x.shape;
  return c.reshape(x, {s[0], element_count(Shape(s.begin() + 1, s.end() - 1)), s.back()});
}

// `f` on x with `axis` last, and at most four axes.
template <class F>
Ref along_last(const Call& c, const Ref& x, int64_t axis, F f) {
  const auto last = static_cast<int64_t>(x.shape.size()) - 1;
  const Ref moved = c.move_axis(x, axis, last);
  const Ref y = moved.shape.size() > kMaxAxes ? c.reshape(f(flatten_middle(c, moved)), moved.shape) : f(moved);
  return c.move_axis(y, last, axis);
}

std::vector<OutWeight> scale_and_center(const Call& c) {
  std::vector<OutWeight> weights;
  if (c.config().flag("scale")) weights.push_back(c.as_is("gamma"));
  if (c.config().flag("center")) weights.push_back(c.as_is("beta"));
  return weights;
}

}  // namespace

std::vector<Ref> lower_batch_normalization(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  return {along_last(c, in[0], positive(c.config().integer("axis"), in[0]), [&](const Ref& x) {
    Node config = c.keys({"momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer", "moving_mean_initializer",
                          "moving_variance_initializer", "beta_regularizer", "gamma_regularizer"});
    config.set("axis", Node::integer(-1));
    std::vector<OutWeight> weights = scale_and_center(c);
    weights.push_back(c.as_is("moving_mean"));
    weights.push_back(c.as_is("moving_variance"));
    return c.add("", "BatchNormalization", std::move(config), std::move(weights), x, x.shape);
  })};
}

namespace {

Ref layer_norm(const Call& c, std::string_view piece, const Ref& x, const std::vector<int64_t>& axes, double epsilon,
               std::vector<OutWeight> weights, bool scale, bool center) {
  Node config = Node::map(
      {{"axis", int_list(axes)}, {"epsilon", Node::real(epsilon)}, {"center", Node::boolean(center)}, {"scale", Node::boolean(scale)}});
  return c.add(piece, "LayerNormalization", std::move(config), std::move(weights), x, x.shape);
}

}  // namespace

std::vector<Ref> lower_layer_normalization(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const Ref& x = in[0];
  std::vector<int64_t> axes = c.config().integers("axis");
  for (int64_t& axis : axes) axis = positive(axis, x);
  const bool scale = c.config().flag("scale"), center = c.config().flag("center");
  const double epsilon = c.config().real("epsilon");
  if (axes.size() == 1)
    return {
        along_last(c, x, axes[0], [&](const Ref& v) { return layer_norm(c, "", v, {-1}, epsilon, scale_and_center(c), scale, center); })};
  // Several axes: as one, the last.
  std::vector<int64_t> order, back(x.shape.size());
  for (int64_t i = 0; i < static_cast<int64_t>(x.shape.size()); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i);
  if (order.empty() || order[0] != 0) throw UserError("normalises over the batch, which TF.js does not");
  order.insert(order.end(), axes.begin(), axes.end());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  const Ref moved = c.permute(x, order);
  const auto split = moved.shape.end() - static_cast<std::ptrdiff_t>(axes.size());
  const Dim size = element_count(Shape(split, moved.shape.end()));
  Shape flat = {moved.shape[0]};
  if (moved.shape.size() > axes.size() + 1) flat.push_back(element_count(Shape(moved.shape.begin() + 1, split)));
  flat.push_back(size);
  std::vector<OutWeight> weights = scale_and_center(c);
  for (OutWeight& weight : weights) {
    const Dims dims = {known(size, "the sizes of the axes")};
    weight = {weight.leaf, dims, [make = weight.make, dims] { return make().reshaped(dims); }};
  }
  const Ref y = layer_norm(c, "", c.reshape(moved, flat), {-1}, epsilon, std::move(weights), scale, center);
  return {c.permute(c.reshape(y, moved.shape), back)};
}

// [batch, rest, groups, size], normalised over rest and size.
std::vector<Ref> lower_group_normalization(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const int64_t axis = positive(c.config().integer("axis"), in[0]);
  return {along_last(c, in[0], axis, [&](const Ref& x) {
    const int64_t channels = known(x.shape.back(), "the number of channels");
    const int64_t groups = c.config().integer("groups") == -1 ? channels : c.config().integer("groups");
    const Dim rest = element_count(Shape(x.shape.begin() + 1, x.shape.end() - 1));
    const Ref parts = c.reshape(x, {x.shape[0], rest, Dim(groups), Dim(channels / groups)});
    const Ref y = c.reshape(layer_norm(c, "groups", parts, {1, 3}, c.config().real("epsilon"), {}, false, false), x.shape);
    const bool scale = c.config().flag("scale"), center = c.config().flag("center");
    if (!scale && !center) return y;
    return c.affine_last(y, filled(channels, 0), scale ? c.weight("gamma") : filled(channels, 1),
                         center ? c.weight("beta") : filled(channels, 0));
  })};
}

// x and -x together have mean 0, and the mean square of x as their variance.
std::vector<Ref> lower_rms_normalization(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const std::vector<int64_t> axes = c.config().integers("axis");
  if (axes.size() != 1) throw UserError("normalises over several axes, which cannot be written for TF.js");
  return {along_last(c, in[0], positive(axes[0], in[0]), [&](const Ref& x) {
    const int64_t size = known(x.shape.back(), "the size of the axis");
    const Ref both = c.concat({x, c.scale(x, -1)}, static_cast<int64_t>(x.shape.size()) - 1);
    const Ref y = layer_norm(c, "both", both, {-1}, c.config().real("epsilon"), {}, false, false);
    Tensor matrix(DType::kFloat32, {2 * size, size});
    const Tensor factors = c.weight("scale").cast(DType::kFloat32);
    for (int64_t i = 0; i < size; ++i) matrix.data<float>()[i * size + i] = factors.data<float>()[i];
    return c.map_last(y, matrix);
  })};
}

std::vector<Ref> lower_normalization(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  Ref x = c.to_float(in[0]);
  std::vector<int64_t> axes = c.config().integers("axis");
  for (int64_t& axis : axes) axis = positive(axis, x);
  std::sort(axes.begin(), axes.end());
  // The kept axes as one, the last.
  std::vector<int64_t> order, back(x.shape.size());
  for (int64_t i = 0; i < static_cast<int64_t>(x.shape.size()); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i);
  if (order.empty() || order[0] != 0) throw UserError("keeps statistics for every sample of a batch, which TF.js cannot");
  order.insert(order.end(), axes.begin(), axes.end());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  const Ref moved = c.permute(x, order);
  const auto split = moved.shape.end() - static_cast<std::ptrdiff_t>(axes.size());
  const int64_t size = known(element_count(Shape(split, moved.shape.end())), "the sizes of its axes");
  const auto statistic = [&](const char* name) {
    Tensor t(DType::kFloat32, {size});
    const bool given = c.config().given(name);
    Dims kept;
    for (auto it = split; it != moved.shape.end(); ++it) kept.push_back(it->value());
    const std::vector<double> values = given ? broadcast_numbers(c.config().node(name), kept).value() : std::vector<double>();
    const Tensor stored = given ? Tensor() : c.weight(name);
    for (int64_t i = 0; i < size; ++i) t.set(i, given ? values[static_cast<size_t>(i)] : stored.at(stored.size() == 1 ? 0 : i));
    return t;
  };
  const Tensor mean = statistic("mean"), variance = statistic("variance");
  Tensor deviation(DType::kFloat32, {size}), inverse(DType::kFloat32, {size});
  for (int64_t i = 0; i < size; ++i) {
    const double d = std::max(std::sqrt(variance.at(i)), 1e-7);
    deviation.set(i, d);
    inverse.set(i, 1 / d);
  }
  Shape flat = {moved.shape[0]};
  if (split - moved.shape.begin() > 1) flat.push_back(element_count(Shape(moved.shape.begin() + 1, split)));
  flat.push_back(Dim(size));
  const Ref in_place = c.reshape(moved, flat);
  const Ref y = c.config().flag("invert") ? c.affine_last(in_place, filled(size, 0), deviation, mean)
                                          : c.affine_last(in_place, mean, inverse, filled(size, 0));
  return {c.permute(c.reshape(y, moved.shape), back)};
}

}  // namespace dl::tfjs
