#include "io/onnx/sampler.h"

#include "ops/builders.h"
#include "ops/indexing.h"

namespace dl::onnx {
namespace {

// Mirrored at both ends until it lies inside.
Var reflect(Var p, double low, double high) {
  const double range = high - low;
  if (range <= 0) return full(*p.graph, p.type(), low);
  const Var t = mod(p - low, 2 * range);
  const Var mirrored = select(greater(t, range), 2 * range - t, t) + low;
  return select(logical_and(greater_equal(p, low), less_equal(p, high)), p, mirrored);
}

// One tap of one axis: where it reads, and with what weight.
struct Tap {
  Var place;   // int64 [n, points]
  Var weight;  // invalid: 1
};

struct AxisTaps {
  const Sampler& sampler;
  int64_t size;
  double low, high;  // where reflection happens

  AxisTaps(const Sampler& s, int64_t n)
      : sampler(s), size(n), low(s.align_corners ? 0 : -0.5), high(static_cast<double>(n) - (s.align_corners ? 1 : 0.5)) {}

  Var bring_inside(Var p) const {
    if (sampler.padding == Sampler::Padding::kBorder) return clip(p, 0, static_cast<double>(size - 1));
    return sampler.padding == Sampler::Padding::kReflection ? reflect(p, low, high) : p;
  }

  // p: a whole number.
  Tap read(Var p, Var weight) const {
    if (sampler.padding == Sampler::Padding::kZeros) {
      const Var inside = logical_and(greater_equal(p, 0.0), less_equal(p, static_cast<double>(size - 1)));
      weight = weight.valid() ? select(inside, weight, 0.0) : cast(inside, p.dtype());
    } else if (sampler.padding == Sampler::Padding::kReflection) {
      p = reflect(p, low, high);
    }
    return {cast(clip(p, 0, static_cast<double>(size - 1)), DType::kInt64), weight};
  }

  std::vector<Tap> taps(Var p) const {
    if (sampler.mode == Sampler::Mode::kNearest) return {read(bring_inside(round(p)), Var{})};
    p = bring_inside(p);
    const Var base = floor(p), t = p - base;
    if (sampler.mode == Sampler::Mode::kLinear) return {read(base, 1.0 - t), read(base + 1.0, t)};
    constexpr double a = -0.75;  // Keys's cubic convolution
    const auto near = [&](Var d) { return ((a + 2) * d - (a + 3)) * d * d + 1.0; };
    const auto far = [&](Var d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    return {read(base - 1.0, far(t + 1.0)), read(base, near(t)), read(base + 1.0, near(1.0 - t)), read(base + 2.0, far(2.0 - t))};
  }
};

}  // namespace

Var sample_at(const Sampler& sampler, Var x, const std::vector<int64_t>& sizes, const std::vector<Var>& places) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  const Var flat = reshape(x, {x.dim(0), x.dim(1), Dim(count)});
  // Every combination of one tap per axis.
  std::vector<Tap> taps = {{Var{}, Var{}}};
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    std::vector<Tap> more;
    for (const Tap& outer : taps)
      for (const Tap& inner : AxisTaps(sampler, sizes[axis]).taps(places[axis]))
        more.push_back({outer.place.valid() ? outer.place * static_cast<double>(sizes[axis]) + inner.place : inner.place,
                        !outer.weight.valid()   ? inner.weight
                        : !inner.weight.valid() ? outer.weight
                                                : outer.weight * inner.weight});
    taps = std::move(more);
  }
  const Dim points = places[0].dim(1);
  Var sum;
  for (const Tap& tap : taps) {
    const Var at = broadcast_to(expand_dims(tap.place, 1), {x.dim(0), x.dim(1), points});
    Var value = gather_elements(flat, at, 2);
    if (tap.weight.valid()) value = value * expand_dims(tap.weight, 1);
    sum = sum.valid() ? sum + value : value;
  }
  return sum;
}

}  // namespace dl::onnx
