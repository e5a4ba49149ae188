#include "layers/interpolation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "ops/builders.h"
#include "tensor/tensor.h"

namespace dl {
namespace {

constexpr int64_t kMostPixels = int64_t{1} << 20;  // along an axis
constexpr int64_t kMostResizeWeights = int64_t{1} << 26;

// Arithmetic in float and in this order, as in TensorFlow: which pixel a position falls on depends on its rounding.

float triangle(float x) { return std::max(0.0f, 1.0f - std::abs(x)); }

float keys_cubic(float x) {
  x = std::abs(x);
  if (x >= 2) return 0;
  if (x >= 1) return ((-0.5f * x + 2.5f) * x - 4) * x + 2;
  return ((1.5f * x - 2.5f) * x) * x + 1;
}

float lanczos(float x, float radius) {
  x = std::abs(x);
  if (x > radius) return 0;
  if (x <= 1e-3f) return 1;
  constexpr float kPi = std::numbers::pi_v<float>;
  return radius * std::sin(kPi * x) * std::sin(kPi * x / radius) / (kPi * kPi * x * x);
}

struct ResizeKernel {
  float radius;
  float (*value)(float);
};

ResizeKernel resize_kernel(const std::string& interpolation) {
  if (interpolation == "bilinear") return {1, triangle};
  if (interpolation == "bicubic") return {2, keys_cubic};
  if (interpolation == "lanczos3") return {3, [](float x) { return lanczos(x, 3); }};
  return {5, [](float x) { return lanczos(x, 5); }};
}

// ScaleAndTranslate: a kernel around each position, as far as there is an image, its weights divided by their sum.
void fill_spans(Tensor& matrix, int64_t in, int64_t out, const ResizeKernel& kernel, bool antialias) {
  const float scale = static_cast<float>(out) / static_cast<float>(in), inverse = 1.0f / scale;
  const float kernel_scale = antialias ? std::max(inverse, 1.0f) : 1.0f, reach = kernel.radius * kernel_scale;
  for (int64_t o = 0; o < out; ++o) {
    const float position = (static_cast<float>(o) + 0.5f) * inverse;
    if (position > static_cast<float>(in)) continue;
    const int64_t first = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(position - reach - 0.5f)), 0, in - 1);
    const int64_t last = std::clamp<int64_t>(static_cast<int64_t>(std::floor(position + reach - 0.5f)), 0, in - 1);
    float sum = 0;
    std::vector<float> weights;
    for (int64_t i = first; i <= last; ++i) {
      weights.push_back(kernel.value((static_cast<float>(i) + 0.5f - position) * (1.0f / kernel_scale)));
      sum += weights.back();
    }
    if (std::abs(sum) < 1000 * std::numeric_limits<float>::min()) continue;
    for (int64_t i = first; i <= last; ++i) matrix.set(o * in + i, weights[static_cast<size_t>(i - first)] * (1.0f / sum));
  }
}

// ResizeBicubic: weights from a table of 1024 steps, those outside of the image left out.
void fill_cubic(Tensor& matrix, int64_t in, int64_t out) {
  constexpr int64_t kSteps = 1024;
  const auto weight = [](int64_t step, bool far) {
    return keys_cubic(static_cast<float>(step) / static_cast<float>(kSteps) + (far ? 1.0f : 0.0f));
  };
  const float step = static_cast<float>(in) / static_cast<float>(out);
  for (int64_t o = 0; o < out; ++o) {
    const float position = (static_cast<float>(o) + 0.5f) * step - 0.5f;
    const int64_t at = static_cast<int64_t>(std::floor(position));
    const int64_t offset = std::lrint((position - static_cast<float>(at)) * static_cast<float>(kSteps));
    const std::array<float, 4> weights = {weight(offset, true), weight(offset, false), weight(kSteps - offset, false),
                                          weight(kSteps - offset, true)};
    float sum = 0;
    for (int64_t i = 0; i < 4; ++i)
      if (at - 1 + i >= 0 && at - 1 + i < in) sum += weights[static_cast<size_t>(i)];
    for (int64_t i = 0; i < 4; ++i)
      if (at - 1 + i >= 0 && at - 1 + i < in) matrix.set(o * in + at - 1 + i, weights[static_cast<size_t>(i)] * (1.0f / sum));
  }
}

// ResizeBilinear: between two neighbours, the edge repeated. In its order, which decides where integers are rounded to.
Var blend_neighbours(Var x, int64_t axis, int64_t in, int64_t out) {
  const float step = static_cast<float>(in) / static_cast<float>(out);
  Tensor lower(DType::kInt32, {out}), upper(DType::kInt32, {out}), share(DType::kFloat32, {out});
  for (int64_t o = 0; o < out; ++o) {
    const float position = (static_cast<float>(o) + 0.5f) * step - 0.5f, below = std::floor(position);
    lower.set(o, std::max(below, 0.0f));
    upper.set(o, std::min(std::ceil(position), static_cast<float>(in - 1)));
    share.set(o, position - below);
  }
  Graph& graph = *x.graph;
  Shape along(static_cast<size_t>(x.rank()), Dim(1));
  along[static_cast<size_t>(axis)] = Dim(out);
  const Var first = gather(x, constant(graph, lower), axis), second = gather(x, constant(graph, upper), axis);
  return first + (second - first) * reshape(constant(graph, share.cast(x.dtype())), along);
}

Var choose_nearest(Var x, int64_t axis, int64_t in, int64_t out) {
  const float step = static_cast<float>(in) / static_cast<float>(out);
  Tensor indices(DType::kInt32, {out});
  for (int64_t o = 0; o < out; ++o) {
    const float position = std::floor((static_cast<float>(o) + 0.5f) * step);
    indices.set(o, static_cast<double>(std::min<int64_t>(static_cast<int64_t>(position), in - 1)));
  }
  return gather(x, constant(*x.graph, indices), axis);
}

struct IntegerLimits {
  double low, high;
};
IntegerLimits integer_limits(DType dtype) {
  const int bits = static_cast<int>(size_of(dtype)) * 8;
  const bool is_unsigned = dtype == DType::kUInt8 || dtype == DType::kUInt16 || dtype == DType::kUInt32 || dtype == DType::kUInt64;
  return is_unsigned ? IntegerLimits{0, std::ldexp(1.0, bits) - 1}
                     : IntegerLimits{-std::ldexp(1.0, bits - 1), std::ldexp(1.0, bits - 1) - 1};
}

// matrix [out, in] times x along the axis.
Var apply_matrix(Var x, Var matrix, int64_t axis) {
  if (axis == x.rank() - 1) return matmul(x, matrix, false, true);
  if (axis == x.rank() - 2) return matmul(matrix, x);
  Shape rows(x.shape().begin(), x.shape().begin() + axis + 1), shape = x.shape();
  Dim rest(1);
  for (int64_t i = axis + 1; i < x.rank(); ++i) rest = rest * x.dim(i);
  rows.push_back(rest);
  shape[static_cast<size_t>(axis)] = matrix.dim(0);
  return reshape(matmul(matrix, reshape(x, rows)), shape);
}

// float32 [out, in].
Tensor interpolation_matrix(const std::string& interpolation, int64_t in, int64_t out, bool antialias) {
  Tensor matrix(DType::kFloat32, {out, in});
  if (interpolation == "bicubic" && !antialias)
    fill_cubic(matrix, in, out);
  else
    fill_spans(matrix, in, out, resize_kernel(interpolation), antialias);
  return matrix;
}

Var resize_axis(Var x, int64_t axis, int64_t size, const std::string& interpolation, bool antialias) {
  const int64_t in = x.dim(axis).value();
  if (in == size) return x;
  if (size > kMostPixels) throw UserError(fmt::format("an axis of {} pixels is too long, {} are allowed", size, kMostPixels));
  if (interpolation == "nearest") return choose_nearest(x, axis, in, size);
  if (interpolation == "bilinear" && !antialias) return blend_neighbours(x, axis, in, size);
  if (in * size > kMostResizeWeights)
    throw UserError(fmt::format("resizing {} pixels to {} with '{}' takes more memory than is allowed; 'nearest' takes little", in, size,
                                interpolation));
  return apply_matrix(x, constant(*x.graph, interpolation_matrix(interpolation, in, size, antialias).cast(x.dtype())), axis);
}

}  // namespace

const std::vector<std::string_view>& interpolation_names() {
  static const std::vector<std::string_view> names = {"bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"};
  return names;
}

Var resize_image(Var x, int64_t axis, int64_t height, int64_t width, const std::string& interpolation, bool antialias) {
  for (const int64_t a : {axis, axis + 1})
    if (!x.dim(a).known())
      throw UserError(fmt::format("needs to know the image's size, which is {}: give it in the input's shape", to_string(x.shape())));
  const bool nearest = interpolation == "nearest";
  const DType compute = nearest || x.dtype() == DType::kFloat64 ? x.dtype() : DType::kFloat32;
  // The axis that TensorFlow's kernel takes first.
  const bool width_first = interpolation == "bilinear" && !antialias;
  Var y = cast(x, compute);
  for (const bool is_width : {width_first, !width_first})
    y = resize_axis(y, is_width ? axis + 1 : axis, is_width ? width : height, interpolation, antialias);
  if (nearest || is_float(x.dtype())) return cast(y, x.dtype());
  const IntegerLimits limits = integer_limits(x.dtype());
  return cast(clip(round(y), limits.low, limits.high), x.dtype());
}

}  // namespace dl
