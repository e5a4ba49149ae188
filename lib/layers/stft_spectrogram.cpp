#include <bit>

#include "layers/initializers.h"
#include "layers/layer.h"
#include "layers/window.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr double kSpectrogramEpsilon = 1e-7;

int64_t stft_frame_step(const Config& config) {
  return config.given("frame_step") ? config.integer("frame_step") : config.integer("frame_length") / 2;
}

int64_t stft_fft_length(const Config& config) {
  if (config.given("fft_length")) return config.integer("fft_length");
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(config.integer("frame_length"))));
}

spec::Node stft_initializer(const Config& config, const char* side) {
  return spec::Node::map({{"STFT", spec::Node::map({{"side", spec::Node::string(side)},
                                                    {"window", config.node("window")},
                                                    {"scaling", config.node("scaling")},
                                                    {"periodic", config.node("periodic")}})}});
}

void check_stft_spectrogram(Layer& layer, spec::Reader& reader) {
  const Config& config = layer.config;
  if (config.integer("frame_length") < 2) return reader.report("frame_length", "must be at least 2");
  if (stft_frame_step(config) > config.integer("frame_length")) reader.report("frame_step", "must not be more than frame_length");
  if (stft_fft_length(config) < config.integer("frame_length")) reader.report("fft_length", "must not be less than frame_length");
  read_initializer(stft_initializer(config, "real"), reader.path_of("window"), reader.problems());
}

// [batch, channels, frequencies, frames].
class Spectra {
 public:
  Spectra(LayerContext& context, Var x) : context_(context), x_(x) {}

  Var real() { return part("real"); }
  Var imag() { return part("imag"); }

 private:
  Var part(const char* side) {
    const Config& config = context_.config();
    spec::Problems none;
    const spec::Node initializer = read_initializer(stft_initializer(config, side), "", none);
    const int64_t length = config.integer("frame_length"), frequencies = stft_fft_length(config) / 2 + 1;
    const Var kernel =
        context_.add_weight({std::string(side) + "_kernel", {Dim(length), Dim(1), Dim(frequencies)}, make_initializer(initializer)});
    const bool first = config.text("data_format") == "channels_first";
    const Var rows = first ? x_ : transpose(x_, {0, 2, 1});
    const Dim batch = rows.dim(0), channels = rows.dim(1);
    const Var signal = reshape(rows, {batch * channels, rows.dim(2), Dim(1)});
    const Var frames = conv(signal, kernel, make_window(signal, config.text("padding"), {length}, {stft_frame_step(config)}, {1}, false));
    return reshape(transpose(frames, {0, 2, 1}), {batch, channels, frames.dim(2), frames.dim(1)});
  }

  LayerContext& context_;
  Var x_;
};

// Frequencies but the first and the last count twice.
Var power_density(Var power) {
  const Var inner = slice_axis(power, 2, 1, power.dim(2) - Dim(2));
  const std::vector<int64_t> one = {0, 0, 1, 0};
  return power + pad(inner, one, one);
}

Var arrange_spectrogram(const Config& config, Var y) {
  const bool first = config.text("data_format") == "channels_first";
  if (config.flag("expand_dims")) return transpose(y, first ? std::vector<int64_t>{0, 1, 3, 2} : std::vector<int64_t>{0, 3, 2, 1});
  const Var flat = reshape(y, {y.dim(0), y.dim(1) * y.dim(2), y.dim(3)});
  return first ? flat : transpose(flat, {0, 2, 1});
}

Var spectrogram(LayerContext& context, Var x) {
  const std::string& mode = context.config().text("mode");
  Spectra spectra(context, x);
  if (mode == "real") return spectra.real();
  if (mode == "imag") return spectra.imag();
  const Var real = spectra.real(), imag = spectra.imag();
  if (mode == "angle") return atan2(imag, real);
  if (mode == "stft") return concat({real, imag}, 2);
  const Var power = square(real) + square(imag);
  if (mode == "psd") return power_density(power);
  const Var magnitude = sqrt(maximum(power, kSpectrogramEpsilon));
  return mode == "magnitude" ? magnitude : log(maximum(magnitude, kSpectrogramEpsilon));
}

ConfigKey nullable_key(ConfigKey key) {
  key.nullable = true;
  return key;
}

}  // namespace

const LayerDef layer_stft_spectrogram = {
    .class_name = "STFTSpectrogram",
    .summary = "Short-time Fourier transform of signals [batch, time, channels] by convolution with kernels that can be trained.",
    .keys = {choice_key("mode", {"log", "magnitude", "psd", "real", "imag", "angle", "stft"}, "log"),
             int_key("frame_length", spec::Node::integer(256), 1), int_key("frame_step", {}, 1), int_key("fft_length", {}, 1),
             nullable_key(any_key("window", spec::Node::string("hann"))), bool_key("periodic", false),
             nullable_key(choice_key("scaling", {"density", "spectrum"}, "density")), choice_key("padding", {"valid", "same"}, "valid"),
             bool_key("expand_dims", false), data_format_key()},
    .check = check_stft_spectrogram,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      require_rank(x, 1, "STFTSpectrogram", context.config().text("data_format") == "channels_first");
      return {{arrange_spectrogram(context.config(), spectrogram(context, x)), {}}};
    },
};

}  // namespace dl
