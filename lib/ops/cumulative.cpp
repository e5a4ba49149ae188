// Running sums and products along one axis.
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

std::vector<AttrSpec> cumulative_attrs() { return {{"axis", int64_t{0}, true}, {"exclusive", int64_t{0}}, {"reverse", int64_t{0}}}; }

std::vector<TensorType> infer_cumulative(const InferCall& call) {
  if (call.inputs[0].dtype == DType::kBool) infer_error(call, "takes numbers, not booleans");
  return {call.inputs[0]};
}

// Element i goes into the results whose running part holds it: the same walk from the other end.
Var back(const GradCall& call, Var x) {
  return cumsum(x, call.attrs.integer("axis"), call.attrs.flag("exclusive"), !call.attrs.flag("reverse"));
}

Attrs cumulative_values(Var x, int64_t axis, bool exclusive, bool reverse, const char* what) {
  return {{"axis", normalize_axis(axis, x.rank(), what)}, {"exclusive", int64_t{exclusive}}, {"reverse", int64_t{reverse}}};
}

// Factors away from 0, where the gradient of a product is not defined by a quotient.
std::vector<Sample> cumulative_samples(double low, double high) {
  const auto attrs = [](int64_t axis, int64_t exclusive, int64_t reverse) {
    return Attrs{{"axis", axis}, {"exclusive", exclusive}, {"reverse", reverse}};
  };
  return {{{{kF, {5}}}, attrs(0, 0, 0), low, high},       {{{kF, {2, 3, 4}}}, attrs(1, 1, 0), low, high},
          {{{kF, {2, 3, 4}}}, attrs(1, 0, 1), low, high}, {{{kF, {3, 4}}}, attrs(0, 1, 1), low, high},
          {{{kF, {0, 3}}}, attrs(0, 0, 0), low, high},    {{{kF, {1, 4}}}, attrs(0, 1, 0), low, high},
          {{{DType::kInt8, {4, 3}}}, attrs(1, 0, 0)}};
}

}  // namespace

const OpDef op_cumsum = {
    .name = "cumsum",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = cumulative_attrs(),
    .infer = infer_cumulative,
    .grad = [](const GradCall& call) -> std::vector<Var> { return {back(call, call.douts[0])}; },
    .samples = [] { return cumulative_samples(-2, 2); },
};

const OpDef op_cumprod = {
    .name = "cumprod",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = cumulative_attrs(),
    .infer = infer_cumulative,
    .grad = [](const GradCall& call) -> std::vector<Var> { return {back(call, call.douts[0] * call.outputs[0]) / call.inputs[0]}; },
    .samples = [] { return cumulative_samples(0.5, 1.5); },
};

Var cumsum(Var x, int64_t axis, bool exclusive, bool reverse) {
  return add_op(op_cumsum, {x}, cumulative_values(x, axis, exclusive, reverse, "cumsum"));
}
Var cumprod(Var x, int64_t axis, bool exclusive, bool reverse) {
  return add_op(op_cumprod, {x}, cumulative_values(x, axis, exclusive, reverse, "cumprod"));
}

}  // namespace dl
