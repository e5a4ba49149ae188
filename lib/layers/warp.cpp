#include "layers/warp.h"

#include <algorithm>
#include <limits>

#include "ops/builders.h"

namespace dl {
namespace {

// A coordinate outside of 0 .. size - 1 brought into it; left alone under "constant".
Var fold_coordinate(Var c, int64_t size, const std::string& mode) {
  const auto n = static_cast<double>(size), last = n - 1;
  if (mode == "constant") return c;
  if (size == 1) return zeros_like(c);
  Var folded = c;
  if (mode == "reflect") {  // dcba|abcd|dcba
    const Var below = c + 2 * n * floor(-c / (2 * n)), above = c - 2 * n * floor(c / (2 * n));
    const Var low = select(less(below, -n), below + 2 * n, -below - 1.0),
              high = select(greater_equal(above, n), 2 * n - above - 1.0, above);
    folded = select(less(c, 0.0), low, select(greater(c, last), high, c));
  } else if (mode == "wrap") {  // abcd|abcd|abcd
    const Var low = c + n * (floor(-c / last) + 1.0), high = c - n * floor(c / last);
    folded = select(less(c, 0.0), low, select(greater(c, last), high, c));
  }
  return clip(folded, 0, last);
}

// The same for whole coordinates, one by one.
Var fold_whole(Var c, int64_t size, const std::string& mode) {
  const auto n = static_cast<double>(size);
  if (mode == "constant") return c;
  const auto within = [&](double period) { return c - period * floor(c / period); };
  if (mode == "wrap") return within(n);
  if (mode == "nearest") return clip(c, 0, n - 1);
  const double period = mode == "reflect" ? 2 * n : std::max(2 * n - 2, 1.0), last = mode == "reflect" ? period - 1 : period;
  const Var folded = within(period);
  return size == 1 ? zeros_like(c) : minimum(folded, last - folded);
}

Var is_inside(Var c, int64_t size) { return logical_and(greater_equal(c, 0.0), less(c, static_cast<double>(size))); }

// The pixels of an image with channels last at whole coordinates [batch, height, width].
class Pixels {
 public:
  Pixels(Var x, int64_t height, int64_t width, bool check, double fill) : height_(height), width_(width), check_(check), fill_(fill) {
    const Dim batch = x.dim(0);
    const auto size = static_cast<double>(height * width);
    flat_ = reshape(x, {batch * Dim(height * width), x.dim(3)});
    start_ = iota(*x.graph, DType::kInt64, {batch, Dim(1), Dim(1)}, 0) * size;
  }

  Var at(Var x, Var y) const {
    const Var column = cast(clip(x, 0, static_cast<double>(width_ - 1)), DType::kInt64);
    const Var row = cast(clip(y, 0, static_cast<double>(height_ - 1)), DType::kInt64);
    const Var value = gather(flat_, start_ + row * static_cast<double>(width_) + column, 0);
    if (!check_) return value;
    return select(expand_dims(logical_and(is_inside(x, width_), is_inside(y, height_)), -1), value, fill_);
  }

 private:
  Var flat_, start_;
  int64_t height_, width_;
  bool check_;
  double fill_;
};

Var round_half_away(Var c) { return sign(c) * floor(abs(c) + 0.5); }

Var sample_pixels(const Pixels& pixels, Var x, Var y, const std::string& interpolation) {
  if (interpolation == "nearest") return pixels.at(round_half_away(x), round_half_away(y));
  const Var left = floor(x), top = floor(y);
  const Var right = left + 1.0, bottom = top + 1.0;
  const Var to_right = expand_dims(x - left, -1), to_left = expand_dims(right - x, -1);
  const Var upper = to_left * pixels.at(left, top) + to_right * pixels.at(right, top);
  const Var lower = to_left * pixels.at(left, bottom) + to_right * pixels.at(right, bottom);
  return expand_dims(bottom - y, -1) * upper + expand_dims(y - top, -1) * lower;
}

}  // namespace

Shape per_map(Var x) { return {x.dim(0), Dim(1), Dim(1)}; }

std::vector<ConfigKey> warp_keys(const char* fill_mode) {
  std::vector<ConfigKey> keys = {choice_key("interpolation", {"bilinear", "nearest"}, "bilinear"),
                                 float_key("fill_value", 0, -std::numeric_limits<double>::infinity()), seed_key(), data_format_key()};
  if (fill_mode) keys.push_back(choice_key("fill_mode", {"reflect", "wrap", "constant", "nearest"}, fill_mode));
  return keys;
}

Var warp(const LayerContext& context, const Image& image, const Projection& p, const std::string& fill_mode) {
  Graph& graph = *image.x.graph;
  const int64_t height = image.height(), width = image.width();
  Var x = cast(image.x, DType::kFloat32);
  if (image.channels_first) x = transpose(x, {0, 2, 3, 1});
  const Var column = iota(graph, DType::kFloat32, {Dim(1), Dim(1), Dim(width)}, 2);
  const Var row = iota(graph, DType::kFloat32, {Dim(1), Dim(height), Dim(1)}, 1);
  const Var zero = zeros_like(row) + zeros_like(column) + iota(graph, DType::kFloat32, per_map(x), 1);
  const auto combine = [&](Var a, Var b, Var c) {
    Var sum = zero;
    if (a.valid()) sum = sum + a * column;
    if (b.valid()) sum = sum + b * row;
    return c.valid() ? sum + c : sum;
  };
  Var from_x = combine(p.a0, p.a1, p.a2), from_y = combine(p.b0, p.b1, p.b2);
  const double fill = context.config().real("fill_value");
  const bool projective = p.c0.valid() || p.c1.valid();
  Var k;
  if (projective) {
    k = combine(p.c0, p.c1, {}) + 1.0;
    const Var divisor = select(equal(k, 0.0), 1.0, k);
    from_x = from_x / divisor;
    from_y = from_y / divisor;
  }
  const Pixels pixels(x, height, width, fill_mode == "constant", fill);
  Var y = sample_pixels(pixels, fold_coordinate(from_x, width, fill_mode), fold_coordinate(from_y, height, fill_mode),
                        context.config().text("interpolation"));
  if (projective) y = select(expand_dims(equal(k, 0.0), -1), fill, y);
  if (image.channels_first) y = transpose(y, {0, 3, 1, 2});
  return cast(y, image.x.dtype());
}

Var move_pixels(const LayerContext& context, const Image& image, Var right, Var down) {
  Graph& graph = *image.x.graph;
  const int64_t height = image.height(), width = image.width();
  const std::string& mode = context.config().text("fill_mode");
  Var x = cast(image.x, DType::kFloat32);
  if (image.channels_first) x = transpose(x, {0, 2, 3, 1});
  const Pixels pixels(x, height, width, mode == "constant", context.config().real("fill_value"));
  const auto fold = [&](Var c, int64_t size) { return fold_whole(c, size, mode); };
  const Var from_x = iota(graph, DType::kFloat32, {Dim(1), Dim(1), Dim(width)}, 2) + right;
  const Var from_y = iota(graph, DType::kFloat32, {Dim(1), Dim(height), Dim(1)}, 1) + down;
  Var y;
  if (context.config().text("interpolation") == "nearest") {
    y = pixels.at(fold(round_half_away(from_x), width), fold(round_half_away(from_y), height));
  } else {
    const Var left = floor(from_x), top = floor(from_y);
    const Var wx = expand_dims(from_x - left, -1), wy = expand_dims(from_y - top, -1);
    const auto row = [&](Var at) {
      const Var here = fold(at, height);
      return (1.0 - wx) * pixels.at(fold(left, width), here) + wx * pixels.at(fold(left + 1.0, width), here);
    };
    y = (1.0 - wy) * row(top) + wy * row(top + 1.0);
  }
  return cast(image.channels_first ? transpose(y, {0, 3, 1, 2}) : y, image.x.dtype());
}

}  // namespace dl
