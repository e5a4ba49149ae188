#include "layers/warp.h"
#include "ops/builders.h"

namespace dl {
namespace {

struct QuadPoint {
  Var x, y;
};

// The map from a quadrilateral to the rectangle (0, 0) .. (width, height); corners in the order of the unit square's
// (0, 0), (1, 0), (1, 1), (0, 1). P. Heckbert, Fundamentals of Texture Mapping and Image Warping, 1989, section 2.2.3.
Projection quad_to_rectangle(const QuadPoint& p0, const QuadPoint& p1, const QuadPoint& p2, const QuadPoint& p3, double width,
                             double height) {
  const Var dx1 = p1.x - p2.x, dx2 = p3.x - p2.x, dy1 = p1.y - p2.y, dy2 = p3.y - p2.y;
  const Var sx = p0.x - p1.x + p2.x - p3.x, sy = p0.y - p1.y + p2.y - p3.y;
  const Var divisor = dx1 * dy2 - dx2 * dy1;
  const Var g = (sx * dy2 - dx2 * sy) / divisor, h = (dx1 * sy - sx * dy1) / divisor;
  const Var a = p1.x - p0.x + g * p1.x, b = p3.x - p0.x + h * p3.x, c = p0.x;
  const Var d = p1.y - p0.y + g * p1.y, e = p3.y - p0.y + h * p3.y, f = p0.y;
  const Var whole = a * e - b * d;
  return {(e - f * h) * width / whole,  (c * h - b) * width / whole,      (b * f - c * e) * width / whole, (f * g - d) * height / whole,
          (a - c * g) * height / whole, (c * d - a * f) * height / whole, (d * h - e * g) / whole,         (b * g - a * h) / whole};
}

}  // namespace

const LayerDef layer_random_perspective = {
    .class_name = "RandomPerspective",
    .summary = "In training, moves the corners of images at random, of a share `factor` of them.",
    .keys = join_keys({floats_key("factor", spec::Node::real(1)), float_key("scale", 1, 0, 1)}, warp_keys(nullptr)),
    .check = [](Layer& layer, spec::Reader& reader) { check_factor(layer, reader, "factor", kShare); },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const Var chosen = draw_chosen(context, image.x, factor_range(context.config(), "factor", kShare));
      const double reach = 0.5 * context.config().real("scale");
      const auto right = static_cast<double>(image.width() - 1), bottom = static_cast<double>(image.height() - 1);
      const auto moved = [&](double at) { return draw(context, per_map(image.x), at * (1 - reach), at * (1 + reach)); };
      const auto corner = [&](double x, double y) { return QuadPoint{moved(x), moved(y)}; };
      const QuadPoint p0 = corner(0, 0), p1 = corner(right, 0), p2 = corner(right, bottom), p3 = corner(0, bottom);
      return {{select(chosen, warp(context, image, quad_to_rectangle(p0, p1, p2, p3, right, bottom), "constant"), image.x), {}}};
    },
};

}  // namespace dl
