#include "io/raise/transposes.h"

#include <algorithm>
#include <numeric>

#include "graph/op_def.h"
#include "io/raise/terms.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

Ints inverse(const Ints& perm) {
  Ints result(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) result[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return result;
}

template <class T>
std::vector<T> permute(const std::vector<T>& values, const Ints& perm) {
  std::vector<T> result;
  for (const int64_t i : perm) result.push_back(values[static_cast<size_t>(i)]);
  return result;
}

struct Moved {
  Var source;
  Ints perm;
};

std::optional<Moved> as_transpose(Var v) {
  const Node& node = v.graph->node(v.value);
  if (node.op != &op_transpose) return std::nullopt;
  return Moved{{v.graph, node.inputs[0]}, node.attrs.integers("perm")};
}

bool is_identity(const Ints& perm) { return std::is_sorted(perm.begin(), perm.end()); }

// Axes of size 1 behind the batch take no part.
std::optional<Var> without_ones(Var x, const Ints& perm) {
  const auto takes_part = [&](int64_t axis) { return axis == 0 || !(x.dim(axis) == Dim(1)); };
  Shape shape;
  Ints place(perm.size(), 0), rest;
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    place[static_cast<size_t>(axis)] = static_cast<int64_t>(shape.size());
    if (takes_part(axis)) shape.push_back(x.dim(axis));
  }
  if (shape.size() == perm.size()) return std::nullopt;
  for (const int64_t axis : perm)
    if (takes_part(axis)) rest.push_back(place[static_cast<size_t>(axis)]);
  return reshape(transpose(reshape(x, shape), rest), permuted(x.shape(), perm));
}

// A transpose of axes of which all but one that move have size 1 changes no order of elements.
std::optional<Var> plain_reshape(const RewriteCall& call) {
  const Ints& perm = call.node.attrs.integers("perm");
  if (is_identity(perm)) return call.inputs[0];
  Ints kept;
  for (const int64_t axis : perm)
    if (!(call.inputs[0].dim(axis) == Dim(1))) kept.push_back(axis);
  if (is_identity(kept)) return reshape(call.inputs[0], permuted(call.inputs[0].shape(), perm));
  return without_ones(call.inputs[0], perm);
}

// The operand with its axes as they were before the transpose `perm`.
Var turned_back(Var x, const Ints& perm) {
  if (const std::optional<Moved> moved = as_transpose(x); moved && moved->perm == perm) return moved->source;
  if (x.rank() == 0) return x;
  Shape shape = x.shape();
  shape.insert(shape.begin(), perm.size() - shape.size(), Dim(1));
  return transpose(reshape(x, shape), inverse(perm));
}

std::optional<Ints> first_perm(const std::vector<Var>& inputs, size_t rank) {
  for (const Var& x : inputs)
    if (const std::optional<Moved> moved = as_transpose(x); moved && moved->perm.size() == rank) return moved->perm;
  return std::nullopt;
}

// Whether a value lies as convolutions, products and the like give it, with its channels last.
bool is_channels_last(Var v) {
  constexpr int kFar = 12;
  for (int i = 0; i < kFar; ++i) {
    const Node& node = v.graph->node(v.value);
    for (const OpDef* op : {&op_conv, &op_conv_input_grad, &op_max_pool, &op_avg_pool, &op_batch_norm_infer, &op_matmul, &op_lstm, &op_gru})
      if (node.op == op) return true;
    if (node.op->kind != OpKind::kElementwise && node.op != &op_pad && node.op != &op_slice && node.op != &op_concat) return false;
    if (node.inputs.empty()) return false;
    v = {v.graph, node.inputs[0]};
  }
  return false;
}

// Whether the operator is better off before the transpose `perm` where not all operands are turned by it: always in the same one of two
// orders of axes, or transposes would go to and fro.
bool is_worth_turning(const RewriteCall& call, const Ints& perm) {
  size_t others = 0;
  bool turned_last = false, others_last = false, batch_first = false;
  for (const Var& x : call.inputs) {
    const std::optional<Moved> moved = as_transpose(x);
    const OpDef* op = x.graph->node(x.value).op;
    const auto axes = std::count_if(x.shape().begin(), x.shape().end(), [](Dim d) { return !(d == Dim(1)); });
    if (moved && moved->perm == perm) {
      turned_last = turned_last || is_channels_last(moved->source);
      batch_first = batch_first || (!moved->source.dim(0).known() && x.dim(0).known());
    } else if (!moved && axes > 1 && op != &op_parameter && op != &op_constant && op != &op_broadcast_to) {
      ++others;
      others_last = others_last || is_channels_last(x);
    }
  }
  if (others == 0) return true;
  if (perm[0] != 0) return batch_first;
  if (perm != inverse(perm)) return perm[1] == static_cast<int64_t>(perm.size()) - 1;
  return turned_last && !others_last;
}

std::optional<Var> through_elements(const RewriteCall& call) {
  const std::optional<Ints> perm = first_perm(call.inputs, call.node.types[0].shape.size());
  if (!perm || !is_worth_turning(call, *perm)) return std::nullopt;
  std::vector<Var> inputs;
  for (const Var& x : call.inputs) inputs.push_back(turned_back(x, *perm));
  return transpose(copy_node(call.graph, call.node, inputs)[0], *perm);
}

std::optional<Var> through_concat(const RewriteCall& call) {
  const std::optional<Ints> perm = first_perm(call.inputs, call.node.types[0].shape.size());
  if (!perm || !is_worth_turning(call, *perm)) return std::nullopt;
  std::vector<Var> inputs;
  for (const Var& x : call.inputs) inputs.push_back(turned_back(x, *perm));
  return transpose(concat(inputs, (*perm)[static_cast<size_t>(call.node.attrs.integer("axis"))]), *perm);
}

// One operand that is transposed, an attribute `axis`.
std::optional<Var> through_axis(const RewriteCall& call) {
  const std::optional<Moved> moved = as_transpose(call.inputs[0]);
  if (!moved) return std::nullopt;
  Attrs attrs = call.node.attrs;
  attrs.set("axis", moved->perm[static_cast<size_t>(attrs.integer("axis"))]);
  std::vector<Var> inputs = call.inputs;
  inputs[0] = moved->source;
  return transpose(add_op(*call.node.op, inputs, attrs), moved->perm);
}

std::optional<Var> through_reduce(const RewriteCall& call) {
  const std::optional<Moved> moved = as_transpose(call.inputs[0]);
  if (!moved) return std::nullopt;
  const Ints& old = call.node.attrs.integers("axes");
  const int64_t rank = call.inputs[0].rank();
  if (rank > 3 && static_cast<int64_t>(old.size()) == rank - 2 && old.front() == 1 && old.back() == rank - 2)
    return std::nullopt;  // the axes between batch and channels, where pooling wants them
  const bool keepdims = call.node.attrs.flag("keepdims");
  Ints axes, rest;
  for (size_t i = 0; i < moved->perm.size(); ++i) {
    const bool reduced = std::binary_search(old.begin(), old.end(), static_cast<int64_t>(i));
    if (reduced) axes.push_back(moved->perm[i]);
    if (!reduced || keepdims) rest.push_back(moved->perm[i]);
  }
  std::sort(axes.begin(), axes.end());
  Ints order = rest;  // the axes that stay, as they stand without the transpose
  std::sort(order.begin(), order.end());
  Ints perm;
  for (const int64_t axis : rest) perm.push_back(std::lower_bound(order.begin(), order.end(), axis) - order.begin());
  Attrs attrs = call.node.attrs;
  attrs.set("axes", axes);
  return transpose(add_op(*call.node.op, {moved->source}, attrs), perm);
}

std::optional<Var> through_gather(const RewriteCall& call) {
  const std::optional<Moved> moved = as_transpose(call.inputs[0]);
  if (!moved || call.inputs[1].rank() != 1) return std::nullopt;
  return transpose(gather(moved->source, call.inputs[1], moved->perm[static_cast<size_t>(call.node.attrs.integer("axis"))]), moved->perm);
}

// Pads or cuts the axes between the first and the last only.
bool is_border(const Node& node, const Shape& from) {
  if (from.size() < 3) return false;
  const auto untouched = [&](size_t axis) {
    if (node.op == &op_pad) return node.attrs.shape("before")[axis] == Dim(0) && node.attrs.shape("after")[axis] == Dim(0);
    return node.attrs.shape("starts")[axis] == Dim(0) && node.attrs.shape("sizes")[axis] == from[axis];
  };
  return (node.op == &op_pad || node.op == &op_slice) && untouched(0) && untouched(from.size() - 1);
}

// Attributes with one entry per axis.
std::optional<Var> through_axes(const RewriteCall& call) {
  const std::optional<Moved> moved = as_transpose(call.inputs[0]);
  if (!moved) return std::nullopt;
  const Ints back = inverse(moved->perm);
  if (is_border(call.node, call.inputs[0].shape()) && moved->perm.back() != static_cast<int64_t>(back.size()) - 1)
    return std::nullopt;  // it stands where layers of borders want it
  Attrs attrs = call.node.attrs;
  for (const auto& [name, value] : call.node.attrs.values()) {
    if (const auto* shape = std::get_if<Shape>(&value); shape && shape->size() == back.size()) attrs.set(name, permuted(*shape, back));
    if (const auto* ints = std::get_if<Ints>(&value); ints && ints->size() == back.size()) attrs.set(name, permute(*ints, back));
  }
  return transpose(add_op(*call.node.op, {moved->source}, attrs), moved->perm);
}

// One axis before the reshape is several after it, or several that lie side by side are one.
struct Segment {
  size_t from, from_end, to, to_end;
};

std::optional<std::vector<Segment>> segments(const Shape& from, const Shape& to) {
  std::vector<Segment> result;
  size_t i = 0, k = 0;
  while (i < from.size() || k < to.size()) {
    Segment s{i, i, k, k};
    Dim a(1), b(1);
    if (i < from.size()) a = from[i++];
    if (k < to.size()) b = to[k++];
    while (!(a == b)) {
      const bool grow_a = a.known() && b.known() ? a.value() < b.value() : exact_div(b, a).has_value();
      if (grow_a ? i == from.size() : k == to.size()) return std::nullopt;
      if (grow_a)
        a = a * from[i++];
      else
        b = b * to[k++];
    }
    s.from_end = i;
    s.to_end = k;
    result.push_back(s);
  }
  // Axes of size 1 at the end belong to the axis before them.
  while (result.size() > 1 && (result.back().from == result.back().from_end || result.back().to == result.back().to_end)) {
    const Segment last = result.back();
    result.pop_back();
    result.back().from_end = last.from_end;
    result.back().to_end = last.to_end;
  }
  return result;
}

std::optional<Var> through_reshape(const RewriteCall& call) {
  const std::optional<Moved> moved = as_transpose(call.inputs[0]);
  if (!moved) return std::nullopt;
  const Shape &from = call.inputs[0].shape(), &to = call.node.types[0].shape;
  const std::optional<std::vector<Segment>> cut = segments(from, to);
  if (!cut) return std::nullopt;
  for (const Segment& s : *cut) {
    if (s.from == s.from_end) return std::nullopt;
    for (size_t i = s.from + 1; i < s.from_end; ++i)
      if (moved->perm[i] != moved->perm[i - 1] + 1) return std::nullopt;
  }
  std::vector<size_t> order(cut->size());  // of the segments in the source
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return moved->perm[(*cut)[a].from] < moved->perm[(*cut)[b].from]; });
  Shape shape;
  std::vector<int64_t> place(to.size());
  for (const size_t s : order)
    for (size_t k = (*cut)[s].to; k < (*cut)[s].to_end; ++k) {
      place[k] = static_cast<int64_t>(shape.size());
      shape.push_back(to[k]);
    }
  return transpose(reshape(moved->source, shape), place);
}

}  // namespace

Shape permuted(const Shape& values, const std::vector<int64_t>& perm) { return permute(values, perm); }

std::optional<Var> sink_transpose(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op == &op_transpose) return plain_reshape(call);
  if (op->kind == OpKind::kElementwise || op == &op_select || op == &op_cast) return through_elements(call);
  if (op == &op_concat) return through_concat(call);
  if (op == &op_softmax || op == &op_log_softmax || op == &op_batch_norm_infer) return through_axis(call);
  if (op == &op_reduce_sum || op == &op_reduce_max || op == &op_reduce_min || op == &op_reduce_prod) return through_reduce(call);
  if (op == &op_pad || op == &op_slice || op == &op_broadcast_to) {
    return call.node.types[0].shape.size() == call.inputs[0].shape().size() ? through_axes(call) : std::nullopt;
  }
  if (op == &op_gather) return through_gather(call);
  if (op == &op_reshape) return through_reshape(call);
  return std::nullopt;
}

}  // namespace dl::raise
