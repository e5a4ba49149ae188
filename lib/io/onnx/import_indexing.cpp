// Operators that pick, put and order elements by place: Gather, Scatter, TopK, running sums, and those whose sizes depend on the data.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "io/onnx/import_util.h"
#include "ops/indexing.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

OnnxValues import_gather(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t axis = axis_of(call, 0, x.rank());
  return {gather(x, wrapped_indices(call, 1, x.dim(axis)), axis)};
}

OnnxValues import_gather_elements(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t axis = axis_of(call, 0, x.rank());
  return {gather_elements(x, wrapped_indices(call, 1, x.dim(axis)), axis)};
}

Scatter scatter_mode(NodeCall& call) {
  const std::string text = call.text("reduction", "none");
  for (const auto& [name, mode] : {std::pair{"none", Scatter::kReplace},
                                   {"add", Scatter::kAdd},
                                   {"mul", Scatter::kMultiply},
                                   {"max", Scatter::kMaximum},
                                   {"min", Scatter::kMinimum}})
    if (text == name) return mode;
  call.fail(fmt::format("reduction '{}' is not known", text));
}

OnnxValues import_scatter_elements(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t axis = axis_of(call, 0, x.rank());
  return {scatter_elements(x, wrapped_indices(call, 1, x.dim(axis)), call.in(2), axis, scatter_mode(call))};
}

// ---- GatherND, ScatterND: places of several axes become one number each

// Axes [first, first + k) of x, named by the last axis of the indices [..., k], as places in the product of those axes. What lies
// outside of an axis becomes -1, which the operators of the graph refuse.
Var linear_places(NodeCall& call, Var at, const Shape& x, size_t first) {
  const int64_t k = at.dim(-1).value();
  Graph& g = call.graph();
  Var places, valid;
  Dim stride(1);
  Var result;
  for (int64_t j = k; j-- > 0;) {
    const Dim size = x[first + static_cast<size_t>(j)];
    const Var limit = size_scalar(g, size, at.dtype());
    Var one = squeeze(slice_axis(at, -1, j, 1), {-1});
    one = select(less(one, 0.0), one + limit, one);
    const Var inside = logical_and(greater_equal(one, 0.0), less(one, limit));
    valid = valid.valid() ? logical_and(valid, inside) : inside;
    const Var term = stride == Dim(1) ? one : one * size_scalar(g, stride, at.dtype());
    places = places.valid() ? places + term : term;
    stride = stride * size;
  }
  return select(valid, places, -1.0);
}

int64_t index_width(NodeCall& call, Var at, int64_t rank) {
  if (at.rank() == 0) call.fail("indices must have at least one axis");
  if (at.dtype() != DType::kInt64 && at.dtype() != DType::kInt32) call.fail("indices must be int64");
  if (!at.dim(-1).known()) call.unsupported("a last axis of the indices that is not fixed");
  const int64_t k = at.dim(-1).value();
  if (k < 1 || k > rank) call.fail(fmt::format("indices name {} axes of {}", k, rank));
  return k;
}

Dim count_of(const Shape& shape, size_t begin, size_t end) {
  return element_count(Shape(shape.begin() + static_cast<std::ptrdiff_t>(begin), shape.begin() + static_cast<std::ptrdiff_t>(end)));
}

OnnxValues import_gather_nd(NodeCall& call) {
  const Var x = call.in(0), at = call.in(1);
  const int64_t batch_dims = call.integer("batch_dims", 0);
  if (batch_dims < 0 || batch_dims >= at.rank() || batch_dims >= x.rank()) call.fail("batch_dims does not fit the operands");
  const auto b = static_cast<size_t>(batch_dims);
  const auto k = static_cast<size_t>(index_width(call, at, x.rank() - batch_dims));
  const Shape& dims = x.shape();
  for (size_t i = 0; i < b; ++i)
    if (dims[i] != at.shape()[i]) call.fail("the batch axes of both operands differ");
  const Dim batches = count_of(dims, 0, b), places = count_of(dims, b, b + k), width = count_of(dims, b + k, dims.size());
  Var linear = linear_places(call, at, dims, b);
  const Shape picked = linear.shape();
  linear = reshape(linear, {batches, count_of(picked, b, picked.size())});
  if (b > 0) {
    const Var offset = iota(call.graph(), at.dtype(), {batches, Dim(1)}, 0) * size_scalar(call.graph(), places, at.dtype());
    linear = select(less(linear, 0.0), linear, linear + offset);
  }
  const Var rows = gather(reshape(x, {batches * places, width}), linear, 0);
  Shape shape = picked;
  shape.insert(shape.end(), dims.begin() + static_cast<std::ptrdiff_t>(b + k), dims.end());
  return {reshape(rows, shape)};
}

OnnxValues import_scatter_nd(NodeCall& call) {
  const Var x = call.in(0), at = call.in(1), updates = call.in(2);
  const auto k = static_cast<size_t>(index_width(call, at, x.rank()));
  const Shape& dims = x.shape();
  const Dim places = count_of(dims, 0, k), width = count_of(dims, k, dims.size());
  const Var linear = linear_places(call, at, dims, 0);
  const Dim count = element_count(linear.shape());
  Shape wanted = linear.shape();
  wanted.insert(wanted.end(), dims.begin() + static_cast<std::ptrdiff_t>(k), dims.end());
  if (updates.shape() != wanted)
    call.fail(fmt::format("updates must have shape {}, not {}", to_string(wanted), to_string(updates.shape())));
  const Var rows = broadcast_to(reshape(linear, {count, Dim(1)}), {count, width});
  return {reshape(scatter_elements(reshape(x, {places, width}), rows, reshape(updates, {count, width}), 0, scatter_mode(call)), dims)};
}

// [batch, ..., length at axis, ...]: rows of the update go to write_indices[batch] onward.
OnnxValues import_tensor_scatter(NodeCall& call) {
  const Var x = call.in(0), update = call.in(1);
  const int64_t axis = axis_of(call, -2, x.rank());
  const std::string mode = call.text("mode", "linear");
  if (mode != "linear" && mode != "circular") call.fail(fmt::format("mode '{}' is not known", mode));
  if (axis == 0) call.fail("the axis must not be that of the batch");
  Graph& g = call.graph();
  Var at = iota(g, DType::kInt64, {update.dim(axis)}, 0);
  at = along_axis(at, axis, x.rank());
  if (call.has(2)) at = at + along_axis(cast(call.in(2), DType::kInt64), 0, x.rank());
  if (mode == "circular") at = mod(at, size_scalar(g, x.dim(axis), DType::kInt64));
  return {scatter_elements(x, broadcast_to(at, update.shape()), update, axis)};
}

// ---- order

OnnxValues import_top_k(NodeCall& call) {
  const Var x = call.in(0);
  if (x.rank() == 0) call.fail("takes an operand with axes");
  const int64_t axis = axis_of(call, -1, x.rank());
  Dim k = call.opset() < 10 ? Dim(call.integer("k")) : Dim(0);
  if (call.opset() >= 10) {
    const Shape value = call.shape_value(1, "k");
    if (value.size() != 1) call.fail("k must be one number");
    k = value[0];
  }
  const TopK top = top_k(x, k, axis, call.integer("largest", 1) != 0);
  return {top.values, top.indices};
}

template <Var (*cumulate)(Var, int64_t, bool, bool)>
OnnxValues import_cumulative(NodeCall& call) {
  const Var x = call.in(0);
  const int64_t axis = checked_axis(call, call.int_value(1, "the axis"), x.rank());
  return {cumulate(x, axis, call.integer("exclusive", 0) != 0, call.integer("reverse", 0) != 0)};
}

// ---- sizes that depend on the data: computed from the values

OnnxValues import_non_zero(NodeCall& call) {
  const Tensor x = call.concrete(0, "the number of elements that are not zero");
  std::vector<Ints> places(static_cast<size_t>(x.rank()));
  for (int64_t i = 0; i < x.size(); ++i) {
    if (x.at(i) == 0) continue;
    int64_t rest = i;
    for (size_t a = places.size(); a-- > 0;) {
      places[a].push_back(rest % x.dims()[a]);
      rest /= x.dims()[a];
    }
  }
  Ints all;
  for (const Ints& axis : places) all.insert(all.end(), axis.begin(), axis.end());
  const auto rank = static_cast<int64_t>(places.size());
  return {OnnxValue(int_tensor({rank, rank ? static_cast<int64_t>(all.size()) / rank : 0}, all))};
}

OnnxValues import_compress(NodeCall& call) {
  const Tensor condition = call.concrete(1, "the condition");
  if (condition.rank() != 1) call.fail("the condition must have one axis");
  Var x = call.in(0);
  int64_t axis = 0;
  if (call.has_attribute("axis"))
    axis = axis_of(call, 0, x.rank());
  else
    x = reshape(x, {element_count(x.shape())});
  Ints kept;
  for (int64_t i = 0; i < condition.size(); ++i)
    if (condition.at(i) != 0) kept.push_back(i);
  return {gather(x, integers(call.graph(), {static_cast<int64_t>(kept.size())}, kept), axis)};
}

// Slices of a tensor along an axis, as rows of numbers that compare as the elements do.
template <class T>
std::vector<std::vector<T>> slices_of(const Tensor& x, int64_t outer, int64_t size, int64_t inner) {
  const Tensor wide = x.cast(DTypeOf<T>::value);
  std::vector<std::vector<T>> rows(static_cast<size_t>(size));
  for (int64_t s = 0; s < size; ++s)
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) rows[static_cast<size_t>(s)].push_back(wide.data<T>()[(o * size + s) * inner + i]);
  return rows;
}

struct UniqueSlices {
  Ints first, inverse, counts;
};

template <class T>
UniqueSlices find_unique(const std::vector<std::vector<T>>& rows, bool sorted) {
  std::map<std::vector<T>, int64_t> seen;  // row -> number in order of appearance
  UniqueSlices u;
  for (size_t s = 0; s < rows.size(); ++s) {
    const auto [it, inserted] = seen.emplace(rows[s], static_cast<int64_t>(u.first.size()));
    if (inserted) u.first.push_back(static_cast<int64_t>(s)), u.counts.push_back(0);
    u.inverse.push_back(it->second);
    ++u.counts[static_cast<size_t>(it->second)];
  }
  if (!sorted) return u;
  UniqueSlices ordered;
  Ints rank(u.first.size());
  for (const auto& [row, number] : seen) {
    rank[static_cast<size_t>(number)] = static_cast<int64_t>(ordered.first.size());
    ordered.first.push_back(u.first[static_cast<size_t>(number)]);
    ordered.counts.push_back(u.counts[static_cast<size_t>(number)]);
  }
  for (const int64_t number : u.inverse) ordered.inverse.push_back(rank[static_cast<size_t>(number)]);
  return ordered;
}

OnnxValues import_unique(NodeCall& call) {
  Tensor x = call.concrete(0, "the number of unique elements");
  const bool flat = !call.has_attribute("axis");
  if (flat) x = x.reshaped({x.size()});
  const auto axis = static_cast<size_t>(flat ? 0 : axis_of(call, 0, x.rank()));
  for (int64_t i = 0; is_float(x.dtype()) && i < x.size(); ++i)
    if (x.at(i) != x.at(i)) call.unsupported("an element that is not a number");
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < x.dims().size(); ++i)
    if (i != axis) (i < axis ? outer : inner) *= x.dims()[i];
  const int64_t size = x.dims()[axis];
  const bool sorted = call.integer("sorted", 1) != 0;
  const UniqueSlices u = is_float(x.dtype())           ? find_unique(slices_of<double>(x, outer, size, inner), sorted)
                         : x.dtype() == DType::kUInt64 ? find_unique(slices_of<uint64_t>(x, outer, size, inner), sorted)
                                                       : find_unique(slices_of<int64_t>(x, outer, size, inner), sorted);
  const auto list = [](const Ints& values) { return OnnxValue(int_tensor({static_cast<int64_t>(values.size())}, values)); };
  const Var picked = gather(constant(call.graph(), x), integers(call.graph(), {static_cast<int64_t>(u.first.size())}, u.first),
                            static_cast<int64_t>(axis));
  return {picked, list(u.first), list(u.inverse), list(u.counts)};
}

constexpr OpRow kIndexingRows[] = {
    {"Gather", 1, import_gather, kAnyType},
    {"GatherElements", 11, import_gather_elements, kAnyType},
    {"GatherND", 11, import_gather_nd, kAnyType},
    {"Scatter", 9, import_scatter_elements, kAnyType},
    {"ScatterElements", 11, import_scatter_elements, kAnyType},
    {"ScatterND", 11, import_scatter_nd, kAnyType},
    {"TensorScatter", 24, import_tensor_scatter, kAnyType},
    {"TopK", 1, import_top_k, kAnyType},
    {"CumSum", 11, import_cumulative<cumsum>},
    {"CumProd", 26, import_cumulative<cumprod>},
    {"NonZero", 9, import_non_zero, kAnyType},
    {"Compress", 9, import_compress, kAnyType},
    {"Unique", 11, import_unique, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_indexing() { return kIndexingRows; }

}  // namespace dl::onnx
