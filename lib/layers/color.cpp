#include "layers/color.h"

#include <fmt/format.h>

#include "base/error.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var color_channel(const Image& image, int64_t index) { return slice_axis(image.x, image.channel_axis, index, 1); }

void require_channels(const Image& image, bool one_too) {
  const Dim channels = image.x.dim(image.channel_axis);
  if (channels == Dim(3) || (one_too && channels == Dim(1))) return;
  throw UserError(fmt::format("needs {}3 channels (red, green, blue), got {} in {}", one_too ? "1 or " : "", to_string(channels),
                              to_string(image.x.shape())));
}

Var draw_like(LayerContext& context, Var x, double low, double high) { return cast(draw(context, per_image(x), low, high), x.dtype()); }

}  // namespace

Var to_gray(const Image& image) {
  require_channels(image, true);
  if (image.x.dim(image.channel_axis) == Dim(1)) return image.x;
  return color_channel(image, 0) * 0.2989 + color_channel(image, 1) * 0.5870 + color_channel(image, 2) * 0.1140;
}

Hsv rgb_to_hsv(const Image& image) {
  require_channels(image, false);
  const Var r = color_channel(image, 0), g = color_channel(image, 1), b = color_channel(image, 2);
  const Var value = maximum(maximum(r, g), b), range = value - minimum(minimum(r, g), b);
  const Var saturation = select(greater(value, 0.0), range / select(greater(value, 0.0), value, 1.0), 0.0);
  const Var colored = greater(range, 0.0);
  const Var scale = 1.0 / (6.0 * select(colored, range, 1.0));
  const Var from_red = scale * (g - b), from_green = scale * (b - r) + 2.0 / 6, from_blue = scale * (r - g) + 4.0 / 6;
  const Var hue = select(colored, select(equal(r, value), from_red, select(equal(g, value), from_green, from_blue)), 0.0);
  return {select(less(hue, 0.0), hue + 1.0, hue), saturation, value};
}

Var hsv_to_rgb(const Hsv& hsv, int64_t channel_axis) {
  const Var turn = hsv.hue * 6.0, white = 1.0 - hsv.saturation;
  const auto mix = [&](Var share) { return (white + hsv.saturation * clip(share, 0, 1)) * hsv.value; };
  return concat({mix(abs(turn - 3.0) - 1.0), mix(2.0 - abs(turn - 2.0)), mix(2.0 - abs(turn - 4.0))}, channel_axis);
}

Var change_range(Var x, std::pair<double, double> from, std::pair<double, double> to) {
  if (from == to) return x;
  return (x - from.first) / (from.second - from.first) * (to.second - to.first) + to.first;
}

Var clip_to(Var x, std::pair<double, double> range) { return clip(x, range.first, range.second); }

std::vector<ConfigKey> color_keys() { return {floats_key("factor", {}, true), value_range_key(), seed_key(), data_format_key()}; }
std::vector<ConfigKey> color_keys(spec::Node factor) {
  return {floats_key("factor", std::move(factor)), value_range_key(), seed_key(), data_format_key()};
}

Var vary_brightness(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  const std::pair<double, double> range = value_range(context.config());
  const Var delta = draw(context, per_image(image.x), factor) * (range.second - range.first);
  return clip_to(image.x + cast(delta, image.x.dtype()), range);
}

Var vary_contrast(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  const Var contrast = draw_like(context, image.x, 1 - factor.first, 1 + factor.second);
  const Var mean = reduce_mean(image.x, {image.height_axis, image.width_axis}, true);
  return clip_to((image.x - mean) * contrast + mean, value_range(context.config()));
}

Var vary_saturation(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  const Var drawn = draw(context, per_image(image.x), factor);
  Hsv hsv = rgb_to_hsv(image);
  hsv.saturation = clip_to(hsv.saturation * cast(drawn / (1.0 - drawn + 1e-7), image.x.dtype()), value_range(context.config()));
  return hsv_to_rgb(hsv, image.channel_axis);
}

Var vary_hue(LayerContext& context, const Image& image, std::pair<double, double> factor) {
  const std::pair<double, double> range = value_range(context.config()), unit = {0, 1};
  const Var side = draw(context, per_image(image.x), 0, 1), size = draw(context, per_image(image.x), factor) * 0.5;
  Image scaled = image;
  scaled.x = change_range(image.x, range, unit);
  Hsv hsv = rgb_to_hsv(scaled);
  hsv.hue = hsv.hue + cast(select(greater(side, 0.5), -size, size), image.x.dtype());
  hsv.hue = select(greater(hsv.hue, 1.0), hsv.hue - 1.0, hsv.hue);
  hsv.hue = select(less(hsv.hue, 0.0), hsv.hue + 1.0, hsv.hue);
  return change_range(clip(hsv_to_rgb(hsv, image.channel_axis), 0, 1), unit, range);
}

}  // namespace dl
