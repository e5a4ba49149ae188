// Resize and Upsample: along each axis a fixed matrix with few elements per row, applied as gathers or as one product.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/onnx/import_util.h"

namespace dl::onnx {
namespace {

using Reals = std::vector<double>;
constexpr int64_t kMaxSize = int64_t{1} << 24;  // of an axis

struct Method {
  std::string mode = "nearest", coordinates = "half_pixel", nearest = "round_prefer_floor";
  double cubic = -0.75, extrapolation = 0;
  bool exclude_outside = false, antialias = false;
};

// One axis: sizes, the factor and the region of interest.
struct AxisPlan {
  int64_t in = 0, out = 0;
  double scale = 1, roi_begin = 0, roi_end = 1;
};

// An output element is the sum of `weights` times the elements from `first` on; those outside of the axis are its ends.
struct Taps {
  int64_t first = 0;
  Reals weights;
  bool outside = false;  // tf_crop_and_resize: takes the extrapolation value
};

// The place in the input of output element i.
double source_place(NodeCall& call, const Method& m, const AxisPlan& a, int64_t i) {
  const double width = static_cast<double>(a.in), resized = a.scale * width, x = static_cast<double>(i);
  if (m.coordinates == "half_pixel") return (x + 0.5) / a.scale - 0.5;
  if (m.coordinates == "asymmetric") return x / a.scale;
  if (m.coordinates == "align_corners") return resized == 1 ? 0 : x * (width - 1) / (resized - 1);
  if (m.coordinates == "pytorch_half_pixel") return resized == 1 ? -0.5 : (x + 0.5) / a.scale - 0.5;
  if (m.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / a.scale;
  if (m.coordinates == "half_pixel_symmetric") return width / 2 * (1 - static_cast<double>(a.out) / resized) + (x + 0.5) / a.scale - 0.5;
  if (m.coordinates == "tf_crop_and_resize") {
    const double begin = a.roi_begin * (width - 1), length = (a.roi_end - a.roi_begin) * (width - 1);
    return begin + (resized == 1 ? length / 2 : x * length / (resized - 1));
  }
  call.fail(fmt::format("coordinate_transformation_mode '{}' is not known", m.coordinates));
}

double cubic_kernel(double a, double x) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

Taps nearest_taps(NodeCall& call, const Method& m, double place, double scale) {
  const double below = std::floor(place), part = place - below;
  const bool up = m.nearest == "round_prefer_floor"  ? part > 0.5
                  : m.nearest == "round_prefer_ceil" ? part >= 0.5
                  : m.nearest == "ceil"              ? part > 0
                  : m.nearest == "simple"            ? part > 0 && scale < 1
                  : m.nearest == "floor"             ? false
                                                     : (call.fail(fmt::format("nearest_mode '{}' is not known", m.nearest)), false);
  return {static_cast<int64_t>(below) + up, {1}};
}

// Weights of the `reach` elements on either side. Where the picture shrinks, antialiasing widens the kernel by as much.
Taps kernel_taps(const Method& m, double place, double scale) {
  const bool linear = m.mode == "linear";
  const double stretch = m.antialias ? std::min(scale, 1.0) : 1;
  const double below = std::floor(place);
  const double part = place == below ? 1 : place - below;  // in (0, 1]
  const auto start = static_cast<int64_t>(std::floor((linear ? -1 : -2) / stretch)) + 1;
  const int64_t end = 2 - start;
  Taps taps{static_cast<int64_t>(place == below ? below - 1 : below) + start, {}};
  double sum = 0;
  for (int64_t i = start; i < end; ++i) {
    const double x = (static_cast<double>(i) - part) * stretch;
    taps.weights.push_back(linear ? std::max(0.0, 1 - std::abs(x)) : cubic_kernel(m.cubic, x));
    sum += taps.weights.back();
  }
  if (m.antialias)
    for (double& w : taps.weights) w /= sum;
  return taps;
}

std::vector<Taps> plan_taps(NodeCall& call, const Method& m, const AxisPlan& a) {
  std::vector<Taps> all;
  for (int64_t i = 0; i < a.out; ++i) {
    const double place = source_place(call, m, a, i);
    if (!(std::abs(place) < 1e15)) call.fail("a scale is out of range");
    Taps taps = m.mode == "nearest" ? nearest_taps(call, m, place, a.scale) : kernel_taps(m, place, a.scale);
    taps.outside = m.coordinates == "tf_crop_and_resize" && (place < 0 || place > static_cast<double>(a.in - 1));
    if (m.exclude_outside && m.mode != "nearest") {
      double sum = 0;
      for (size_t k = 0; k < taps.weights.size(); ++k) {
        const int64_t at = taps.first + static_cast<int64_t>(k);
        if (at < 0 || at >= a.in) taps.weights[k] = 0;
        sum += taps.weights[k];
      }
      for (double& w : taps.weights) w /= sum == 0 ? 1 : sum;
    }
    all.push_back(std::move(taps));
  }
  return all;
}

// Element `tap` of every row of the plan: the places and the weights.
Var pick(NodeCall& call, Var x, int64_t axis, const std::vector<Taps>& plan, size_t tap, int64_t in) {
  std::vector<int64_t> places;
  for (const Taps& t : plan) places.push_back(std::clamp<int64_t>(t.first + static_cast<int64_t>(tap), 0, in - 1));
  return gather(x, integers(call.graph(), {static_cast<int64_t>(places.size())}, places), axis);
}

Var by_gathers(NodeCall& call, Var x, int64_t axis, const std::vector<Taps>& plan, int64_t in) {
  Var sum;
  for (size_t tap = 0; tap < plan[0].weights.size(); ++tap) {
    Reals weights;
    for (const Taps& t : plan) weights.push_back(t.weights[tap]);
    if (std::all_of(weights.begin(), weights.end(), [](double w) { return w == 0; })) continue;
    Var term = pick(call, x, axis, plan, tap, in);
    if (!std::all_of(weights.begin(), weights.end(), [](double w) { return w == 1; }))
      term = term * along_axis(numbers(call.graph(), x.dtype(), {static_cast<int64_t>(weights.size())}, weights), axis, x.rank());
    sum = sum.valid() ? sum + term : term;
  }
  return sum;
}

Var by_matrix(NodeCall& call, Var x, int64_t axis, const std::vector<Taps>& plan, int64_t in) {
  const auto out = static_cast<int64_t>(plan.size());
  Reals matrix(static_cast<size_t>(in * out), 0);
  for (size_t row = 0; row < plan.size(); ++row)
    for (size_t k = 0; k < plan[row].weights.size(); ++k) {
      const int64_t at = std::clamp<int64_t>(plan[row].first + static_cast<int64_t>(k), 0, in - 1);
      matrix[row * static_cast<size_t>(in) + static_cast<size_t>(at)] += plan[row].weights[k];
    }
  std::vector<int64_t> perm;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i != axis) perm.push_back(i);
  perm.push_back(axis);
  std::vector<int64_t> back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  const Var moved = x.rank() == 1 ? expand_dims(x, 0) : transpose(x, perm);
  const Var y = matmul(moved, numbers(call.graph(), x.dtype(), {out, in}, matrix), false, true);
  return x.rank() == 1 ? squeeze(y, {0}) : transpose(y, back);
}

constexpr size_t kMaxGathers = 4;  // taps; more go through a matrix

Var resize_axis(NodeCall& call, Var x, int64_t axis, const Method& m, const AxisPlan& a) {
  if (a.out == 0) return slice_axis(x, axis, 0, 0);
  if (a.in == 0) call.fail("an axis of size 0 cannot be enlarged");
  const std::vector<Taps> plan = plan_taps(call, m, a);
  const Var y = plan[0].weights.size() <= kMaxGathers ? by_gathers(call, x, axis, plan, a.in) : by_matrix(call, x, axis, plan, a.in);
  if (std::none_of(plan.begin(), plan.end(), [](const Taps& t) { return t.outside; })) return y;
  Tensor outside(DType::kBool, {a.out});
  for (int64_t i = 0; i < a.out; ++i) outside.set(i, plan[static_cast<size_t>(i)].outside);
  return select(along_axis(constant(call.graph(), outside), axis, x.rank()), m.extrapolation, y);
}

Var resize(NodeCall& call, Var x, const std::vector<int64_t>& axes, const std::vector<AxisPlan>& plans, const Method& m) {
  if (m.mode != "nearest" && m.mode != "linear" && m.mode != "cubic") call.fail(fmt::format("mode '{}' is not known", m.mode));
  const DType type = x.dtype();
  const bool through_float = !is_float(type) && m.mode != "nearest";
  Var y = through_float ? cast(x, DType::kFloat64) : x;
  for (size_t i = 0; i < axes.size(); ++i) {
    const AxisPlan& a = plans[i];
    const bool same = a.in == a.out && a.scale == 1;
    if (same && (m.coordinates != "tf_crop_and_resize" || (a.roi_begin == 0 && a.roi_end == 1))) continue;
    y = resize_axis(call, y, axes[i], m, a);
  }
  return through_float ? cast(round(y), type) : y;
}

// ---- Resize

void check_scales(NodeCall& call, const Reals& scales, size_t axes) {
  if (scales.size() != axes) call.fail(fmt::format("has {} scales for {} axes", scales.size(), axes));
  for (const double s : scales)
    if (!(s > 0) || s > 1e9) call.fail("scales must be positive");
}

int64_t scaled_size(NodeCall& call, int64_t in, double scale) {
  // The scale is a float32: 3 * 1.3333334 is 4, and 7 * 0.14285715 is 1.
  const auto out = static_cast<int64_t>(std::floor(static_cast<float>(in) * static_cast<float>(scale)));
  if (out > kMaxSize) call.fail(fmt::format("an axis would get {} elements", out));
  return out;
}

// By the sizes wanted: how the ratio of the sides is kept.
void apply_sizes(NodeCall& call, const std::vector<int64_t>& sizes, std::vector<AxisPlan>& plans) {
  const std::string policy = call.text("keep_aspect_ratio_policy", "stretch");
  double least = INFINITY, most = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    AxisPlan& a = plans[i];
    if (sizes[i] < 0 || sizes[i] > kMaxSize) call.fail(fmt::format("an axis would get {} elements", sizes[i]));
    a.out = sizes[i];
    a.scale = static_cast<double>(a.out) / static_cast<double>(a.in);
    least = std::min(least, a.scale), most = std::max(most, a.scale);
  }
  if (policy == "stretch") return;
  if (policy != "not_larger" && policy != "not_smaller") call.fail(fmt::format("keep_aspect_ratio_policy '{}' is not known", policy));
  for (AxisPlan& a : plans) {
    a.scale = policy == "not_larger" ? least : most;
    a.out = static_cast<int64_t>(a.scale * static_cast<double>(a.in) + 0.5);
  }
}

Method resize_method(NodeCall& call) {
  Method m;
  m.mode = call.text("mode", "nearest");
  if (call.opset() < 11) {
    m.coordinates = "asymmetric", m.nearest = "simple";
    return m;
  }
  m.coordinates = call.text("coordinate_transformation_mode", "half_pixel");
  m.nearest = call.text("nearest_mode", "round_prefer_floor");
  m.cubic = call.real("cubic_coeff_a", -0.75);
  m.extrapolation = call.real("extrapolation_value", 0);
  m.exclude_outside = call.integer("exclude_outside", 0) != 0;
  m.antialias = call.integer("antialias", 0) != 0 && m.mode != "nearest";
  return m;
}

std::vector<int64_t> resized_axes(NodeCall& call, int64_t rank) {
  std::vector<int64_t> axes = call.integers("axes");
  if (!call.has_attribute("axes"))
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  for (int64_t& axis : axes) axis = checked_axis(call, axis, rank);
  return axes;
}

// An empty tensor stands for one that is left out.
bool gives(NodeCall& call, size_t i) {
  if (!call.has(i)) return false;
  if (const auto sizes = call.sizes(i)) return !sizes->dims.empty();
  return !(element_count(call.in(i).shape()) == Dim(0));
}

// Axes that stay as they are may be of symbolic size.
void drop_unchanged(std::vector<int64_t>& axes, Reals& scales) {
  for (size_t i = axes.size(); i-- > 0;)
    if (scales[i] == 1)
      axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(i)), scales.erase(scales.begin() + static_cast<std::ptrdiff_t>(i));
}

std::vector<AxisPlan> plan_axes(NodeCall& call, Var x, const std::vector<int64_t>& axes) {
  Shape sizes;
  for (const int64_t axis : axes) sizes.push_back(x.dim(axis));
  std::vector<AxisPlan> plans;
  for (const int64_t in : known_shape(call, sizes, "the size that is resized")) plans.push_back({in, in});
  return plans;
}

// Does the nearest element come down to repeating each one, whatever the sizes?
bool repeats(const Method& m, const Reals& scales) {
  const bool floor = m.coordinates == "asymmetric" && m.nearest == "floor";
  const bool center = m.coordinates == "half_pixel" && m.nearest.starts_with("round_prefer");
  const bool whole = std::all_of(scales.begin(), scales.end(), [](double s) { return s >= 1 && s == std::floor(s) && s <= 1 << 20; });
  return m.mode == "nearest" && (floor || center) && whole;
}

Var repeat(Var x, int64_t axis, int64_t times) {
  Shape wide = x.shape(), merged = x.shape();
  wide.insert(wide.begin() + axis + 1, Dim(times));
  merged[static_cast<size_t>(axis)] = merged[static_cast<size_t>(axis)] * Dim(times);
  return reshape(broadcast_to(expand_dims(x, axis + 1), wide), merged);
}

OnnxValues resize_by_scales(NodeCall& call, Var x, std::vector<int64_t> axes, Reals scales, const Method& m) {
  check_scales(call, scales, axes.size());
  drop_unchanged(axes, scales);
  if (repeats(m, scales)) {
    for (size_t i = 0; i < axes.size(); ++i) x = repeat(x, axes[i], static_cast<int64_t>(scales[i]));
    return {x};
  }
  std::vector<AxisPlan> plans = plan_axes(call, x, axes);
  for (size_t i = 0; i < axes.size(); ++i) plans[i].scale = scales[i], plans[i].out = scaled_size(call, plans[i].in, scales[i]);
  return {resize(call, x, axes, plans, m)};
}

OnnxValues import_resize(NodeCall& call) {
  const Var x = call.in(0);
  const Method m = resize_method(call);
  std::vector<int64_t> axes = resized_axes(call, x.rank());
  if (call.opset() < 11) return resize_by_scales(call, x, axes, call.reals(1, "the scales"), m);
  const bool crop = m.coordinates == "tf_crop_and_resize", by_scales = gives(call, 2);
  if (by_scales && gives(call, 3)) call.fail("has both scales and sizes");
  if (by_scales && !crop) return resize_by_scales(call, x, axes, call.reals(2, "the scales"), m);
  if (!by_scales && !gives(call, 3)) call.fail("has neither scales nor sizes");
  if (!by_scales && !crop) {
    // Sizes equal to the symbolic ones of the operand leave their axes alone.
    Shape wanted = call.shape_value(3, "the sizes");
    if (wanted.size() != axes.size()) call.fail(fmt::format("has {} sizes for {} axes", wanted.size(), axes.size()));
    for (size_t i = axes.size(); i-- > 0;)
      if (!x.dim(axes[i]).known() && wanted[i] == x.dim(axes[i]) && call.text("keep_aspect_ratio_policy", "stretch") == "stretch")
        axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(i)), wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(i));
    std::vector<AxisPlan> plans = plan_axes(call, x, axes);
    apply_sizes(call, known_shape(call, wanted, "the sizes"), plans);
    return {resize(call, x, axes, plans, m)};
  }
  std::vector<AxisPlan> plans = plan_axes(call, x, axes);
  const Reals roi = call.reals(1, "the region of interest");
  if (roi.size() != 2 * axes.size()) call.fail(fmt::format("roi has {} numbers for {} axes", roi.size(), axes.size()));
  const Reals scales = by_scales ? call.reals(2, "the scales") : Reals();
  if (by_scales)
    check_scales(call, scales, axes.size());
  else
    apply_sizes(call, known_shape(call, call.shape_value(3, "the sizes"), "the sizes"), plans);
  for (size_t i = 0; i < axes.size(); ++i) {
    plans[i].roi_begin = roi[i], plans[i].roi_end = roi[axes.size() + i];
    if (by_scales) plans[i].scale = scales[i], plans[i].out = scaled_size(call, plans[i].in, scales[i]);
  }
  return {resize(call, x, axes, plans, m)};
}

OnnxValues import_upsample(NodeCall& call) {
  if (call.opset() >= 10) call.fail("is no operator of this opset; Resize is");
  const Var x = call.in(0);
  Method m;
  m.mode = call.text("mode", "nearest");
  m.coordinates = "asymmetric", m.nearest = "floor";
  const Reals scales = call.opset() < 9 ? call.floats("scales") : call.reals(1, "the scales");
  return resize_by_scales(call, x, resized_axes(call, x.rank()), scales, m);
}

constexpr OpRow kResizeRows[] = {{"Resize", 10, import_resize}, {"Upsample", 7, import_upsample}};

}  // namespace

std::span<const OpRow> onnx_rows_resize() { return kResizeRows; }

}  // namespace dl::onnx
