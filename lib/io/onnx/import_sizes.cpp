// Operators on sizes that may be symbolic: the result of Shape and what models compute from it, kept as polynomials (tensor/dim.h).
// Each gives nullopt where an operand is not of that kind; the operator is then imported like any other.
#include <algorithm>

#include "io/onnx/importer.h"

namespace dl::onnx {
namespace {

using Result = std::optional<Sizes>;

Result sizes_shape(NodeCall& call) {
  const OnnxValue& v = call.value(0);
  const Shape shape = v.var.valid()     ? v.var.shape()
                      : v.initial       ? to_shape(v.initial->tensor.dims())
                      : v.sizes->scalar ? Shape{}
                                        : Shape{static_cast<int64_t>(v.sizes->dims.size())};
  const auto rank = static_cast<int64_t>(shape.size());
  const auto clamp = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  const int64_t start = clamp(call.integer("start", 0)), end = clamp(call.integer("end", rank));
  Sizes result;
  for (int64_t i = start; i < end; ++i) result.dims.push_back(shape[static_cast<size_t>(i)]);
  return result;
}

Result sizes_size(NodeCall& call) {
  const OnnxValue& v = call.value(0);
  if (v.sizes) return Sizes{{static_cast<int64_t>(v.sizes->dims.size())}, true};
  return Sizes{{v.var.valid() ? element_count(v.var.shape()) : Dim(v.initial->tensor.size())}, true};
}

// Operand i: sizes, or numbers that the file computes from constants.
Result sizes_or_numbers(NodeCall& call, size_t i) {
  if (Result sizes = call.sizes(i)) return sizes;
  const std::optional<Tensor> value = call.try_concrete(i);
  if (!value || is_float(value->dtype()) || value->rank() > 1 || value->size() > 64) return std::nullopt;
  Sizes result{{}, value->rank() == 0, value->dtype()};
  for (int64_t k = 0; k < value->size(); ++k) result.dims.emplace_back(static_cast<int64_t>(value->at(k)));
  return result;
}

// The numbers of operand i where all are known.
std::optional<std::vector<int64_t>> numbers(NodeCall& call, size_t i) {
  const Result s = sizes_or_numbers(call, i);
  if (!s || !all_known(s->dims)) return std::nullopt;
  return known_dims(s->dims);
}

Result sizes_gather(NodeCall& call) {
  const Result x = call.sizes(0);
  if (!x || x->scalar) return std::nullopt;
  const Result at = call.value(0).sizes ? sizes_or_numbers(call, 1) : call.sizes(1);
  if (!at || !all_known(at->dims)) return std::nullopt;
  Sizes result{{}, at->scalar, x->dtype};
  const auto count = static_cast<int64_t>(x->dims.size());
  for (int64_t i : known_dims(at->dims)) {
    if (i < -count || i >= count) call.fail("index " + std::to_string(i) + " is outside of " + std::to_string(count) + " elements");
    result.dims.push_back(x->dims[static_cast<size_t>(i < 0 ? i + count : i)]);
  }
  return result;
}

Result sizes_slice(NodeCall& call) {
  const Result x = call.sizes(0);
  if (!x || x->scalar) return std::nullopt;
  int64_t start = 0, end = 0, step = 1;
  if (call.opset() < 10) {
    const std::vector<int64_t> starts = call.integers("starts"), ends = call.integers("ends");
    if (starts.size() != 1 || ends.size() != 1) return std::nullopt;
    start = starts[0], end = ends[0];
  } else {
    const auto starts = numbers(call, 1), ends = numbers(call, 2);
    if (!starts || !ends || starts->size() != 1 || ends->size() != 1) return std::nullopt;
    start = (*starts)[0], end = (*ends)[0];
    if (call.has(4)) {
      const auto steps = numbers(call, 4);
      if (!steps || steps->size() != 1 || (*steps)[0] == 0) return std::nullopt;
      step = (*steps)[0];
    }
  }
  const auto count = static_cast<int64_t>(x->dims.size());
  if (start < 0) start += count;
  if (end < 0 && end >= -count) end += count;
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
  start = std::clamp(start, step > 0 ? int64_t{0} : int64_t{-1}, high), end = std::clamp(end, low, high);
  Sizes result{{}, false, x->dtype};
  for (int64_t i = start; step > 0 ? i < end : i > end; i += step) {
    result.dims.push_back(x->dims[static_cast<size_t>(i)]);
    if (step > count || step < -count) break;
  }
  return result;
}

Result sizes_concat(NodeCall& call) {
  Sizes result;
  for (size_t i = 0; i < call.inputs(); ++i) {
    const Result part = call.sizes(i);
    if (!part || part->scalar) return std::nullopt;
    result.dtype = part->dtype;
    result.dims.insert(result.dims.end(), part->dims.begin(), part->dims.end());
  }
  return result;
}

Result sizes_squeeze(NodeCall& call) {
  Result x = call.sizes(0);
  if (!x || x->scalar || x->dims.size() != 1) return std::nullopt;
  x->scalar = true;
  return x;
}

Result sizes_unsqueeze(NodeCall& call) {
  Result x = call.sizes(0);
  if (!x || !x->scalar) return std::nullopt;
  const std::optional<std::vector<int64_t>> axes = call.axes(1, 13);
  if (!axes || axes->size() != 1 || ((*axes)[0] != 0 && (*axes)[0] != -1)) return std::nullopt;
  x->scalar = false;
  return x;
}

Result sizes_reshape(NodeCall& call) {
  Result x = call.sizes(0);
  const auto shape = numbers(call, 1);
  if (!x || !shape || shape->size() > 1) return std::nullopt;
  const auto count = static_cast<int64_t>(x->dims.size());
  if (shape->empty() ? count != 1 : (*shape)[0] != -1 && (*shape)[0] != count) return std::nullopt;
  x->scalar = shape->empty();
  return x;
}

Result sizes_identity(NodeCall& call) { return call.value(0).sizes; }

Result sizes_cast(NodeCall& call) {
  Result x = call.value(0).sizes;  // constants have no need of it
  const int64_t to = call.integer("to");
  if (!x || (to != 6 && to != 7)) return std::nullopt;
  x->dtype = to == 6 ? DType::kInt32 : DType::kInt64;
  return x;
}

template <class F>
Result elementwise(NodeCall& call, F f) {
  if (!call.value(0).sizes && !call.value(1).sizes) return std::nullopt;  // arithmetic on constants is not about sizes
  const Result a = call.sizes(0), b = call.sizes(1);
  if (!a || !b || a->dtype != b->dtype) return std::nullopt;
  const size_t count = std::max(a->dims.size(), b->dims.size());
  if ((a->dims.size() != count && a->dims.size() != 1) || (b->dims.size() != count && b->dims.size() != 1)) return std::nullopt;
  Sizes result{{}, a->scalar && b->scalar, a->dtype};
  for (size_t i = 0; i < count; ++i) {
    const std::optional<Dim> d = f(a->dims[a->dims.size() == 1 ? 0 : i], b->dims[b->dims.size() == 1 ? 0 : i]);
    if (!d) return std::nullopt;
    result.dims.push_back(*d);
  }
  return result;
}

Result sizes_add(NodeCall& call) {
  return elementwise(call, [](Dim a, Dim b) { return std::optional(a + b); });
}
Result sizes_sub(NodeCall& call) {
  return elementwise(call, [](Dim a, Dim b) { return std::optional(a - b); });
}
Result sizes_mul(NodeCall& call) {
  return elementwise(call, [](Dim a, Dim b) { return std::optional(a * b); });
}
// Towards zero; symbolic numerators are taken to be sizes, which are not negative.
Result sizes_div(NodeCall& call) {
  return elementwise(call, [](Dim a, Dim b) -> std::optional<Dim> {
    if (a.known() && b.known()) {
      if (b.value() == 0 || (b.value() == -1 && a.value() == INT64_MIN)) return std::nullopt;
      return Dim(a.value() / b.value());
    }
    if (b.known() && b.value() > 0 && !to_string(a).starts_with("-")) return floor_div(a, b.value());
    return exact_div(a, b);
  });
}

// Whether sizes are equal; a size is not negative. The result is booleans: 0 and 1.
Result sizes_equal(NodeCall& call) {
  if (!call.value(0).sizes && !call.value(1).sizes) return std::nullopt;
  const Result a = sizes_or_numbers(call, 0), b = sizes_or_numbers(call, 1);
  if (!a || !b) return std::nullopt;
  const size_t count = std::max(a->dims.size(), b->dims.size());
  Sizes result{{}, a->scalar && b->scalar, DType::kBool};
  for (size_t i = 0; i < count; ++i) {
    if ((a->dims.size() != count && a->dims.size() != 1) || (b->dims.size() != count && b->dims.size() != 1)) return std::nullopt;
    const Dim x = a->dims[a->dims.size() == 1 ? 0 : i], y = b->dims[b->dims.size() == 1 ? 0 : i];
    const auto negative = [](Dim d) { return d.known() && d.value() < 0; };
    const bool differ = (x.known() && y.known()) || negative(x) || negative(y);
    if (!(x == y) && !differ) return std::nullopt;
    result.dims.emplace_back(x == y ? 1 : 0);
  }
  return result;
}

Result sizes_where(NodeCall& call) {
  if (!call.value(0).sizes && !call.value(1).sizes && !call.value(2).sizes) return std::nullopt;
  const auto taken = numbers(call, 0);
  const Result a = sizes_or_numbers(call, 1), b = sizes_or_numbers(call, 2);
  if (!taken || !a || !b || a->dtype != b->dtype) return std::nullopt;
  const size_t count = std::max({taken->size(), a->dims.size(), b->dims.size()});
  Sizes result{{}, a->scalar && b->scalar && count == 1, a->dtype};
  for (const size_t size : {taken->size(), a->dims.size(), b->dims.size()})
    if (size != count && size != 1) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    const Sizes& from = (*taken)[taken->size() == 1 ? 0 : i] ? *a : *b;
    result.dims.push_back(from.dims[from.dims.size() == 1 ? 0 : i]);
  }
  return result;
}

// Of equal sizes, of numbers; a size that is not known is at least 1.
Result sizes_extreme(NodeCall& call, bool largest) {
  if (call.inputs() != 2) return std::nullopt;
  return elementwise(call, [largest](Dim a, Dim b) -> std::optional<Dim> {
    if (a == b) return a;
    if (a.known() && b.known()) return Dim(largest ? std::max(a.value(), b.value()) : std::min(a.value(), b.value()));
    const Dim number = a.known() ? a : b;
    if (!number.known() || number.value() > 1) return std::nullopt;
    return largest ? (a.known() ? b : a) : number;
  });
}
Result sizes_max(NodeCall& call) { return sizes_extreme(call, true); }
Result sizes_min(NodeCall& call) { return sizes_extreme(call, false); }

Result sizes_prod(NodeCall& call) {
  const Result x = call.value(0).sizes;
  if (!x || x->scalar || x->dims.empty()) return std::nullopt;
  if (call.integer("noop_with_empty_axes", 0) != 0) return std::nullopt;
  Dim product(1);
  for (Dim d : x->dims) product = product * d;
  return Sizes{{product}, call.integer("keepdims", 1) == 0, x->dtype};
}

}  // namespace

std::span<const SizesRow> onnx_sizes_rows() {
  static constexpr SizesRow kSizesRows[] = {
      {"Shape", sizes_shape},
      {"Size", sizes_size},
      {"Gather", sizes_gather},
      {"Slice", sizes_slice},
      {"Concat", sizes_concat},
      {"Squeeze", sizes_squeeze},
      {"Unsqueeze", sizes_unsqueeze},
      {"Reshape", sizes_reshape},
      {"Identity", sizes_identity},
      {"Cast", sizes_cast},
      {"Add", sizes_add},
      {"Sub", sizes_sub},
      {"Mul", sizes_mul},
      {"Div", sizes_div},
      {"Equal", sizes_equal},
      {"Where", sizes_where},
      {"Max", sizes_max},
      {"Min", sizes_min},
      {"ReduceProd", sizes_prod},
  };
  return kSizesRows;
}

}  // namespace dl::onnx
