// What the image preprocessing layers share: where the axes are, cropping, factors and the random numbers drawn from them.
// Who uses it: resizing.cpp, center_crop.cpp, random_*.cpp and the other layers that augment images.
// Numbers are drawn once per image: shapes are [batch, 1, 1, 1]; the distributions are Keras's, the numbers are our own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "layers/layer.h"

namespace dl {

// x [batch, height, width, channels], or with channels first.
struct Image {
  Var x;
  bool channels_first = false;
  int64_t height_axis = 1, width_axis = 2, channel_axis = 3;

  // UserError where they are not known.
  int64_t height() const;
  int64_t width() const;
};
// By the layer's `data_format`. UserError unless x has four axes.
Image read_image(const LayerContext& context, Var x);
// `sizes` for height and width in the order of the axes: {1, h, w, 1} or {1, 1, h, w}.
Shape in_image_order(const Image& image, Dim batch, Dim height, Dim width, Dim channels);

// The part of the image that starts at (top, left).
Var crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width);

// The largest centred part of the ratio height : width, resized (Keras's smart_resize).
Var crop_and_resize(const Image& image, int64_t height, int64_t width, const std::string& interpolation, bool antialias);

// ---- keys: a number or a list of two, kept as written
enum class FactorKind : uint8_t {
  kImage,      // number f: from max(-|f|, low) to |f|; a list may reach beyond one bound
  kSymmetric,  // number f: from -|f| to |f|
  kFromZero,   // number f: from 0 to f
};
struct FactorRule {
  FactorKind kind;
  double low, high;
  bool low_open = false;
};
constexpr FactorRule kShare{FactorKind::kImage, 0, 1};

// Reports what does not fit the rule.
void check_factor(const Layer& layer, spec::Reader& reader, const std::string& key, const FactorRule& rule);
std::pair<double, double> factor_range(const Config& config, const std::string& key, const FactorRule& rule);
// `value_range`: two numbers, sorted in the config where the layer sorts them.
ConfigKey value_range_key();
void check_value_range(const Layer& layer, spec::Reader& reader);
std::pair<double, double> value_range(const Config& config);

// ---- random numbers; each uses the layer's `seed`
// Uniform from low to high, float32.
Var draw(LayerContext& context, const Shape& shape, double low, double high);
Var draw(LayerContext& context, const Shape& shape, std::pair<double, double> range);
// [batch, 1, 1, 1].
Shape per_image(Var x);
// bool, per image: true with a probability that is itself drawn from `factor`.
Var draw_chosen(LayerContext& context, Var x, std::pair<double, double> factor);

}  // namespace dl
