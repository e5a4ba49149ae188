// Normalisations.
#include <algorithm>

#include "io/onnx/importer.h"
#include "io/onnx/windows.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

// A vector with one number per channel, to lie along axis 1 of x.
Var per_channel(NodeCall& call, Var v, Var x) {
  if (v.rank() != 1) call.fail("scale and bias need one axis");
  Shape shape(x.shape().size(), Dim(1));
  shape.at(1) = v.dim(0);
  return reshape(v, shape);
}

Ints axes_from(int64_t first, int64_t rank) {
  Ints axes;
  for (int64_t i = first; i < rank; ++i) axes.push_back(i);
  return axes;
}

struct Moments {
  Var centred, mean, inverse;  // x - mean, and 1 / sqrt(variance + epsilon)
};
Moments moments_of(Var x, const Ints& axes, double epsilon) {
  const Var mean = axes.empty() ? x : reduce_mean(x, axes, true), centred = x - mean;
  const Var square = centred * centred, variance = axes.empty() ? square : reduce_mean(square, axes, true);
  return {centred, mean, rsqrt(variance + epsilon)};
}

OnnxValues import_batch_normalization(NodeCall& call) {
  const Var x = call.in(0);
  const double epsilon = call.real("epsilon", 1e-5f), momentum = call.real("momentum", 0.9f);
  if (x.rank() < 2) call.fail("the operand needs a batch and a channel axis");
  if (call.opset() < 9 && call.integer("spatial", 1) == 0) call.unsupported("spatial=0");
  if (call.opset() < 7 && call.integer("is_test", 0) == 0) call.unsupported("is_test=0: statistics of a batch");
  call.importer().set_not_trainable(call.value(3));
  call.importer().set_not_trainable(call.value(4));
  const auto typed = [&](size_t i) { return cast(call.in(i), x.dtype()); };
  const Var scale = typed(1), bias = typed(2), mean = typed(3), variance = typed(4);
  if (call.opset() >= 14 && call.integer("training_mode", 0) != 0) {
    Ints axes = axes_from(2, x.rank());
    axes.insert(axes.begin(), 0);
    const Var own_mean = reduce_mean(x, axes, true), centred = x - own_mean, own_variance = reduce_mean(centred * centred, axes, true);
    const Var y = centred * rsqrt(own_variance + epsilon) * per_channel(call, scale, x) + per_channel(call, bias, x);
    const auto running = [&](Var old, Var now) { return old * momentum + reshape(now, old.shape()) * (1 - momentum); };
    return {y, running(mean, own_mean), running(variance, own_variance)};
  }
  const bool more = call.wants(1) || call.wants(2);
  if (more) call.unsupported("statistics of a batch outside of training_mode");
  return {batch_norm_infer(x, scale, bias, mean, variance, 1, epsilon)};
}

OnnxValues import_instance_normalization(NodeCall& call) {
  const Var x = call.in(0);
  if (x.rank() < 3) call.fail("the operand needs a batch, a channel and spatial axes");
  const Moments m = moments_of(x, axes_from(2, x.rank()), call.real("epsilon", 1e-5f));
  return {m.centred * m.inverse * per_channel(call, call.in(1), x) + per_channel(call, call.in(2), x)};
}

OnnxValues import_group_normalization(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t groups = call.integer("num_groups");
  if (x.rank() < 2 || groups < 1) call.fail("needs a batch and a channel axis, and groups");
  const std::optional<Dim> each = exact_div(x.dim(1), Dim(groups));
  if (!each) call.fail("the channels do not divide into " + std::to_string(groups) + " groups");
  Shape split = x.shape();
  split[1] = groups;
  split.insert(split.begin() + 2, *each);
  const Var grouped = reshape(x, split);
  const Moments m = moments_of(grouped, axes_from(2, grouped.rank()), call.real("epsilon", 1e-5f));
  const Var normal = m.centred * m.inverse;
  if (call.opset() < 21)  // one scale per group
    return {reshape(normal * per_channel(call, call.in(1), grouped) + per_channel(call, call.in(2), grouped), x.shape())};
  return {reshape(normal, x.shape()) * per_channel(call, call.in(1), x) + per_channel(call, call.in(2), x)};
}

OnnxValues import_layer_normalization(NodeCall& call) {
  const Var x = call.in(0), scale = call.in(1);
  const int64_t axis = normalize_axis(call.integer("axis", -1), x.rank(), "axis");
  const double epsilon = call.real("epsilon", 1e-5f);
  const Ints axes = axes_from(axis, x.rank());
  const Shape part(x.shape().begin() + axis, x.shape().end());
  const bool plain = scale.shape() == part && (!call.has(2) || call.in(2).shape() == part);
  if (plain && !call.wants(1) && !call.wants(2)) return {layer_norm(x, scale, call.has(2) ? call.in(2) : Var(), axes, epsilon)};
  const Moments m = moments_of(x, axes, epsilon);
  Var y = m.centred * m.inverse * scale;
  if (call.has(2)) y = y + call.in(2);
  return {y, m.mean, m.inverse};
}

OnnxValues import_rms_normalization(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t axis = normalize_axis(call.integer("axis", -1), x.rank(), "axis");
  const Var square = reduce_mean(x * x, axes_from(axis, x.rank()), true);
  return {x * rsqrt(square + call.real("epsilon", 1e-5f)) * call.in(1)};
}

OnnxValues import_lp_normalization(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t axis = normalize_axis(call.integer("axis", -1), x.rank(), "axis"), p = call.integer("p", 2);
  if (p != 1 && p != 2) call.fail("p is " + std::to_string(p) + "; it may be 1 or 2");
  const Var norm = p == 1 ? reduce_sum(abs(x), {axis}, true) : sqrt(reduce_sum(x * x, {axis}, true));
  return {x / select(equal(norm, 0.0), 1.0, norm)};
}

OnnxValues import_mean_variance_normalization(NodeCall& call) {
  const Var x = call.in(0);
  Ints axes = call.has_attribute("axes") ? call.integers("axes") : Ints{0, 2, 3};
  axes = normalize_axes(axes, x.rank(), "axes");
  if (axes.empty()) axes = axes_from(0, x.rank());
  const Var centred = x - reduce_mean(x, axes, true);
  return {centred / (sqrt(reduce_mean(centred * centred, axes, true)) + 1e-9)};
}

// Squares of the channels around each one, padding being 0.
OnnxValues import_lrn(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t size = call.integer("size");
  if (size < 1 || size > 4096) call.fail("size must be positive, at most 4096");
  if (x.rank() < 2) call.fail("the operand needs a batch and a channel axis");
  Shape before(x.shape().size(), Dim(0)), after = before;
  before[1] = (size - 1) / 2, after[1] = size / 2;
  const Var squares = pad(x * x, before, after);
  Var sum = slice_axis(squares, 1, 0, x.dim(1));
  for (int64_t i = 1; i < size; ++i) sum = sum + slice_axis(squares, 1, i, x.dim(1));
  const double alpha = call.real("alpha", 1e-4f), beta = call.real("beta", 0.75), bias = call.real("bias", 1);
  return {x / pow(sum * (alpha / static_cast<double>(size)) + bias, beta)};
}

constexpr OpRow kNormRows[] = {
    {"BatchNormalization", 1, import_batch_normalization},
    {"InstanceNormalization", 1, import_instance_normalization},
    {"GroupNormalization", 18, import_group_normalization},
    {"LayerNormalization", 17, import_layer_normalization},
    {"RMSNormalization", 23, import_rms_normalization},
    {"LpNormalization", 1, import_lp_normalization},
    {"MeanVarianceNormalization", 9, import_mean_variance_normalization},
    {"LRN", 1, import_lrn},
};

}  // namespace

std::span<const OpRow> onnx_rows_norm() { return kNormRows; }

}  // namespace dl::onnx
