// Reductions: Reduce*, ArgMax, ArgMin.
#include <limits>

#include "io/onnx/importer.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

struct Reduction {
  Var x;
  Ints axes;  // sorted, not negative
  bool keepdims;
  bool nothing;  // noop_with_empty_axes: no axis is reduced
};

Reduction reduction_of(NodeCall& call, int64_t axes_input_since) {
  Reduction r{call.in(0), {}, call.integer("keepdims", 1) != 0, false};
  const std::optional<Ints> given = call.axes(1, axes_input_since);
  if (given && !given->empty()) {
    r.axes = normalize_axes(*given, r.x.rank(), "axes");
    return r;
  }
  r.nothing = call.integer("noop_with_empty_axes", 0) != 0;
  if (!r.nothing)
    for (int64_t i = 0; i < r.x.rank(); ++i) r.axes.push_back(i);
  return r;
}

// The builders take no axes for all axes.
Var apply(Var (*reduce)(Var, Ints, bool), const Reduction& r, Var x) { return r.axes.empty() ? x : reduce(x, r.axes, r.keepdims); }

template <Var (*reduce)(Var, Ints, bool)>
OnnxValues import_plain(NodeCall& call) {
  const Reduction r = reduction_of(call, 18);
  if (r.x.dtype() == DType::kBool) return {cast(apply(reduce, r, cast(r.x, DType::kUInt8)), DType::kBool)};
  return {apply(reduce, r, r.x)};
}

OnnxValues import_reduce_sum(NodeCall& call) {
  const Reduction r = reduction_of(call, 13);
  return {apply(reduce_sum, r, r.x)};
}
OnnxValues import_reduce_l1(NodeCall& call) {
  const Reduction r = reduction_of(call, 18);
  return {apply(reduce_sum, r, abs(r.x))};
}
OnnxValues import_reduce_l2(NodeCall& call) {
  const Reduction r = reduction_of(call, 18);
  const Var sum = apply(reduce_sum, r, r.x * r.x);
  return {is_float(sum.dtype()) ? sqrt(sum) : cast(sqrt(cast(sum, DType::kFloat64)), sum.dtype())};
}
OnnxValues import_reduce_sum_square(NodeCall& call) {
  const Reduction r = reduction_of(call, 18);
  return {apply(reduce_sum, r, r.x * r.x)};
}

Var log_of(Var x) { return is_float(x.dtype()) ? log(x) : cast(log(cast(x, DType::kFloat64)), x.dtype()); }

OnnxValues import_reduce_log_sum(NodeCall& call) {
  const Reduction r = reduction_of(call, 18);
  return {log_of(apply(reduce_sum, r, r.x))};
}

// Less the maximum, where that is finite, so that nothing overflows.
OnnxValues import_reduce_log_sum_exp(NodeCall& call) {
  Reduction r = reduction_of(call, 18);
  const DType type = r.x.dtype();
  if (!is_float(type)) r.x = cast(r.x, DType::kFloat64);
  if (r.axes.empty()) return {r.x};
  const Var top = reduce_max(r.x, r.axes, true);
  const Var shift = stop_gradient(select(less(abs(top), std::numeric_limits<double>::infinity()), top, 0.0));
  Var y = log(reduce_sum(exp(r.x - shift), r.axes, true)) + shift;
  if (!r.keepdims) y = squeeze(y, r.axes);
  return {cast(y, type)};
}

// Integers in the order turned around: ~x, which exists for the lowest number too.
OnnxValues import_arg(NodeCall& call, bool smallest) {
  Var x = call.in(0);
  if (x.dtype() == DType::kBool) x = cast(x, DType::kUInt8);
  if (x.rank() == 0) call.fail("needs at least one axis");
  const int64_t axis = normalize_axis(call.integer("axis", 0), x.rank(), "axis");
  if (smallest) x = is_float(x.dtype()) ? -x : bitwise_not(x);
  const bool last = call.integer("select_last_index", 0) != 0;
  Var y = arg_max(last ? reverse(x, axis) : x, axis);
  if (last) y = (size_of(x, {axis}, DType::kInt64) - 1.0) - y;
  return {call.integer("keepdims", 1) ? expand_dims(y, axis) : y};
}
OnnxValues import_arg_max(NodeCall& call) { return import_arg(call, false); }
OnnxValues import_arg_min(NodeCall& call) { return import_arg(call, true); }

constexpr OpRow kReduceRows[] = {
    {"ReduceSum", 1, import_reduce_sum},
    {"ReduceMean", 1, import_plain<reduce_mean>},
    {"ReduceMax", 1, import_plain<reduce_max>},
    {"ReduceMin", 1, import_plain<reduce_min>},
    {"ReduceProd", 1, import_plain<reduce_prod>},
    {"ReduceL1", 1, import_reduce_l1},
    {"ReduceL2", 1, import_reduce_l2},
    {"ReduceSumSquare", 1, import_reduce_sum_square},
    {"ReduceLogSum", 1, import_reduce_log_sum},
    {"ReduceLogSumExp", 1, import_reduce_log_sum_exp},
    {"ArgMax", 1, import_arg_max},
    {"ArgMin", 1, import_arg_min},
};

}  // namespace

std::span<const OpRow> onnx_rows_reduce() { return kReduceRows; }

}  // namespace dl::onnx
