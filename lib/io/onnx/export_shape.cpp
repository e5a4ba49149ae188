// Operators that move elements: reshapes, transposes, slices, padding, gathering.
#include <algorithm>
#include <limits>
#include <vector>

#include "io/onnx/export_rows.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

constexpr int64_t kToEnd = std::numeric_limits<int64_t>::max(), kToStart = std::numeric_limits<int64_t>::min() + 1;

// Axes of `more` that are 1 and missing in `fewer`, or nullopt where that is not all of the difference.
std::optional<Ints> inserted_ones(const Shape& fewer, const Shape& more) {
  if (more.size() <= fewer.size()) return std::nullopt;
  Ints axes;
  size_t i = 0;
  for (size_t k = 0; k < more.size(); ++k) {
    const size_t left = more.size() - k, rest = fewer.size() - i;
    if (i < fewer.size() && more[k] == fewer[i] && !(more[k] == Dim(1) && left > rest)) {
      ++i;
    } else if (more[k] == Dim(1)) {
      axes.push_back(static_cast<int64_t>(k));
    } else {
      return std::nullopt;
    }
  }
  return i == fewer.size() ? std::optional(axes) : std::nullopt;
}

// The operand of Reshape that gives `to`: numbers, 0 for "as before", at most one -1. Nullopt where that does not say it.
std::optional<Ints> reshape_operand(const Shape& from, const Shape& to, bool& has_zero) {
  Ints result;
  int unknown = 0;
  has_zero = std::any_of(to.begin(), to.end(), [](Dim d) { return d == Dim(0); });
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i].known()) {
      result.push_back(to[i].value());
    } else if (!has_zero && i < from.size() && from[i] == to[i]) {
      result.push_back(0);
    } else {
      result.push_back(-1);
      ++unknown;
    }
  }
  return unknown <= 1 && !(has_zero && unknown > 0) ? std::optional(result) : std::nullopt;
}

void emit_reshape(Emitter& e, const Node& node, Value self) {
  if (emit_recurrent_form(e, self) || emit_resize(e, node, self)) return;
  const Value x = node.inputs[0];
  const Shape &from = e.shape(x), &to = e.shape(self);
  if (from == to) return e.result(self, e.use(x));
  if (e.is(x, op_reshape) && e.shape(e.node(x).inputs[0]) == to) return e.result(self, e.use(e.node(x).inputs[0]));
  const bool flattens = to.size() == 2 && from[0] == to[0];
  if (flattens && from.size() > 3) return e.result(self, e.op("Flatten", {e.use(x)}, {{"axis", int64_t{1}}}));
  if (const auto axes = inserted_ones(from, to)) return e.result(self, e.op("Unsqueeze", {e.use(x), e.ints(*axes, "axes")}));
  if (const auto axes = inserted_ones(to, from)) return e.result(self, e.op("Squeeze", {e.use(x), e.ints(*axes, "axes")}));
  if (flattens && from.size() > 2) return e.result(self, e.op("Flatten", {e.use(x)}, {{"axis", int64_t{1}}}));
  bool has_zero = false;
  const auto operand = reshape_operand(from, to, has_zero);
  NodeAttrs attrs;
  if (has_zero && e.opset() >= 14) attrs.emplace_back("allowzero", int64_t{1});
  const std::string shape = operand ? e.ints(*operand, "shape") : e.sizes(to, {x});
  e.result(self, e.op("Reshape", {e.use(x), shape}, std::move(attrs)));
}

void emit_transpose(Emitter& e, const Node& node, Value self) {
  if (emit_recurrent_form(e, self)) return;
  e.result(self, e.use_permuted(node.inputs[0], node.attrs.integers("perm")));
}

// Sizes that the operand has already count as 1: Expand broadcasts both ways.
void emit_broadcast(Emitter& e, const Node& node, Value self) {
  const Shape& from = e.shape(node.inputs[0]);
  Shape to = e.shape(self);
  const size_t extra = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (!to[extra + i].known() && from[i] == to[extra + i]) to[extra + i] = Dim(1);
  e.result(self, e.op("Expand", {e.use(node.inputs[0]), e.sizes(to, {})}));
}

// An index along an axis of size `in` as ONNX takes it: a number, from the end where that is known; else an element of a tensor.
std::optional<int64_t> index_of(Dim index, Dim in) {
  if (index.known()) return index.value();
  if (const Dim back = index - in; back.known() && back.value() < 0) return back.value();
  return std::nullopt;
}

// Where the slice of `size` elements from `start` by `step` ends, exclusive.
std::optional<int64_t> end_of(Dim start, Dim size, int64_t step, Dim in) {
  const Dim last = start + (size - Dim(1)) * Dim(step);
  if (step < 0) {
    if (last == Dim(0)) return kToStart;
    return index_of(last - Dim(1), in);
  }
  const Dim end = last + Dim(1);
  if (end == in) return kToEnd;
  return index_of(end, in);
}

void emit_slice(Emitter& e, const Node& node, Value self) {
  if (emit_natural_sequence(e, node, self)) return;
  const Value x = node.inputs[0];
  const Shape &in = e.shape(x), &starts = node.attrs.shape("starts"), &sizes = node.attrs.shape("sizes");
  const Ints& steps = node.attrs.integers("steps");
  Ints axes, first, last, by;
  Shape first_sizes, last_sizes;
  bool known = true;
  for (size_t i = 0; i < in.size(); ++i) {
    if (starts[i] == Dim(0) && sizes[i] == in[i] && steps[i] == 1) continue;
    axes.push_back(static_cast<int64_t>(i));
    by.push_back(steps[i]);
    const bool empty = sizes[i] == Dim(0);
    const auto begin = empty ? std::optional<int64_t>(0) : index_of(starts[i], in[i]);
    const auto end = empty ? std::optional<int64_t>(0) : end_of(starts[i], sizes[i], steps[i], in[i]);
    known = known && begin && end;
    first.push_back(begin.value_or(0)), last.push_back(end.value_or(0));
    first_sizes.push_back(begin && *begin < 0 ? Dim(*begin) : starts[i]);
    last_sizes.push_back(end ? Dim(*end) : starts[i] + sizes[i] * Dim(steps[i]));
  }
  const std::string begin = known ? e.ints(first, "starts") : e.sizes(first_sizes, {x});
  const std::string end = known ? e.ints(last, "ends") : e.sizes(last_sizes, {x});
  Names operands = {e.use(x), begin, end, e.ints(axes, "axes")};
  if (std::any_of(by.begin(), by.end(), [](int64_t s) { return s != 1; })) operands.push_back(e.ints(by, "steps"));
  e.result(self, e.op("Slice", std::move(operands)));
}

bool feeds_max_pool(const Emitter& e, Value v) {
  for (uint32_t n = v.node + 1; n < e.graph().size(); ++n)
    if (const Node& node = e.graph().node(n); node.op == &op_max_pool && node.inputs[0] == v) return true;
  return false;
}

void emit_pad(Emitter& e, const Node& node, Value self) {
  Shape pads = node.attrs.shape("before");
  const Shape& after = node.attrs.shape("after");
  pads.insert(pads.end(), after.begin(), after.end());
  const std::string counts = all_known(pads) ? e.ints(known_dims(pads), "pads") : e.sizes(pads, {node.inputs[0]});
  double value = node.attrs.real("value");
  // ONNX Runtime (1.31) takes a Pad with 0 into a MaxPool behind it, whose padding never wins, and so gives other numbers; with -0 it does
  // not.
  if (value == 0 && feeds_max_pool(e, self)) value = -0.0;
  e.result(self, e.op("Pad", {e.use(node.inputs[0]), counts, e.scalar(e.type(self).dtype, value)}));
}

std::string refuse_pad(const RefuseCall& call) {
  const Ints& interior = call.node.attrs.integers("interior");
  return std::any_of(interior.begin(), interior.end(), [](int64_t g) { return g != 0; }) ? "padding between elements is not in ONNX" : "";
}

void emit_concat(Emitter& e, const Node& node, Value self) {
  if (emit_recurrent_form(e, self) || emit_bidirectional(e, node, self)) return;
  Names operands;
  for (Value v : node.inputs) operands.push_back(e.use(v));
  e.result(self, e.op("Concat", std::move(operands), {{"axis", node.attrs.integer("axis")}}));
}

void emit_gather(Emitter& e, const Node& node, Value self) {
  const int64_t axis = node.attrs.integer("axis");
  const Value indices = unwrapped_indices(e, node.inputs[1], e.shape(node.inputs[0])[static_cast<size_t>(axis)]);
  e.result(self, e.op("Gather", {e.use(node.inputs[0]), e.use(indices)}, {{"axis", axis}}));
}

// ScatterND into zeros: the index axes come first in the updates.
void emit_scatter_add(Emitter& e, const Node& node, Value self) {
  const Value updates = node.inputs[0], indices = node.inputs[1];
  const std::string zeros = e.op("Expand", {e.scalar(e.type(self).dtype, 0), e.sizes(e.shape(self), {updates, indices})});
  const std::string at = e.op("Unsqueeze", {e.use(indices), e.ints({static_cast<int64_t>(e.shape(indices).size())}, "axes")});
  const std::string wide = e.op("Cast", {at}, {{"to", int64_t{onnx_type(DType::kInt64)}}});
  e.result(self, e.op("ScatterND", {zeros, wide, e.use(updates)}, {{"reduction", std::string("add")}}));
}

std::string refuse_scatter_add(const RefuseCall& call) {
  if (call.opset < 16) return "needs opset 16 (ScatterND with a reduction)";
  return call.node.attrs.integer("axis") == 0 ? "" : "is written along axis 0 only";
}

void emit_iota(Emitter& e, const Node& node, Value self) {
  const Shape& shape = e.shape(self);
  const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
  Shape line(shape.size(), Dim(1));
  const auto scalar = [&](int64_t value) { return e.scalar(DType::kInt64, static_cast<double>(value)); };
  const std::string count = e.op("Squeeze", {e.sizes({shape[axis]}, {}), e.ints({0}, "axes")});
  std::string range = e.op("Range", {scalar(0), count, scalar(1)});
  Ints ones(shape.size(), 1);
  ones[axis] = -1;
  range = e.op("Reshape", {range, e.ints(ones, "shape")});
  Shape rest = shape;
  rest[axis] = Dim(1);
  if (rest != line) range = e.op("Expand", {range, e.sizes(rest, {})});
  const DType type = e.stored(e.type(self).dtype);
  e.result(self, type == DType::kInt64 ? range : e.op("Cast", {range}, {{"to", int64_t{onnx_type(type)}}}));
}

void emit_size_of(Emitter& e, const Node& node, Value self) {
  const std::string count = e.op("Squeeze", {e.sizes(node.attrs.shape("size"), {}), e.ints({0}, "axes")});
  const DType type = e.stored(e.type(self).dtype);
  e.result(self, type == DType::kInt64 ? count : e.op("Cast", {count}, {{"to", int64_t{onnx_type(type)}}}));
}

const std::vector<Row> kShapeRows = {
    {&op_reshape, emit_reshape},
    {&op_transpose, emit_transpose},
    {&op_broadcast_to, emit_broadcast},
    {&op_slice, emit_slice},
    {&op_pad, emit_pad, refuse_pad},
    {&op_concat, emit_concat},
    {&op_gather, emit_gather},
    {&op_scatter_add, emit_scatter_add, refuse_scatter_add},
    {&op_iota, emit_iota},
    {&op_size_of, emit_size_of},
    {&op_stop_gradient, [](Emitter& e, const Node& node, Value self) { e.result(self, e.use(node.inputs[0])); }},
};

}  // namespace

Value unwrapped_indices(const Emitter& e, Value indices, Dim size) {
  if (!e.is(indices, op_select)) return indices;
  const Value negative = e.node(indices).inputs[0], moved = e.node(indices).inputs[1], given = e.node(indices).inputs[2];
  if (!e.is(negative, op_less) || !(e.node(negative).inputs[0] == given) || e.number(e.node(negative).inputs[1]) != 0) return indices;
  if (!e.is(moved, op_add) || !(e.node(moved).inputs[0] == given)) return indices;
  const Value by = e.node(moved).inputs[1];
  const bool fits = e.is(by, op_size_of) ? e.node(by).attrs.shape("size") == Shape{size}
                                         : size.known() && e.number(by) == static_cast<double>(size.value());
  return fits ? given : indices;
}

std::optional<Repeat> repeat_of(const Graph& graph, Value v) {
  if (graph.node(v).op != &op_reshape) return std::nullopt;
  const Value spread = graph.node(v).inputs[0];
  if (graph.node(spread).op != &op_broadcast_to) return std::nullopt;
  const Value expanded = graph.node(spread).inputs[0];
  if (graph.node(expanded).op != &op_reshape) return std::nullopt;
  const Value x = graph.node(expanded).inputs[0];
  const Shape &to = graph.type(v).shape, &wide = graph.type(spread).shape, &in = graph.type(x).shape;
  if (to.size() != in.size() || wide.size() != in.size() + 1) return std::nullopt;
  for (size_t axis = 0; axis < in.size(); ++axis) {
    if (to[axis] == in[axis]) continue;
    Shape expected = in;
    expected.insert(expected.begin() + static_cast<int64_t>(axis) + 1, wide[axis + 1]);
    Shape merged = in;
    merged[axis] = merged[axis] * wide[axis + 1];
    Shape single = expected;
    single[axis + 1] = Dim(1);
    if (!wide[axis + 1].known() || wide != expected || to != merged || graph.type(expanded).shape != single) return std::nullopt;
    return Repeat{x, axis, wide[axis + 1].value()};
  }
  return std::nullopt;
}

bool emit_resize(Emitter& e, const Node&, Value self) {
  if (e.type(self).dtype != DType::kFloat32) return false;
  std::vector<float> scales(e.shape(self).size(), 1);
  Value x = self;
  while (const auto repeat = repeat_of(e.graph(), x)) {
    if (scales[repeat->axis] != 1) break;
    scales[repeat->axis] = static_cast<float>(repeat->times);
    x = repeat->x;
    if (e.users(x) != 1) break;
  }
  if (x == self) return false;
  e.result(self, e.op("Resize", {e.use(x), "", e.floats(scales, "scales")},
                      {{"mode", std::string("nearest")},
                       {"coordinate_transformation_mode", std::string("asymmetric")},
                       {"nearest_mode", std::string("floor")}}));
  return true;
}

std::span<const Row> shape_rows() { return kShapeRows; }

}  // namespace dl::onnx_export
