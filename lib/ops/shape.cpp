// Operators that move elements without computing: reshape, transpose, broadcast_to.
#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/builders.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

// Replaces one -1 by what the element count demands.
Shape resolve_shape(const InferCall& call, const Shape& wanted) {
  const Dim total = element_count(call.inputs[0].shape);
  Dim rest(1);
  int64_t unknown = -1;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == Dim(-1)) {
      if (unknown >= 0) infer_error(call, "only one size of " + to_string(wanted) + " may be -1");
      unknown = static_cast<int64_t>(i);
    } else {
      rest = rest * wanted[i];
    }
  }
  Shape shape = wanted;
  if (unknown >= 0) {
    const std::optional<Dim> size = exact_div(total, rest);
    if (!size)
      infer_error(call,
                  "cannot become " + to_string(wanted) + ": " + to_string(total) + " elements are not a multiple of " + to_string(rest));
    shape[static_cast<size_t>(unknown)] = *size;
  } else if (!(rest == total)) {
    infer_error(call, "cannot become " + to_string(wanted) + ": " + to_string(total) + " elements against " + to_string(rest));
  }
  return shape;
}

std::vector<int64_t> inverse(const std::vector<int64_t>& perm) {
  std::vector<int64_t> result(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) result[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return result;
}

}  // namespace

int64_t normalize_axis(int64_t axis, int64_t rank, const char* what) {
  if (axis < -rank || axis >= rank)
    throw UserError(std::string(what) + ": axis " + std::to_string(axis) + " is outside of rank " + std::to_string(rank));
  return axis < 0 ? axis + rank : axis;
}

std::vector<int64_t> normalize_axes(std::vector<int64_t> axes, int64_t rank, const char* what) {
  for (int64_t& axis : axes) axis = normalize_axis(axis, rank, what);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) throw UserError(std::string(what) + ": an axis is named twice");
  return axes;
}

const OpDef op_reshape = {
    .name = "reshape",
    .kind = OpKind::kView,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"shape", Shape{}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      return {{call.inputs[0].dtype, resolve_shape(call, call.attrs.shape("shape"))}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> { return {reshape(call.douts[0], call.inputs[0].shape())}; },
    .samples = []() -> std::vector<Sample> {
      return {{{{kF, {2, 6}}}, {{"shape", Shape{3, -1}}}}, {{{kF, {0, 4}}}, {{"shape", Shape{4, 0}}}}, {{{kF, {1}}}, {{"shape", Shape{}}}}};
    },
};

Var reshape(Var x, Shape shape) {
  if (shape == x.shape()) return x;
  const auto unknown = std::find(shape.begin(), shape.end(), Dim(-1));
  if (unknown != shape.end()) {  // written out, so that equal reshapes are equal nodes
    const Var resolved = add_op(op_reshape, {x}, {{"shape", shape}});
    if (resolved.shape() == x.shape()) return x;
    shape = resolved.shape();
  }
  return add_op(op_reshape, {x}, {{"shape", std::move(shape)}});
}

Var expand_dims(Var x, int64_t axis) {
  axis = normalize_axis(axis, x.rank() + 1, "expand_dims");
  Shape shape = x.shape();
  shape.insert(shape.begin() + axis, Dim(1));
  return reshape(x, std::move(shape));
}

Var squeeze(Var x, std::vector<int64_t> axes) {
  axes = normalize_axes(std::move(axes), x.rank(), "squeeze");
  Shape shape;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (!std::binary_search(axes.begin(), axes.end(), i)) shape.push_back(x.dim(i));
  return reshape(x, std::move(shape));
}

const OpDef op_transpose = {
    .name = "transpose",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"perm", std::vector<int64_t>{}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const auto& perm = call.attrs.integers("perm");
      std::vector<int64_t> sorted = perm, axes(call.inputs[0].shape.size());
      std::sort(sorted.begin(), sorted.end());
      std::iota(axes.begin(), axes.end(), 0);
      if (sorted != axes) infer_error(call, "perm " + to_string(std::span<const int64_t>(perm)) + " is not an order of the axes");
      Shape shape;
      for (int64_t axis : perm) shape.push_back(call.inputs[0].shape[static_cast<size_t>(axis)]);
      return {{call.inputs[0].dtype, std::move(shape)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> { return {transpose(call.douts[0], inverse(call.attrs.integers("perm")))}; },
    .samples = []() -> std::vector<Sample> {
      using P = std::vector<int64_t>;
      return {{{{kF, {2, 3}}}, {{"perm", P{1, 0}}}},
              {{{kF, {2, 3, 4}}}, {{"perm", P{2, 0, 1}}}},
              {{{kF, {2, 1, 3, 5}}}, {{"perm", P{0, 3, 1, 2}}}},
              {{{kF, {0, 3}}}, {{"perm", P{1, 0}}}},
              {{{kF, {}}}, {{"perm", P{}}}},
              {{{kF, {33, 70}}}, {{"perm", P{1, 0}}}}};
    },
};

Var transpose(Var x, std::vector<int64_t> perm) {
  for (int64_t& axis : perm) axis = normalize_axis(axis, x.rank(), "transpose");
  const bool in_order = std::adjacent_find(perm.begin(), perm.end(), std::greater_equal<>()) == perm.end();
  if (in_order && static_cast<int64_t>(perm.size()) == x.rank()) return x;
  return add_op(op_transpose, {x}, {{"perm", std::move(perm)}});
}

const OpDef op_broadcast_to = {
    .name = "broadcast_to",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"shape", Shape{}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const Shape& from = call.inputs[0].shape;
      const Shape& to = call.attrs.shape("shape");
      bool fits = from.size() <= to.size();
      for (size_t i = 0; fits && i < from.size(); ++i) {
        const Dim d = from[from.size() - 1 - i];
        fits = d == Dim(1) || d == to[to.size() - 1 - i];
      }
      if (!fits) infer_error(call, "does not broadcast to " + to_string(to));
      return {{call.inputs[0].dtype, to}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> { return {sum_to(call.douts[0], call.inputs[0].shape())}; },
    .samples = []() -> std::vector<Sample> {
      return {{{{kF, {}}}, {{"shape", Shape{2, 3}}}},
              {{{kF, {3, 1}}}, {{"shape", Shape{2, 3, 4}}}},
              {{{kF, {1}}}, {{"shape", Shape{0}}}},
              {{{kF, {4}}}, {{"shape", Shape{5, 4}}}}};
    },
};

Var broadcast_to(Var x, Shape shape) { return shape == x.shape() ? x : add_op(op_broadcast_to, {x}, {{"shape", std::move(shape)}}); }

Var sum_to(Var x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int64_t extra = x.rank() - static_cast<int64_t>(shape.size());
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i < extra || (shape[static_cast<size_t>(i - extra)] == Dim(1) && !(x.dim(i) == Dim(1)))) axes.push_back(i);
  return reshape(axes.empty() ? x : reduce_sum(x, axes), shape);
}

}  // namespace dl
