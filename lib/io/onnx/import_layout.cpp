// Pad in all modes, and operators that fill or rearrange by position: Range, EyeLike, Trilu, OneHot, DepthToSpace, ReverseSequence.
#include <algorithm>
#include <cmath>

#include "io/onnx/import_util.h"
#include "io/onnx/importer.h"
#include "io/onnx/tensor_data.h"
#include "io/onnx/windows.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

constexpr int64_t kMaxElements = int64_t{1} << 27;  // of what a few numbers in a file may ask for

// ---- Pad

// For each place of a padded axis the place in an axis of n elements that it repeats.
Ints sources(NodeCall& call, const std::string& mode, int64_t n, int64_t before, int64_t after) {
  if (n > kMaxElements || n + before + after > kMaxElements) call.unsupported("padding that large");
  if (n == 0) call.fail("mode " + mode + " has nothing to repeat along an axis of size 0");
  Ints places;
  for (int64_t i = -before; i < n + after; ++i) {
    if (mode == "edge") {
      places.push_back(std::clamp<int64_t>(i, 0, n - 1));
    } else if (mode == "wrap") {
      places.push_back((i % n + n) % n);
    } else {  // reflect, without the edge twice
      const int64_t period = std::max<int64_t>(1, 2 * (n - 1)), at = (i % period + period) % period;
      places.push_back(at < n ? at : period - at);
    }
  }
  return places;
}

// The same for an axis whose size is symbolic, from slices; reflect and wrap reach no further than the axis is long.
Var repeat_ends(NodeCall& call, const std::string& mode, Var x, int64_t axis, int64_t before, int64_t after) {
  const Dim n = x.dim(axis);
  std::vector<Var> parts;
  const auto edge = [&](Dim at, int64_t count) {
    Shape shape = x.shape();
    shape[static_cast<size_t>(axis)] = count;
    return broadcast_to(slice_axis(x, axis, at, 1), shape);
  };
  if (mode != "edge" && mode != "reflect") call.unsupported("mode " + mode + " over a symbolic size");
  if (before > 0) parts.push_back(mode == "edge" ? edge(0, before) : slice_axis(x, axis, before, before, -1));
  parts.push_back(x);
  if (after > 0) parts.push_back(mode == "edge" ? edge(n - Dim(1), after) : slice_axis(x, axis, n - Dim(2), after, -1));
  return concat(parts, axis);
}

Var pad_constant(NodeCall& call, Var x, const Ints& before, const Ints& after) {
  Shape low, high;
  for (size_t i = 0; i < before.size(); ++i) low.emplace_back(before[i]), high.emplace_back(after[i]);
  if (call.opset() < 11) return pad(x, low, high, call.real("value", 0));
  if (!call.has(2)) return pad(x, low, high, 0);
  if (const std::optional<Tensor> known = call.try_concrete(2)) {
    if (known->size() != 1) call.fail("the value must be one number");
    const double value = known->at(0);
    if (!is_integer(x.dtype()) || std::abs(value) < 0x1p53) return pad(x, low, high, value);
  }
  // The value is computed: it takes the places that a padded mask leaves.
  const Var inside = pad(full(call.graph(), {DType::kUInt8, x.shape()}, 1), low, high, 0);
  return select(equal(inside, 0.0), reshape(call.in(2), {}), pad(x, low, high, 0));
}

OnnxValues import_pad(NodeCall& call) {
  Var x = call.in(0);
  const std::string mode = call.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") call.fail("mode is '" + mode.substr(0, 40) + "'");
  const Ints pads = call.opset() < 11 ? call.integers("pads") : call.ints(1, "the padding");
  Ints axes;
  if (call.has(3)) axes = call.ints(3, "the axes");
  if (!call.has(3))
    for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  if (pads.size() != 2 * axes.size()) call.fail("pads needs two numbers for each axis");
  Ints before(x.shape().size(), 0), after = before;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], x.rank(), "axes"));
    before[axis] = pads[i], after[axis] = pads[i + axes.size()];
    if (std::max(std::abs(before[axis]), std::abs(after[axis])) > kMaxElements) call.unsupported("padding that large");
  }
  for (int64_t axis = 0; axis < x.rank(); ++axis) {  // negative padding takes elements away
    const auto i = static_cast<size_t>(axis);
    if (before[i] >= 0 && after[i] >= 0) continue;
    const int64_t low = std::max<int64_t>(-before[i], 0), high = std::max<int64_t>(-after[i], 0);
    x = slice_axis(x, axis, low, x.dim(axis) - Dim(low) - Dim(high));
    before[i] = std::max<int64_t>(before[i], 0), after[i] = std::max<int64_t>(after[i], 0);
  }
  if (mode == "constant") return {pad_constant(call, x, before, after)};
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    const auto i = static_cast<size_t>(axis);
    if (before[i] == 0 && after[i] == 0) continue;
    if (!x.dim(axis).known()) {
      x = repeat_ends(call, mode, x, axis, before[i], after[i]);
      continue;
    }
    const Ints places = sources(call, mode, x.dim(axis).value(), before[i], after[i]);
    x = gather(x, integers(call.graph(), {static_cast<int64_t>(places.size())}, places), axis);
  }
  return {x};
}

// ---- by position

OnnxValues import_range(NodeCall& call) {
  const DType type = call.dtype(0);
  const std::optional<Sizes> start = call.sizes(0), limit = call.sizes(1), delta = call.sizes(2);
  if (start && limit && delta && !all_known(limit->dims) && all_known(start->dims) && all_known(delta->dims) && limit->dims.size() == 1 &&
      delta->dims.size() == 1 && start->dims.size() == 1 && delta->dims[0].value() > 0) {
    const Dim count = ceil_div(limit->dims[0] - start->dims[0], delta->dims[0].value());
    const Var steps = iota(call.graph(), type, {count}, 0);
    return {steps * static_cast<double>(delta->dims[0].value()) + static_cast<double>(start->dims[0].value())};
  }
  if (is_integer(type)) {
    const int64_t first = call.int_value(0, "the start of a range"), last = call.int_value(1, "the end of a range"),
                  step = call.int_value(2, "the step of a range");
    if (step == 0) call.fail("the step is 0");
    const auto span = static_cast<__int128>(last) - first;
    const __int128 count = (span > 0) == (step > 0) && span != 0 ? (span + step + (step > 0 ? -1 : 1)) / step : 0;
    if (count > kMaxElements) call.unsupported("a range that long");
    Ints list;
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) list.push_back(first + i * step);
    return {OnnxValue(int_tensor({static_cast<int64_t>(list.size())}, list).cast(type))};
  }
  const double first = call.real_value(0, "the start of a range"), last = call.real_value(1, "the end of a range"),
               step = call.real_value(2, "the step of a range");
  const double count = std::max(std::ceil((last - first) / step), 0.0);
  if (!(count <= static_cast<double>(kMaxElements))) call.fail("the range has no end");
  std::vector<double> list;
  for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) list.push_back(first + static_cast<double>(i) * step);
  return {OnnxValue(number_tensor(type, {static_cast<int64_t>(list.size())}, list))};
}

OnnxValues import_eye_like(NodeCall& call) {
  const Var x = call.in(0);
  if (x.rank() != 2) call.fail("the operand needs two axes");
  DType type = x.dtype();
  if (call.has_attribute("dtype")) {
    const std::optional<ElementType> wanted = element_type(static_cast<int32_t>(call.integer("dtype")));
    if (!wanted || wanted->narrow) call.unsupported("this element type");
    type = wanted->dtype;
  }
  Graph& g = call.graph();
  const Var row = iota(g, DType::kInt64, x.shape(), 0), column = iota(g, DType::kInt64, x.shape(), 1);
  return {cast(equal(column - row, static_cast<double>(call.integer("k", 0))), type)};
}

OnnxValues import_trilu(NodeCall& call) {
  const Var x = call.in(0);
  if (x.rank() < 2) call.fail("the operand needs two axes");
  Graph& g = call.graph();
  const Shape plane = {x.dim(-2), x.dim(-1)};
  const Var distance = iota(g, DType::kInt64, plane, 1) - iota(g, DType::kInt64, plane, 0);
  const Var k = call.has(1) ? reshape(call.in(1), {}) : scalar(g, DType::kInt64, 0);
  const Var keep = call.integer("upper", 1) ? greater_equal(distance, k) : less_equal(distance, k);
  return {select(keep, x, zeros_like(x))};
}

OnnxValues import_one_hot(NodeCall& call) {
  Var indices = cast(call.in(0), DType::kInt64);
  const Var values = call.in(2);
  const std::optional<Sizes> sizes = call.sizes(1);
  Dim depth;
  if (sizes && sizes->dims.size() == 1) {
    depth = sizes->dims[0];
  } else {
    const double number = call.real_value(1, "the depth");
    if (!(number >= 0 && number < static_cast<double>(kMaxElements))) call.fail("the depth must be a size");
    depth = static_cast<int64_t>(number);
  }
  const int64_t axis = normalize_axis(call.integer("axis", -1), indices.rank() + 1, "axis");
  indices = select(less(indices, 0.0), indices + size_scalar(call.graph(), depth, DType::kInt64), indices);
  indices = expand_dims(indices, axis);
  Shape shape = indices.shape();
  shape[static_cast<size_t>(axis)] = depth;
  const Var hit = equal(indices, iota(call.graph(), DType::kInt64, shape, axis));
  const auto value = [&](int64_t i) { return reshape(slice_axis(values, 0, i, 1), {}); };
  return {select(hit, value(1), value(0))};
}

Dim divide(NodeCall& call, Dim a, int64_t b) {
  const std::optional<Dim> d = exact_div(a, Dim(b));
  if (!d) call.fail("size " + to_string(a) + " is no multiple of " + std::to_string(b));
  return *d;
}

int64_t block_size(NodeCall& call, Var x) {
  const int64_t block = call.integer("blocksize");
  if (x.rank() != 4 || block < 1 || block > (1 << 15)) call.fail("needs four axes and a positive blocksize");
  return block;
}

OnnxValues import_depth_to_space(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t b = block_size(call, x);
  const Dim n = x.dim(0), c = divide(call, x.dim(1), b * b), h = x.dim(2), w = x.dim(3);
  const bool crd = call.text("mode", "DCR") == "CRD";
  const Var split = reshape(x, crd ? Shape{n, c, b, b, h, w} : Shape{n, b, b, c, h, w});
  const Var moved = transpose(split, crd ? Ints{0, 1, 4, 2, 5, 3} : Ints{0, 3, 4, 1, 5, 2});
  return {reshape(moved, {n, c, h * Dim(b), w * Dim(b)})};
}

OnnxValues import_space_to_depth(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t b = block_size(call, x);
  const Dim n = x.dim(0), c = x.dim(1), h = divide(call, x.dim(2), b), w = divide(call, x.dim(3), b);
  const Var moved = transpose(reshape(x, {n, c, h, b, w, b}), {0, 3, 5, 1, 2, 4});
  return {reshape(moved, {n, c * Dim(b * b), h, w})};
}

// Whether every element of v is this size: a number or a size, spread.
bool is_size(Var v, Dim size) {
  const Node* node = &v.graph->node(v.value);
  while (node->op == &op_broadcast_to || node->op == &op_reshape || node->op == &op_cast) node = &v.graph->node(node->inputs[0]);
  if (node->op == &op_size_of) return node->attrs.shape("size")[0] == size;
  if (node->op != &op_constant || !size.known()) return false;
  const Tensor& value = node->attrs.tensor("value");
  for (int64_t i = 0; i < value.size(); ++i)
    if (value.at(i) != static_cast<double>(size.value())) return false;
  return value.size() > 0;
}

OnnxValues import_reverse_sequence(NodeCall& call) {
  const Var x = call.in(0);
  if (x.rank() < 2) call.fail("the operand needs two axes");
  const int64_t time = call.integer("time_axis", 0), batch = call.integer("batch_axis", 1);
  if (time < 0 || time > 1 || batch < 0 || batch > 1 || time == batch) call.fail("time_axis and batch_axis are 0 and 1");
  Graph& g = call.graph();
  if (is_size(call.in(1), x.dim(time))) return {reverse(x, time)};
  const Var lengths = along_axis(cast(call.in(1), DType::kInt64), batch, x.rank());
  const Var at = iota(g, DType::kInt64, x.shape(), time);
  const Var places = select(less(at, lengths), (lengths - 1.0) - at, at);
  return {gather_elements(x, places, time)};
}

constexpr OpRow kLayoutRows[] = {
    {"Pad", 2, import_pad, kAnyType},
    {"Range", 11, import_range, kAnyType},
    {"EyeLike", 9, import_eye_like, kAnyType},
    {"Trilu", 14, import_trilu, kAnyType},
    {"OneHot", 9, import_one_hot, kAnyType},
    {"DepthToSpace", 1, import_depth_to_space, kAnyType},
    {"SpaceToDepth", 1, import_space_to_depth, kAnyType},
    {"ReverseSequence", 10, import_reverse_sequence, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_layout() { return kLayoutRows; }

}  // namespace dl::onnx
