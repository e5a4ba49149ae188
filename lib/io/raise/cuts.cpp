#include "io/raise/cuts.h"

#include <algorithm>

#include "graph/op_def.h"
#include "io/raise/terms.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

// A cut of a cut is one cut, whatever their steps are.
Replacement cut_once(const RewriteCall& call) {
  if (call.node.op != &op_slice || node_of(call.inputs[0]).op != &op_slice) return std::nullopt;
  const Attrs &outer = call.node.attrs, &inner = node_of(call.inputs[0]).attrs;
  Shape starts = inner.shape("starts");
  Ints steps = inner.integers("steps");
  for (size_t i = 0; i < starts.size(); ++i) {
    starts[i] = starts[i] + outer.shape("starts")[i] * Dim(steps[i]);
    steps[i] = outer.shape("sizes")[i] == Dim(1) ? 1 : steps[i] * outer.integers("steps")[i];
  }
  return slice(operand(call.inputs[0], 0), starts, outer.shape("sizes"), steps);
}

// A cut that takes elements of one of the values beside each other only.
Replacement cut_of_one(const RewriteCall& call) {
  if (call.node.op != &op_slice || node_of(call.inputs[0]).op != &op_concat) return std::nullopt;
  const Var x = call.inputs[0];
  const auto axis = static_cast<size_t>(node_of(x).attrs.integer("axis"));
  Shape starts = call.node.attrs.shape("starts");
  const Shape& sizes = call.node.attrs.shape("sizes");
  const Ints& steps = call.node.attrs.integers("steps");
  if (!starts[axis].known() || !sizes[axis].known() || steps[axis] != 1) return std::nullopt;
  int64_t begin = 0;
  for (size_t i = 0; i < node_of(x).inputs.size(); ++i) {
    const Var part = operand(x, i);
    const Dim size = part.shape()[axis];
    if (!size.known()) return std::nullopt;
    const int64_t start = starts[axis].value() - begin;
    if (start >= 0 && start + sizes[axis].value() <= size.value()) {
      starts[axis] = Dim(start);
      return slice(part, starts, sizes, steps);
    }
    begin += size.value();
  }
  return std::nullopt;
}

// One element has no step.
Replacement cut_without_step(const RewriteCall& call) {
  if (call.node.op != &op_slice) return std::nullopt;
  const Shape& sizes = call.node.attrs.shape("sizes");
  Ints steps = call.node.attrs.integers("steps");
  for (size_t i = 0; i < steps.size(); ++i)
    if (sizes[i] == Dim(1)) steps[i] = 1;
  return steps == call.node.attrs.integers("steps") ? std::nullopt
                                                    : Replacement(slice(call.inputs[0], call.node.attrs.shape("starts"), sizes, steps));
}

// A cut that takes everything.
Replacement cut_nothing(const RewriteCall& call) {
  if (call.node.op != &op_slice || call.node.types[0].shape != call.inputs[0].shape()) return std::nullopt;
  for (const int64_t step : call.node.attrs.integers("steps"))
    if (step != 1) return std::nullopt;
  return call.inputs[0];
}

// A cut of axes that a reshape leaves as they are comes before it; the reshape adds or removes axes of size 1 alone.
Replacement cut_first(const RewriteCall& call) {
  if (call.node.op != &op_slice || node_of(call.inputs[0]).op != &op_reshape) return std::nullopt;
  const Var x = operand(call.inputs[0], 0);
  const Shape &from = x.shape(), &to = call.inputs[0].shape();
  const Shape &starts = call.node.attrs.shape("starts"), &sizes = call.node.attrs.shape("sizes");
  const Ints& steps = call.node.attrs.integers("steps");
  Shape new_starts, new_sizes;
  Ints new_steps;
  size_t k = 0;
  for (const Dim& size : from) {
    while (k < to.size() && to[k] == Dim(1) && !(size == Dim(1))) {
      if (!(sizes[k] == Dim(1))) return std::nullopt;
      ++k;
    }
    const bool same = k < to.size() && to[k] == size;
    if (!same && !(size == Dim(1))) return std::nullopt;
    new_starts.push_back(same ? starts[k] : Dim(0));
    new_sizes.push_back(same ? sizes[k] : Dim(1));
    new_steps.push_back(same ? steps[k] : 1);
    if (same) ++k;
  }
  for (; k < to.size(); ++k)
    if (!(to[k] == Dim(1)) || !(sizes[k] == Dim(1))) return std::nullopt;
  return reshape(slice(x, new_starts, new_sizes, new_steps), call.node.types[0].shape);
}

// Every element k times, one after the other, by its places.
Replacement repeated(const RewriteCall& call) {
  if (call.node.op != &op_gather || node_of(call.inputs[1]).op != &op_constant) return std::nullopt;
  const Tensor& places = node_of(call.inputs[1]).attrs.tensor("value");
  const int64_t axis = call.node.attrs.integer("axis");
  const Var x = call.inputs[0];
  if (places.rank() != 1 || !x.dim(axis).known() || x.dim(axis).value() < 1 || places.size() % x.dim(axis).value() != 0)
    return std::nullopt;
  const int64_t times = places.size() / x.dim(axis).value();
  for (int64_t i = 0; i < places.size(); ++i)
    if (static_cast<int64_t>(places.at(i)) != i / times) return std::nullopt;
  if (times < 2) return times == 1 ? Replacement(x) : std::nullopt;
  Shape spread = x.shape(), shape = x.shape();
  spread.insert(spread.begin() + axis + 1, Dim(times));
  shape[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)] * Dim(times);
  return reshape(broadcast_to(expand_dims(x, axis + 1), spread), shape);
}

// One place of an axis.
Replacement one_place(const RewriteCall& call) {
  if (call.node.op != &op_gather) return std::nullopt;
  const auto place = constant_of(call.inputs[1]);
  const int64_t axis = call.node.attrs.integer("axis");
  const Var x = call.inputs[0];
  if (!place || !x.dim(axis).known()) return std::nullopt;
  const auto at = static_cast<int64_t>(*place);
  const int64_t start = at < 0 ? at + x.dim(axis).value() : at;
  if (start < 0 || start >= x.dim(axis).value()) return std::nullopt;
  return reshape(slice_axis(x, axis, start, 1), call.node.types[0].shape);
}

// A broadcast of axes that stay 1 is one of fewer axes.
Replacement narrow_broadcast(const RewriteCall& call) {
  if (call.node.op != &op_broadcast_to) return std::nullopt;
  const Var x = call.inputs[0];
  const Shape& shape = call.node.types[0].shape;
  if (x.shape().size() != shape.size()) return std::nullopt;
  Shape from, to;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == Dim(1)) continue;
    from.push_back(x.shape()[i]);
    to.push_back(shape[i]);
  }
  if (to.size() == shape.size()) return std::nullopt;
  return reshape(broadcast_to(reshape(x, from), to), shape);
}

// Whatever moves elements that are all the same number.
Replacement spread_number(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op != &op_reshape && op != &op_slice && op != &op_transpose && op != &op_broadcast_to) return std::nullopt;
  const Var x = call.inputs[0];
  if (node_of(x).op != &op_broadcast_to || node_of(operand(x, 0)).op != &op_constant) return std::nullopt;
  const auto number = constant_of(operand(x, 0));
  if (!number) return std::nullopt;
  return broadcast_to(scalar(call.graph, x.dtype(), *number), call.node.types[0].shape);
}

// A cut of what is spread: what is spread is cut.
Replacement cut_before_spread(const RewriteCall& call) {
  if (call.node.op != &op_slice || node_of(call.inputs[0]).op != &op_broadcast_to) return std::nullopt;
  const Var x = operand(call.inputs[0], 0);
  const Attrs& attrs = call.node.attrs;
  const size_t lead = call.inputs[0].shape().size() - x.shape().size();
  Shape starts, sizes;
  Ints steps;
  for (size_t i = 0; i < x.shape().size(); ++i) {
    const bool spread = x.shape()[i] == Dim(1);
    starts.push_back(spread ? Dim(0) : attrs.shape("starts")[i + lead]);
    sizes.push_back(spread ? Dim(1) : attrs.shape("sizes")[i + lead]);
    steps.push_back(spread ? 1 : attrs.integers("steps")[i + lead]);
  }
  return broadcast_to(slice(x, starts, sizes, steps), attrs.shape("sizes"));
}

// What is spread over axes of size 1 that the other operand has not: the result gets them.
Replacement spread_beside(const RewriteCall& call) {
  if (call.node.op->kind != OpKind::kElementwise || call.inputs.size() != 2) return std::nullopt;
  const Shape& shape = call.node.types[0].shape;
  for (size_t i = 0; i < 2; ++i) {
    const Var spread = call.inputs[i], other = call.inputs[1 - i];
    if (node_of(spread).op != &op_broadcast_to || other.shape().size() >= shape.size()) continue;
    const size_t lead = shape.size() - other.shape().size();
    if (operand(spread, 0).shape().size() > other.shape().size() ||
        other.shape() != Shape(shape.begin() + static_cast<int64_t>(lead), shape.end()))
      continue;
    if (!std::all_of(shape.begin(), shape.begin() + static_cast<int64_t>(lead), [](Dim d) { return d == Dim(1); })) continue;
    std::vector<Var> inputs = call.inputs;
    inputs[i] = operand(spread, 0);
    return reshape(copy_node(call.graph, call.node, inputs)[0], shape);
  }
  return std::nullopt;
}

// An operator on each element of what is spread, alone or beside numbers.
Replacement element_before_spread(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op != &op_cast && (op->kind != OpKind::kElementwise || op == &op_select)) return std::nullopt;
  std::optional<size_t> spread;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (constant_of(call.inputs[i]) && call.inputs[i].rank() == 0) continue;
    if (spread || node_of(call.inputs[i]).op != &op_broadcast_to) return std::nullopt;
    spread = i;
  }
  if (!spread) return std::nullopt;
  std::vector<Var> inputs = call.inputs;
  inputs[*spread] = operand(inputs[*spread], 0);
  return broadcast_to(copy_node(call.graph, call.node, inputs)[0], call.node.types[0].shape);
}

// The last step of a sequence is the state after it.
Replacement last_step(const RewriteCall& call) {
  if (call.node.op != &op_slice) return std::nullopt;
  const Var x = call.inputs[0];
  const Node& source = node_of(x);
  if ((source.op != &op_lstm && source.op != &op_gru) || x.value.index != 0 || x.rank() != 3) return std::nullopt;
  const Shape &starts = call.node.attrs.shape("starts"), &sizes = call.node.attrs.shape("sizes");
  const bool last = starts[1] == x.dim(1) - Dim(1) && sizes[1] == Dim(1) && sizes[0] == x.dim(0) && sizes[2] == x.dim(2);
  if (!last || source.attrs.flag("mask")) return std::nullopt;
  return expand_dims(x.output(1), 1);
}

// [x y] beside each other on an axis of their own, merged into the last axis: a concatenation along the last axis.
Replacement stacked_last(const RewriteCall& call) {
  if (call.node.op != &op_reshape) return std::nullopt;
  const Var x = call.inputs[0];
  if (node_of(x).op != &op_concat) return std::nullopt;
  const int64_t axis = node_of(x).attrs.integer("axis"), rank = x.rank();
  const Shape& shape = call.node.types[0].shape;
  if (axis != rank - 2 || static_cast<int64_t>(shape.size()) != rank - 1) return std::nullopt;
  std::vector<Var> parts;
  for (size_t i = 0; i < node_of(x).inputs.size(); ++i) {
    const Var part = operand(x, i);
    if (!(part.dim(axis) == Dim(1))) return std::nullopt;
    parts.push_back(squeeze(part, {axis}));
  }
  for (int64_t i = 0; i < axis; ++i)
    if (!(shape[static_cast<size_t>(i)] == x.dim(i))) return std::nullopt;
  return concat(parts, -1);
}

// A transpose of a stack, [x y] on an axis of their own: of what is stacked.
Replacement turned_stack(const RewriteCall& call) {
  if (call.node.op != &op_transpose) return std::nullopt;
  const Var x = call.inputs[0];
  if (node_of(x).op != &op_concat) return std::nullopt;
  const int64_t axis = node_of(x).attrs.integer("axis");
  const Ints& perm = call.node.attrs.integers("perm");
  Ints others;
  for (const int64_t a : perm)
    if (a != axis) others.push_back(a);
  for (int64_t& a : others) a -= a > axis ? 1 : 0;
  const int64_t place = std::find(perm.begin(), perm.end(), axis) - perm.begin();
  std::vector<Var> parts;
  for (size_t i = 0; i < node_of(x).inputs.size(); ++i) {
    const Var part = operand(x, i);
    if (!(part.dim(axis) == Dim(1))) return std::nullopt;
    parts.push_back(expand_dims(transpose(squeeze(part, {axis}), others), place));
  }
  return concat(parts, place);
}

// A weight spread over the batch, also where axes of size 1 were added since: the weight with all its axes, of which the first is 1.
std::optional<Var> spread_weight(Var v) {
  Var spread = v;
  if (node_of(v).op == &op_reshape) spread = operand(v, 0);
  if (node_of(spread).op != &op_broadcast_to || spread.rank() == 0 || !(spread.dim(0) == v.dim(0))) return std::nullopt;
  Var w = operand(spread, 0);
  while (node_of(w).op == &op_reshape) w = operand(w, 0);
  if (node_of(w).op != &op_parameter && node_of(w).op != &op_constant) return std::nullopt;
  Shape shape = operand(spread, 0).shape(), one = spread.shape(), whole = v.shape();
  shape.insert(shape.begin(), one.size() - shape.size(), Dim(1));
  one[0] = whole[0] = Dim(1);
  if (!all_known(one) || !all_known(whole) || !(shape[0] == Dim(1)) || element_count(one) != element_count(whole)) return std::nullopt;
  return reshape(broadcast_to(reshape(operand(spread, 0), shape), one), whole);
}

// Weights before and behind values on an axis (the class token of a transformer): zeros there, and the weights added.
Replacement weights_beside(const RewriteCall& call) {
  if (call.node.op != &op_concat) return std::nullopt;
  const int64_t axis = call.node.attrs.integer("axis");
  if (axis == 0 || !is_float(call.node.types[0].dtype) || call.node.types[0].shape[0] == Dim(1)) return std::nullopt;
  std::vector<std::optional<Var>> weights;
  for (const Var& v : call.inputs) weights.push_back(spread_weight(v));
  size_t first = 0, last = weights.size();
  while (first < last && weights[first]) ++first;
  while (last > first && weights[last - 1]) --last;
  if (first == last || (first == 0 && last == weights.size())) return std::nullopt;
  std::vector<Var> values, parts;
  for (size_t i = first; i < last; ++i) {
    if (weights[i] || !call.inputs[i].dim(axis).known()) return std::nullopt;
    values.push_back(call.inputs[i]);
  }
  const Var x = values.size() == 1 ? values[0] : concat(values, axis);
  Ints before(x.shape().size(), 0), after = before;
  for (size_t i = 0; i < first; ++i) before[static_cast<size_t>(axis)] += weights[i]->dim(axis).value(), parts.push_back(*weights[i]);
  Shape zeros = x.shape();
  zeros[0] = Dim(1);
  if (!all_known(zeros)) return std::nullopt;
  parts.push_back(full(call.graph, {x.dtype(), zeros}, 0));
  for (size_t i = last; i < weights.size(); ++i)
    after[static_cast<size_t>(axis)] += weights[i]->dim(axis).value(), parts.push_back(*weights[i]);
  return pad(x, before, after) + concat(parts, axis);
}

}  // namespace

std::optional<Var> respell_cut(const RewriteCall& call) {
  for (auto* rule : {cut_once, cut_without_step, cut_of_one, cut_nothing, cut_first, repeated, one_place, narrow_broadcast, spread_number,
                     cut_before_spread, spread_beside, element_before_spread, last_step, stacked_last, turned_stack, weights_beside})
    if (Replacement replacement = rule(call)) return replacement;
  return std::nullopt;
}

}  // namespace dl::raise
