#include "layers/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "layers/interpolation.h"
#include "layers/window.h"
#include "ops/builders.h"

namespace dl {
namespace {

int64_t known_image_size(Var x, int64_t axis) {
  if (x.dim(axis).known()) return x.dim(axis).value();
  throw UserError(fmt::format("needs to know the image's size, which is {}: give it in the input's shape", to_string(x.shape())));
}

}  // namespace

int64_t Image::height() const { return known_image_size(x, height_axis); }
int64_t Image::width() const { return known_image_size(x, width_axis); }

Image read_image(const LayerContext& context, Var x) {
  const bool first = context.config().text("data_format") == "channels_first";
  require_rank(x, 2, context.layer().def->class_name, first);
  return first ? Image{x, true, 2, 3, 1} : Image{x, false, 1, 2, 3};
}

Shape in_image_order(const Image& image, Dim batch, Dim height, Dim width, Dim channels) {
  return image.channels_first ? Shape{batch, channels, height, width} : Shape{batch, height, width, channels};
}

Var crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  return slice_axis(slice_axis(image.x, image.height_axis, top, height), image.width_axis, left, width);
}

Var crop_and_resize(const Image& image, int64_t height, int64_t width, const std::string& interpolation, bool antialias) {
  const int64_t h = image.height(), w = image.width();
  const int64_t part_h = std::max<int64_t>(std::min(h, w * height / width), 1);
  const int64_t part_w = std::max<int64_t>(std::min(w, h * width / height), 1);
  const Var part = crop(image, (h - part_h) / 2, (w - part_w) / 2, part_h, part_w);
  return resize_image(part, image.height_axis, height, width, interpolation, antialias);
}

void check_factor(const Layer& layer, spec::Reader& reader, const std::string& key, const FactorRule& rule) {
  const spec::Node& node = layer.config.node(key);
  if (node.is_null()) return;
  const std::vector<double> values = layer.config.reals(key);
  const bool two = node.is_list() && values.size() == 2;
  bool fits = node.is_number() || two;
  const auto inside = [&](double v) { return (rule.low_open ? v > rule.low : v >= rule.low) && v <= rule.high; };
  if (fits && rule.kind == FactorKind::kImage && two)
    fits = values[0] <= rule.high && values[1] >= rule.low;
  else if (fits)
    fits = std::all_of(values.begin(), values.end(), inside);
  if (!fits)
    reader.report(key, fmt::format("must be a number or a list of two numbers from {}{} to {}", rule.low,
                                   rule.low_open ? " (exclusive)" : "", rule.high));
}

std::pair<double, double> factor_range(const Config& config, const std::string& key, const FactorRule& rule) {
  const std::vector<double> values = config.reals(key);
  if (values.size() == 2) return std::minmax(values[0], values[1]);
  const double size = std::abs(values[0]);
  if (rule.kind == FactorKind::kFromZero) return {0, values[0]};
  return {rule.kind == FactorKind::kImage ? std::max(-size, rule.low) : -size, size};
}

ConfigKey value_range_key() { return floats_key("value_range", spec::Node::list({spec::Node::integer(0), spec::Node::integer(255)})); }

void check_value_range(const Layer& layer, spec::Reader& reader) {
  const spec::Node& node = layer.config.node("value_range");
  if (!node.is_list() || node.items().size() != 2) reader.report("value_range", "must be a list of two numbers");
}

std::pair<double, double> value_range(const Config& config) {
  const std::vector<double> values = config.reals("value_range");
  return std::minmax(values[0], values[1]);
}

Var draw(LayerContext& context, const Shape& shape, double low, double high) {
  return context.random_uniform(shape, context.config().node("seed")) * (high - low) + low;
}

Var draw(LayerContext& context, const Shape& shape, std::pair<double, double> range) {
  return draw(context, shape, range.first, range.second);
}

Shape per_image(Var x) { return {x.dim(0), Dim(1), Dim(1), Dim(1)}; }

Var draw_chosen(LayerContext& context, Var x, std::pair<double, double> factor) {
  const Var probability = draw(context, per_image(x), factor);
  return less(draw(context, per_image(x), 0, 1), probability);
}

}  // namespace dl
