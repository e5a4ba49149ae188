// Signals: discrete Fourier transforms as products with constant matrices, windows, the mel scale.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "io/onnx/import_util.h"

namespace dl::onnx {
namespace {

using Reals = std::vector<double>;
using Ints = std::vector<int64_t>;
constexpr int64_t kMaxLength = 8192;  // the matrix has the square of it

struct Transform {
  int64_t length = 0;    // of the whole transform
  int64_t taken = 0;     // numbers that go in; behind them come zeros, or for real results the conjugates
  int64_t given = 0;     // numbers that come out
  int64_t parts_in = 1;  // 1: real, 2: real and imaginary
  int64_t parts_out = 2;
  bool inverse = false;
};

// Row (part, j) and column (part, k) of [parts_in * taken, parts_out * given]; x (as such a row) times it is the transform.
Reals transform_matrix(const Transform& t) {
  Reals m(static_cast<size_t>(t.parts_in * t.taken * t.parts_out * t.given));
  const double sign = t.inverse ? 1 : -1, factor = t.inverse ? 1 / static_cast<double>(t.length) : 1;
  const bool half =
      t.inverse && t.parts_out == 1;  // the other half are the conjugates: each number counts twice but the first and the middle
  size_t at = 0;
  for (int64_t part = 0; part < t.parts_in; ++part)
    for (int64_t j = 0; j < t.taken; ++j) {
      const double times = half && j != 0 && 2 * j != t.length ? 2 : 1;
      for (int64_t result = 0; result < t.parts_out; ++result)
        for (int64_t k = 0; k < t.given; ++k) {
          const double angle = sign * 2 * std::numbers::pi * static_cast<double>(j * k % t.length) / static_cast<double>(t.length);
          const double value = part == result ? std::cos(angle) : part == 0 ? std::sin(angle) : -std::sin(angle);
          m[at++] = value * factor * times;
        }
    }
  return m;
}

Ints moved_last_but_one(int64_t rank, int64_t axis) {
  Ints perm;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis && i != rank - 1) perm.push_back(i);
  perm.push_back(rank - 1);
  perm.push_back(axis);
  return perm;  // [..., parts, axis]
}

// x [..., axis, ..., parts]. Computed in float64: in float32 what should be 0 is noise of the size of the others.
Var transform(NodeCall& call, Var x, int64_t axis, Transform t) {
  if (t.length < 1 || t.length > kMaxLength) call.unsupported(fmt::format("a transform of length {}", t.length));
  const DType type = x.dtype();
  const int64_t rank = x.rank();
  x = cast(slice_axis(x, axis, 0, t.taken), DType::kFloat64);
  const Ints perm = moved_last_but_one(rank, axis);
  x = transpose(x, perm);
  Shape flat(x.shape().begin(), x.shape().end() - 2);
  Shape result = flat;
  flat.push_back(t.parts_in * t.taken);
  result.push_back(t.parts_out), result.push_back(t.given);
  x = matmul(reshape(x, flat), numbers(call.graph(), DType::kFloat64, {t.parts_in * t.taken, t.parts_out * t.given}, transform_matrix(t)));
  Ints back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return cast(transpose(reshape(x, result), back), type);
}

int64_t parts_of(NodeCall& call, Var x) {
  const Dim parts = x.dim(-1);
  if (parts != Dim(1) && parts != Dim(2)) call.fail(fmt::format("the last axis must have 1 or 2 elements, not {}", to_string(parts)));
  return parts.value();
}

OnnxValues import_dft(NodeCall& call) {
  const Var x = call.in(0);
  if (x.rank() < 2) call.fail("takes an operand of at least two axes");
  int64_t axis = call.opset() < 20 ? call.integer("axis", 1) : call.has(2) ? call.int_value(2, "the axis") : -2;
  axis = checked_axis(call, axis, x.rank());
  if (axis == x.rank() - 1) call.fail("the last axis holds real and imaginary parts");
  const int64_t size = known_shape(call, {x.dim(axis)}, "the length of the transform")[0];
  const bool one_sided = call.integer("onesided", 0) != 0;
  Transform t;
  t.inverse = call.integer("inverse", 0) != 0;
  t.parts_in = parts_of(call, x);
  const bool to_real = t.inverse && one_sided;
  if (one_sided && !t.inverse && t.parts_in == 2) call.fail("one-sided transforms take real numbers");
  t.length = call.has(1) ? call.int_value(1, "the length of the transform") : to_real ? 2 * (size - 1) : size;
  t.taken = std::min(size, to_real ? t.length / 2 + 1 : t.length);
  t.parts_out = to_real ? 1 : 2;
  t.given = one_sided && !t.inverse ? t.length / 2 + 1 : t.length;
  return {transform(call, x, axis, t)};
}

OnnxValues import_stft(NodeCall& call) {
  Var x = call.in(0);
  if (x.rank() == 2) x = expand_dims(x, -1);
  if (x.rank() != 3) call.fail("takes a signal [batch, length, 1 or 2]");
  Transform t;
  t.parts_in = parts_of(call, x);
  const int64_t step = call.int_value(1, "the step between frames"), size = known_shape(call, {x.dim(1)}, "the number of frames")[0];
  const Var window = call.has(2) ? call.in(2) : Var{};
  t.length = call.has(3)      ? call.int_value(3, "the length of a frame")
             : window.valid() ? known_shape(call, window.shape(), "the length of the window").at(0)
                              : size;
  if (step < 1 || t.length < 1 || t.length > size)
    call.fail(fmt::format("frames of {} at steps of {} do not fit {} elements", t.length, step, size));
  const bool one_sided = call.integer("onesided", 1) != 0;
  if (one_sided && t.parts_in == 2) call.fail("one-sided transforms take real numbers");
  t.taken = t.length;
  t.given = one_sided ? t.length / 2 + 1 : t.length;
  const int64_t frames = 1 + (size - t.length) / step;
  Ints places;
  for (int64_t f = 0; f < frames; ++f)
    for (int64_t i = 0; i < t.length; ++i) places.push_back(f * step + i);
  x = gather(x, integers(call.graph(), {frames, t.length}, places), 1);
  if (window.valid()) {
    if (window.rank() != 1 || window.dim(0) != Dim(t.length)) call.fail("the window does not have the length of a frame");
    x = x * along_axis(cast(window, x.dtype()), 2, 4);
  }
  return {transform(call, x, 2, t)};
}

// a + b cos(2 pi i / n) + c cos(4 pi i / n)
OnnxValues window(NodeCall& call, double a, double b, double c) {
  const int64_t size = call.int_value(0, "the size of the window");
  if (size < 0 || size > (int64_t{1} << 26)) call.fail(fmt::format("size {} is out of range", size));
  const std::optional<ElementType> type = element_type(static_cast<int32_t>(call.integer("output_datatype", 1)));
  if (!type || type->narrow) call.fail("output_datatype is not supported");
  const auto n = static_cast<double>(call.integer("periodic", 1) != 0 ? size : size - 1);
  Reals values;
  for (int64_t i = 0; i < size; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / n;
    values.push_back(a + b * std::cos(angle) + c * std::cos(2 * angle));
  }
  return {OnnxValue(number_tensor(type->dtype, {size}, values))};
}

OnnxValues import_hann(NodeCall& call) { return window(call, 0.5, -0.5, 0); }
OnnxValues import_hamming(NodeCall& call) { return window(call, 25.0 / 46, -21.0 / 46, 0); }
OnnxValues import_blackman(NodeCall& call) { return window(call, 0.42, -0.5, 0.08); }

// Triangles whose corners lie at equal distances on the mel scale, as places among the frequencies of a transform.
OnnxValues import_mel_weights(NodeCall& call) {
  const int64_t bins = call.int_value(0, "num_mel_bins"), length = call.int_value(1, "dft_length");
  const double rate = call.real_value(2, "sample_rate"), low = call.real_value(3, "lower_edge_hertz"),
               high = call.real_value(4, "upper_edge_hertz");
  if (bins < 1 || bins > 65536 || length < 1 || length > 65536 || !(rate > 0) || !(low >= 0) || !(high > low))
    call.fail("its numbers make no sense");
  const int64_t rows = length / 2 + 1;
  const auto to_mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double mel_step = (to_mel(high) - to_mel(low)) / static_cast<double>(bins + 2);
  Ints corner;
  for (int64_t i = 0; i < bins + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (static_cast<double>(i) * mel_step + to_mel(low)) / 2595) - 1);
    corner.push_back(static_cast<int64_t>(std::floor(static_cast<double>(length + 1) * hertz / rate)));
    if (corner.back() < 0 || corner.back() >= rows) call.fail("a frequency lies above half of the sample rate");
  }
  Reals weights(static_cast<size_t>(rows * bins), 0);
  const auto at = [&](int64_t row, int64_t bin) -> double& { return weights[static_cast<size_t>(row * bins + bin)]; };
  for (int64_t i = 0; i < bins; ++i) {
    const int64_t left = corner[static_cast<size_t>(i)], center = corner[static_cast<size_t>(i + 1)],
                  right = corner[static_cast<size_t>(i + 2)];
    if (left == center) at(center, i) = 1;
    for (int64_t j = left; left < center && j <= center; ++j) at(j, i) = static_cast<double>(j - left) / static_cast<double>(center - left);
    for (int64_t j = center; j < right; ++j) at(j, i) = static_cast<double>(right - j) / static_cast<double>(right - center);
  }
  const std::optional<ElementType> type = element_type(static_cast<int32_t>(call.integer("output_datatype", 1)));
  if (!type || type->narrow) call.fail("output_datatype is not supported");
  return {OnnxValue(number_tensor(type->dtype, {rows, bins}, weights))};
}

constexpr OpRow kSignalRows[] = {
    {"DFT", 17, import_dft},
    {"STFT", 17, import_stft},
    {"HannWindow", 17, import_hann},
    {"HammingWindow", 17, import_hamming},
    {"BlackmanWindow", 17, import_blackman},
    {"MelWeightMatrix", 17, import_mel_weights},
};

}  // namespace

std::span<const OpRow> onnx_rows_signal() { return kSignalRows; }

}  // namespace dl::onnx
