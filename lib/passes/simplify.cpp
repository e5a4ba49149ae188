#include <cmath>
#include <optional>

#include "ops/builders.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace dl {
namespace {

// The value of a constant all of whose elements are equal (also seen through broadcast and reshape).
std::optional<double> constant_value(Var x) {
  const Node* node = &x.graph->node(x.value);
  while (node->op == &op_broadcast_to || node->op == &op_reshape) node = &x.graph->node(node->inputs[0]);
  if (node->op != &op_constant) return std::nullopt;
  const Tensor& value = node->attrs.tensor("value");
  return value.size() == 1 ? std::optional(value.at(0)) : std::nullopt;
}

bool is_constant(Var x, double value) {
  const std::optional<double> known = constant_value(x);
  return known && *known == value;
}

// The elementwise table on known scalars, in double.
namespace scalar_table {
using T = double;
using std::abs, std::acos, std::acosh, std::asin, std::asinh, std::atan, std::atan2, std::atanh, std::ceil, std::cos, std::cosh, std::erf,
    std::exp, std::expm1, std::floor, std::log, std::log1p, std::nearbyint, std::pow, std::sin, std::sinh, std::sqrt, std::tan, std::tanh;
double sigmoid(double x) { return 1 / (1 + exp(-x)); }
double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

std::optional<double> evaluate(const OpDef* op, double x, double second) {
  const double a = x, b = second;
#define DL_UNARY(NAME, VALUE, GRAD) \
  if (op == &op_##NAME) return VALUE;
#define DL_BINARY(NAME, VALUE, GRAD_A, GRAD_B) \
  if (op == &op_##NAME) return VALUE;
#define DL_COMPARE(NAME, VALUE) \
  if (op == &op_##NAME) return (VALUE) ? 1.0 : 0.0;
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
  return std::nullopt;
}
}  // namespace scalar_table

// A float scalar whose operands are all known becomes a constant. Larger constants are computed once by the executor.
std::optional<Var> fold_scalar(const RewriteCall& call) {
  const TensorType& type = call.node.types[0];
  if (call.node.op == &op_size_of) {
    if (!all_known(call.node.attrs.shape("size"))) return std::nullopt;
    return scalar(call.graph, type.dtype, static_cast<double>(call.node.attrs.shape("size")[0].value()));
  }
  if (call.node.op->kind != OpKind::kElementwise || call.inputs.size() > 2 || !type.shape.empty()) return std::nullopt;
  double operand[2] = {0, 0};
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const std::optional<double> value = constant_value(call.inputs[i]);
    if (!value || !is_float(call.inputs[i].dtype())) return std::nullopt;
    operand[i] = *value;
  }
  const std::optional<double> result = scalar_table::evaluate(call.node.op, operand[0], operand[1]);
  return result ? std::optional(scalar(call.graph, type.dtype, *result)) : std::nullopt;
}

// x op identity, where the result has x's shape.
std::optional<Var> drop_identity(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  const auto keeps_shape = [&](size_t i) { return call.inputs[i].shape() == call.node.types[0].shape; };
  const auto right = [&](double identity) { return is_constant(call.inputs[1], identity) && keeps_shape(0); };
  const auto left = [&](double identity) { return is_constant(call.inputs[0], identity) && keeps_shape(1); };
  if ((op == &op_mul || op == &op_div) && right(1)) return call.inputs[0];
  if ((op == &op_add || op == &op_sub) && right(0)) return call.inputs[0];
  if (op == &op_mul && left(1)) return call.inputs[1];
  if (op == &op_add && left(0)) return call.inputs[1];
  return std::nullopt;
}

std::vector<int64_t> compose(const std::vector<int64_t>& first, const std::vector<int64_t>& second) {
  std::vector<int64_t> result;
  for (int64_t axis : second) result.push_back(first[static_cast<size_t>(axis)]);
  return result;
}

std::optional<Var> drop_move(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (call.inputs.size() != 1) return std::nullopt;
  const Var x = call.inputs[0];
  const Node& source = call.graph.node(x.value);
  const auto source_input = [&] { return Var{&call.graph, source.inputs[0]}; };
  if (op == &op_stop_gradient) return x;
  if (op == &op_reshape) {
    if (x.shape() == call.node.types[0].shape) return x;
    if (source.op == &op_reshape) return reshape(source_input(), call.node.types[0].shape);
  }
  if (op == &op_transpose && source.op == &op_transpose)
    return transpose(source_input(), compose(source.attrs.integers("perm"), call.node.attrs.integers("perm")));
  if (op == &op_broadcast_to && x.shape() == call.node.types[0].shape) return x;
  if (op == &op_cast && x.dtype() == call.node.types[0].dtype) return x;
  const bool reduces = op == &op_reduce_sum || op == &op_reduce_max || op == &op_reduce_min || op == &op_reduce_prod;
  if (reduces && call.node.attrs.integers("axes").empty()) return x;
  if (reduces) {
    for (int64_t axis : call.node.attrs.integers("axes"))
      if (!(x.dim(axis) == Dim(1))) return std::nullopt;
    return reshape(x, call.node.types[0].shape);
  }
  return std::nullopt;
}

// A broadcast that the elementwise reader does itself.
std::optional<Var> absorb_broadcast(const RewriteCall& call) {
  if (call.node.op->kind != OpKind::kElementwise || call.inputs.size() < 2) return std::nullopt;
  std::vector<Var> inputs = call.inputs;
  bool changed = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Node& source = call.graph.node(inputs[i].value);
    if (source.op != &op_broadcast_to) continue;
    std::vector<Var> trial = inputs;
    trial[i] = {&call.graph, source.inputs[0]};
    bool other_has_shape = false;
    for (size_t k = 0; k < trial.size(); ++k) other_has_shape = other_has_shape || (k != i && trial[k].shape() == call.node.types[0].shape);
    if (!other_has_shape) continue;
    inputs = trial;
    changed = true;
  }
  return changed ? std::optional(copy_node(call.graph, call.node, inputs)[0]) : std::nullopt;
}

}  // namespace

Program simplify(const Program& program) {
  return rewrite(program, [](const RewriteCall& call) -> std::vector<Var> {
    if (call.node.types.size() != 1) return {};
    for (auto* rule : {fold_scalar, drop_identity, drop_move, absorb_broadcast})
      if (const std::optional<Var> replacement = rule(call)) return {*replacement};
    return {};
  });
}

}  // namespace dl
