#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

constexpr int64_t kMostFourierWeights = int64_t{1} << 26;

// Without a window a frame is as long as the transform, whatever sequence_length says, as in Keras.
int64_t mel_frame_length(const Config& config) {
  const bool whole = !config.given("sequence_length") || !config.given("window");
  return config.integer(whole ? "fft_length" : "sequence_length");
}

void check_mel_spectrogram(Layer& layer, spec::Reader& reader) {
  const Config& config = layer.config;
  if (config.given("sequence_length") && config.integer("sequence_length") > config.integer("fft_length"))
    reader.report("sequence_length", "must not be more than fft_length");
  if (mel_frame_length(config) * (config.integer("fft_length") + 2) > kMostFourierWeights)
    reader.report("fft_length", "times sequence_length takes more memory than is allowed");
}

// x [rows, time] with its ends mirrored, the outermost element not repeated.
Var mirror_ends(Var x, int64_t border) {
  if (border == 0) return x;
  const Dim time = x.dim(1);
  if (time.known() && time.value() <= border)
    throw UserError(fmt::format("half of fft_length, {}, needs a longer signal than {}", border, time.value()));
  const Var before = reverse(slice_axis(x, 1, Dim(1), Dim(border)), 1);
  const Var after = reverse(slice_axis(x, 1, time - Dim(border + 1), Dim(border)), 1);
  return concat({before, x, after}, 1);
}

// Both parts of the Fourier transform of a windowed frame, [frame, 1, 2 * frequencies].
Tensor fourier_kernel(const Config& config) {
  const int64_t length = mel_frame_length(config), fft = config.integer("fft_length"), count = fft / 2 + 1;
  const int64_t offset = (fft - length) / 2;
  const double a = !config.given("window") ? 1 : config.text("window") == "hann" ? 0.5 : 0.54;
  Tensor kernel(DType::kFloat32, {length, 1, 2 * count});
  float* cell = kernel.data<float>();
  // TensorFlow's periodic windows are symmetric ones where the length is odd.
  const auto period = static_cast<double>(std::max<int64_t>(length % 2 == 0 ? length : length - 1, 1));
  for (int64_t t = 0; t < length; ++t) {
    const double window = length == 1 ? 1 : a - (1 - a) * std::cos(2 * std::numbers::pi * static_cast<double>(t) / period);
    for (int64_t f = 0; f < count; ++f) {
      // The phase in whole steps, so that it stays exact.
      const double angle = -2 * std::numbers::pi * static_cast<double>((t + offset) * f % fft) / static_cast<double>(fft);
      cell[t * 2 * count + f] = static_cast<float>(window * std::cos(angle));
      cell[t * 2 * count + count + f] = static_cast<float>(window * std::sin(angle));
    }
  }
  return kernel;
}

// [rows, frames, frequencies]: magnitudes to the power of mag_exp.
Var mel_powers(const Config& config, Var x) {
  const int64_t fft = config.integer("fft_length"), length = mel_frame_length(config), count = fft / 2 + 1;
  const Var mirrored = mirror_ends(x, fft / 2);
  const Var framed = slice_axis(mirrored, 1, Dim((fft - length) / 2), mirrored.dim(1) - Dim(fft - length));
  const Window window{.strides = {config.integer("sequence_stride")}, .dilations = {1}, .pads_begin = {0}, .pads_end = {0}};
  const Var parts = conv(expand_dims(framed, 2), constant(*x.graph, fourier_kernel(config).cast(x.dtype())), window);
  const Var power = square(slice_axis(parts, 2, 0, count)) + square(slice_axis(parts, 2, count, count));
  const double exponent = config.real("mag_exp");
  return exponent == 2 ? power : pow(sqrt(power), exponent);
}

float to_mel(float hertz) { return 1127.0f * std::log(1.0f + hertz / 700.0f); }

// Triangles of equal width on the mel scale, [frequencies, mel]. In float and in this order as Keras: their slopes are differences of
// numbers close to each other.
Tensor mel_matrix(const Config& config) {
  const int64_t count = config.integer("fft_length") / 2 + 1, bins = config.integer("num_mel_bins");
  const auto rate = static_cast<float>(config.real("sampling_rate"));
  const float low = to_mel(static_cast<float>(config.real("min_freq")));
  const float high = to_mel(config.given("max_freq") ? static_cast<float>(config.real("max_freq")) : std::trunc(rate / 2));
  const float step = (rate / 2) / static_cast<float>(count - 1), mel_step = (high - low) / static_cast<float>(bins + 1);
  const auto edge = [&](int64_t i) { return i == bins + 1 ? high : low + mel_step * static_cast<float>(i); };
  Tensor matrix(DType::kFloat32, {count, bins});
  for (int64_t f = 1; f < count; ++f) {
    const float mel = to_mel(f == count - 1 ? rate / 2 : step * static_cast<float>(f));
    for (int64_t m = 0; m < bins; ++m) {
      const float rising = (mel - edge(m)) / (edge(m + 1) - edge(m)), falling = (edge(m + 2) - mel) / (edge(m + 2) - edge(m + 1));
      matrix.set(f * bins + m, std::max(0.0f, std::min(rising, falling)));
    }
  }
  return matrix;
}

Var to_decibel(const Config& config, Var power) {
  const double least = config.real("min_power"), reference = std::max(std::abs(config.real("ref_power")), least);
  const Var level = log(maximum(power, least)) * (10 / std::numbers::ln10) - 10 * std::log10(reference);
  return maximum(level, reduce_max(level) - config.real("top_db"));
}

ConfigKey positive_key(const char* name, double fallback) { return float_key(name, fallback, std::numeric_limits<double>::min()); }

ConfigKey mel_window_key() {
  ConfigKey key = choice_key("window", {"hann", "hamming"}, "hann");
  key.nullable = true;
  return key;
}

}  // namespace

const LayerDef layer_mel_spectrogram = {
    .class_name = "MelSpectrogram",
    .summary = "Power in bands of the mel scale over time, [batch, bands, frames] of signals [batch, time]; by default in decibel.",
    .autocast = false,
    .keys = {int_key("fft_length", spec::Node::integer(2048), 2),
             int_key("sequence_stride", spec::Node::integer(512), 1),
             int_key("sequence_length", {}, 1),
             mel_window_key(),
             positive_key("sampling_rate", 16000),
             int_key("num_mel_bins", spec::Node::integer(128), 1),
             float_key("min_freq", 20, 0),
             {.name = "max_freq", .kind = KeyKind::kFloat, .min = 0},
             bool_key("power_to_db", true),
             float_key("top_db", 80, 0),
             positive_key("mag_exp", 2),
             positive_key("min_power", 1e-10),
             float_key("ref_power", 1, -std::numeric_limits<double>::infinity())},
    .check = check_mel_spectrogram,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Config& config = context.config();
      Var x = inputs[0].value;
      if (x.rank() < 2)
        throw UserError(fmt::format("needs signals [batch, time] or [batch, channels, time], got {}", to_string(x.shape())));
      x = cast(x, context.compute_dtype() == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32);
      Dim rows(1);
      Shape shape;
      for (int64_t i = 0; i + 1 < x.rank(); ++i) {
        rows = rows * x.dim(i);
        shape.push_back(x.dim(i));
      }
      Var y = matmul(mel_powers(config, reshape(x, {rows, x.dim(-1)})), constant(context.graph(), mel_matrix(config).cast(x.dtype())));
      if (config.flag("power_to_db")) y = to_decibel(config, y);
      y = transpose(y, {0, 2, 1});
      shape.push_back(y.dim(1));
      shape.push_back(y.dim(2));
      return {{context.to_compute(reshape(y, shape)), {}}};
    },
};

}  // namespace dl
