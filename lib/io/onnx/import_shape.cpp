// Operators that change shapes without computing: Reshape, Transpose, Concat, Split, Slice, Expand, Tile and their like.
#include <algorithm>
#include <limits>
#include <numeric>

#include "io/onnx/importer.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

OnnxValues import_never(NodeCall& call) { call.unsupported("a shape of this kind"); }  // Shape and Size are always sizes

OnnxValues import_reshape(NodeCall& call) {
  const Var x = call.in(0);
  Shape shape = call.shape_value(1, "the shape");
  const bool zero_is_zero = call.integer("allowzero", 0) != 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!(shape[i] == Dim(0)) || zero_is_zero) continue;
    if (i >= x.shape().size()) call.fail("size 0 in the shape stands for an axis the operand has not");
    shape[i] = x.shape()[i];
  }
  return {reshape(x, std::move(shape))};
}

OnnxValues import_flatten(NodeCall& call) {
  const Var x = call.in(0);
  int64_t axis = call.integer("axis", 1);
  if (axis < -x.rank() || axis > x.rank()) call.fail("axis " + std::to_string(axis) + " is outside of rank " + std::to_string(x.rank()));
  if (axis < 0) axis += x.rank();
  const Shape& s = x.shape();
  return {reshape(x, {element_count(Shape(s.begin(), s.begin() + axis)), element_count(Shape(s.begin() + axis, s.end()))})};
}

OnnxValues import_transpose(NodeCall& call) {
  const Var x = call.in(0);
  Ints perm = call.integers("perm");
  if (!call.has_attribute("perm")) {
    perm.resize(x.shape().size());
    std::iota(perm.rbegin(), perm.rend(), 0);
  }
  return {transpose(x, perm)};
}

OnnxValues import_squeeze(NodeCall& call) {
  const Var x = call.in(0);
  Ints axes;
  if (const std::optional<Ints> given = call.axes(1, 13)) {
    axes = *given;
    for (int64_t axis : axes)
      if (!(x.dim(normalize_axis(axis, x.rank(), "axes")) == Dim(1)))
        call.fail("axis " + std::to_string(axis) + " of " + to_string(x.shape()) + " does not have size 1");
  } else {
    for (int64_t i = 0; i < x.rank(); ++i)
      if (x.dim(i) == Dim(1)) axes.push_back(i);
  }
  return {squeeze(x, axes)};
}

OnnxValues import_unsqueeze(NodeCall& call) {
  const Var x = call.in(0);
  const std::optional<Ints> given = call.axes(1, 13);
  if (!given) call.fail("axes are missing");
  const Ints axes = normalize_axes(*given, x.rank() + static_cast<int64_t>(given->size()), "axes");
  Shape shape = x.shape();
  for (int64_t axis : axes) shape.insert(shape.begin() + axis, Dim(1));
  return {reshape(x, shape)};
}

OnnxValues import_concat(NodeCall& call) {
  std::vector<Var> parts;
  for (size_t i = 0; i < call.inputs(); ++i) parts.push_back(call.in(i));
  if (parts.empty()) call.fail("needs an operand");
  return {concat(parts, call.opset() < 4 ? call.integer("axis", 1) : call.integer("axis"))};
}

OnnxValues import_split(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t axis = normalize_axis(call.integer("axis", 0), x.rank(), "axis");
  const auto count = static_cast<int64_t>(call.outputs());
  if (count < 1) call.fail("has no outputs");
  Shape sizes;
  if (call.opset() < 13)
    sizes = to_shape(call.integers("split"));
  else if (call.has(1))
    sizes = call.shape_value(1, "the sizes of a split");
  if (sizes.empty()) {  // equal parts; from opset 18 the last one may be smaller
    const Dim whole = x.dim(axis);
    std::optional<Dim> each = exact_div(whole, Dim(count));
    if (!each && call.opset() >= 18) each = ceil_div(whole, count);
    if (!each) call.fail("size " + to_string(whole) + " does not divide into " + std::to_string(count) + " parts");
    sizes.assign(static_cast<size_t>(count), *each);
    sizes.back() = whole - *each * Dim(count - 1);
  }
  if (static_cast<int64_t>(sizes.size()) != count) call.fail("has another number of outputs than parts");
  Dim start(0);
  OnnxValues parts;
  for (const Dim size : sizes) {
    parts.emplace_back(slice_axis(x, axis, start, size));
    start = start + size;
  }
  if (!(start == x.dim(axis))) call.fail("the parts have " + to_string(start) + " elements together, the axis " + to_string(x.dim(axis)));
  return parts;
}

// ---- Slice

struct Cut {
  Dim start, size;
  int64_t step;
};

bool is_negative(Dim d) { return d.known() ? d.value() < 0 : to_string(d).starts_with("-"); }
constexpr int64_t kOpenEnd = 1'000'000'000;  // what converters write for an end that is left open, and more
bool is_beyond(Dim d) { return d.known() && (d.value() >= kOpenEnd || d.value() <= -kOpenEnd); }

// Of an axis whose size is symbolic the cut is taken to lie inside; where it does not, binding the sizes says so.
Cut cut_of(NodeCall& call, Dim dim, Dim start, Dim end, int64_t step) {
  if (step == 0) call.fail("a step is 0");
  const bool forward = step > 0;
  if (dim.known() && start.known() && end.known()) {
    const int64_t n = dim.value();
    int64_t first = start.value(), last = end.value();
    if (first < 0) first += first < -(int64_t{1} << 62) ? 0 : n;
    if (last < 0) last += last < -(int64_t{1} << 62) ? 0 : n;
    first = forward ? std::clamp<int64_t>(first, 0, n) : std::clamp<int64_t>(first, -1, n - 1);
    last = forward ? std::clamp<int64_t>(last, 0, n) : std::clamp<int64_t>(last, -1, n - 1);
    const int64_t span = forward ? last - first : first - last;
    const int64_t stride = forward ? step : step == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max() : -step;
    const int64_t size = span <= 0 ? 0 : 1 + (span - 1) / stride;
    return {size ? first : 0, size, size > 1 ? step : 1};
  }
  if (step > (1 << 30) || step < -(1 << 30)) call.unsupported("a step that large over a symbolic size");
  const auto place = [&](Dim d, bool is_end) {
    if (is_beyond(d)) return d.value() > 0 ? (forward || is_end ? dim : dim - Dim(1)) : (forward ? Dim(0) : Dim(-1));
    return is_negative(d) ? dim + d : d;
  };
  Dim first = place(start, false), last = place(end, true);
  if (!forward && is_beyond(start) && start.value() > 0) first = dim - Dim(1);
  const Dim span = forward ? last - first : first - last;
  return {first, ceil_div(span, forward ? step : -step), step};
}

OnnxValues import_slice(NodeCall& call) {
  const Var x = call.in(0);
  Shape starts, ends;
  Ints axes, steps;
  if (call.opset() < 10) {
    starts = to_shape(call.integers("starts")), ends = to_shape(call.integers("ends"));
    axes = call.integers("axes");
  } else {
    starts = call.shape_value(1, "the start of a slice"), ends = call.shape_value(2, "the end of a slice");
    if (call.has(3)) axes = call.ints(3, "the axes of a slice");
    if (call.has(4)) steps = call.ints(4, "the steps of a slice");
  }
  if (axes.empty())
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    call.fail("starts, ends, axes and steps need the same length");
  Shape first(x.shape().size(), Dim(0)), sizes = x.shape();
  Ints strides(x.shape().size(), 1);
  std::vector<char> seen(x.shape().size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], x.rank(), "axes"));
    if (seen[axis]++) call.fail("axis " + std::to_string(axis) + " is named twice");
    const Cut cut = cut_of(call, x.shape()[axis], starts[i], ends[i], steps[i]);
    first[axis] = cut.start, sizes[axis] = cut.size, strides[axis] = cut.step;
  }
  return {slice(x, first, sizes, strides)};
}

// ---- repeating

OnnxValues import_expand(NodeCall& call) {
  const Var x = call.in(0);
  Shape shape = call.shape_value(1, "the shape");
  const Shape& own = x.shape();
  if (own.size() > shape.size()) shape.insert(shape.begin(), own.size() - shape.size(), Dim(1));
  for (size_t i = 0; i < own.size(); ++i) {
    Dim& d = shape[shape.size() - own.size() + i];
    // A size that is not 1 stays: what it is expanded to is 1 or the same.
    if (d == Dim(1) || (own[i].known() && own[i].value() != 1 && !d.known())) d = own[i];
  }
  return {broadcast_to(x, shape)};
}

OnnxValues import_tile(NodeCall& call) {
  const Var x = call.in(0);
  const Shape repeats = call.shape_value(1, "the repeats");
  if (repeats.size() != x.shape().size()) call.fail("repeats need one number for each axis");
  Shape apart, full, out;
  for (size_t i = 0; i < repeats.size(); ++i) {
    if (is_negative(repeats[i])) call.fail("a repeat is negative");
    const Dim d = x.shape()[i];
    if (!(repeats[i] == Dim(1))) apart.push_back(1), full.push_back(repeats[i]);
    apart.push_back(d), full.push_back(d), out.push_back(repeats[i] * d);
  }
  return {reshape(broadcast_to(reshape(x, apart), full), out)};
}

OnnxValues import_constant(NodeCall& call) {
  const auto vector = [](auto list) {
    using T = typename decltype(list)::value_type;
    return Tensor::from<T>({static_cast<int64_t>(list.size())}, list);
  };
  if (call.has_attribute("value")) {
    int32_t narrow = 0;
    OnnxValue value(call.tensor("value", &narrow));
    value.narrow = narrow;
    return {value};
  }
  if (call.has_attribute("value_float")) return {OnnxValue(Tensor::scalar(static_cast<float>(call.real("value_float"))))};
  if (call.has_attribute("value_int")) return {OnnxValue(Tensor::scalar(call.integer("value_int")))};
  if (call.has_attribute("value_floats")) return {OnnxValue(vector(call.floats("value_floats")).cast(DType::kFloat32))};
  if (call.has_attribute("value_ints")) return {OnnxValue(vector(call.integers("value_ints")))};
  call.unsupported("a constant that is no dense tensor of numbers");
}

OnnxValues import_constant_of_shape(NodeCall& call) {
  const Shape shape = call.shape_value(0, "the shape");
  Tensor value = Tensor::scalar(0.0f);
  if (call.has_attribute("value")) value = call.tensor("value");
  if (value.size() != 1) call.fail("its value must be one number");
  for (const Dim d : shape)
    if (is_negative(d)) call.fail("the shape " + to_string(shape) + " has a negative size");
  return {broadcast_to(constant(call.graph(), value.reshaped({})), shape)};
}

constexpr OpRow kShapeRows[] = {
    {"Shape", 1, import_never, kAnyType},         {"Size", 1, import_never, kAnyType},
    {"Reshape", 5, import_reshape, kAnyType},     {"Flatten", 1, import_flatten, kAnyType},
    {"Transpose", 1, import_transpose, kAnyType}, {"Squeeze", 1, import_squeeze, kAnyType},
    {"Unsqueeze", 1, import_unsqueeze, kAnyType}, {"Concat", 1, import_concat, kAnyType},
    {"Split", 2, import_split, kAnyType},         {"Slice", 1, import_slice, kAnyType},
    {"Expand", 8, import_expand, kAnyType},       {"Tile", 6, import_tile, kAnyType},
    {"Constant", 1, import_constant, kAnyType},   {"ConstantOfShape", 9, import_constant_of_shape, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_shape() { return kShapeRows; }

}  // namespace dl::onnx
