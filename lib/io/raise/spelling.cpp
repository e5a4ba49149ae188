#include "io/raise/spelling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "graph/op_def.h"
#include "io/raise/cuts.h"
#include "io/raise/terms.h"
#include "io/raise/transposes.h"
#include "io/raise/windows.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

// ---- channels last

Ints to_channels_last(int64_t rank) {
  Ints perm = {0};
  for (int64_t i = 2; i < rank; ++i) perm.push_back(i);
  perm.push_back(1);
  return perm;
}

Ints to_channels_first(int64_t rank) {
  Ints perm = {0, rank - 1};
  for (int64_t i = 1; i < rank - 1; ++i) perm.push_back(i);
  return perm;
}

Replacement channels_last(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if ((op != &op_conv && op != &op_conv_input_grad && op != &op_max_pool && op != &op_avg_pool) || !call.node.attrs.flag("channels_first"))
    return std::nullopt;
  const int64_t rank = call.inputs[0].rank();
  Attrs attrs = call.node.attrs;
  attrs.set("channels_first", int64_t{0});
  if (op == &op_conv_input_grad) attrs.set("x_shape", permuted(attrs.shape("x_shape"), to_channels_last(rank)));
  std::vector<Var> inputs = call.inputs;
  inputs[0] = transpose(inputs[0], to_channels_last(rank));
  return transpose(add_op(*op, inputs, attrs), to_channels_first(rank));
}

// ---- one way to write what can be written in several

Replacement same_spelling(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op == &op_sub)
    if (const auto c = constant_of(call.inputs[1])) return call.inputs[0] + -*c;
  if (op == &op_div)
    if (const auto c = constant_of(call.inputs[1]); c && *c != 0 && std::isfinite(*c)) return call.inputs[0] * (1 / *c);
  if (op == &op_neg) return call.inputs[0] * -1.0;
  if (op == &op_maximum)
    for (size_t i = 0; i < 2; ++i)
      if (const auto c = constant_of(call.inputs[i]); c && *c == 0 && call.inputs[1 - i].shape() == call.node.types[0].shape)
        return relu(call.inputs[1 - i]);
  if (op == &op_mul)  // (x * a) * b
    for (size_t i = 0; i < 2; ++i) {
      const auto outer = constant_of(call.inputs[i]);
      const Var rest = call.inputs[1 - i];
      if (!outer || node_of(rest).op != &op_mul) continue;
      for (size_t k = 0; k < 2; ++k)
        if (const auto inner = constant_of(operand(rest, k))) return operand(rest, 1 - k) * (*outer * *inner);
    }
  if (op == &op_mul)  // (x * a) * y: factors that are numbers come last
    for (size_t i = 0; i < 2; ++i) {
      const Var product = call.inputs[i], other = call.inputs[1 - i];
      if (node_of(product).op != &op_mul || constant_of(other)) continue;
      for (size_t k = 0; k < 2; ++k)
        if (const auto number = constant_of(operand(product, k))) return operand(product, 1 - k) * other * *number;
    }
  return std::nullopt;
}

// The slope w of relu(x) and w * relu(-x), invalid where the two are not of this form.
Var slope_below(Var above, Var below) {
  if (node_of(above).op != &op_relu || node_of(below).op != &op_mul) return {};
  for (size_t i = 0; i < 2; ++i) {
    const Var negative = operand(below, i);
    if (node_of(negative).op != &op_relu || node_of(operand(negative, 0)).op != &op_mul) continue;
    const Var turned = operand(negative, 0);
    for (size_t k = 0; k < 2; ++k)
      if (operand(turned, k).value == operand(above, 0).value && constant_of(operand(turned, 1 - k)) == -1.0) return operand(below, 1 - i);
  }
  return {};
}

// relu(x) - w relu(-x), or with a sum and -w: x above 0, w x below.
Replacement falling_slope(const RewriteCall& call) {
  const bool difference = call.node.op == &op_sub;
  for (size_t side = 0; side < (difference ? 1u : 2u); ++side) {
    const Var slope = slope_below(call.inputs[side], call.inputs[1 - side]);
    if (!slope.valid()) continue;
    const Var x = operand(call.inputs[side], 0);
    return select(less(x, 0.0), x * (difference ? slope : slope * -1.0), x);
  }
  return std::nullopt;
}

// x above 0 and f(min(x, 0)) below, where f(0) = 0; and a slope below 0 written as a difference.
Replacement two_sided(const RewriteCall& call) {
  const auto is_zero = [](Var v) { return constant_of(v) == 0.0; };
  if (call.node.op == &op_select) {
    const Var condition = call.inputs[0], x = call.inputs[1];
    if (node_of(condition).op != &op_greater || operand(condition, 0).value != x.value || !is_zero(operand(condition, 1)))
      return std::nullopt;
    const Var below = call.inputs[2];
    const OpDef* function = node_of(below).op;
    if (function == &op_mul)
      for (size_t i = 0; i < 2; ++i)
        if (constant_of(operand(below, i))) function = node_of(operand(below, 1 - i)).op;
    return function == &op_expm1 ? Replacement(relu(x) + call.inputs[2]) : std::nullopt;
  }
  return call.node.op == &op_add || call.node.op == &op_sub ? falling_slope(call) : std::nullopt;
}

Replacement plain_powers(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op == &op_square) return call.inputs[0] * call.inputs[0];
  if (op == &op_rsqrt) return reciprocal(sqrt(call.inputs[0]));
  if (op == &op_pow && constant_of(call.inputs[1]) == 2.0) return call.inputs[0] * call.inputs[0];
  if (op == &op_div && !constant_of(call.inputs[1]) && is_float(call.inputs[1].dtype())) {
    const Var over = reciprocal(call.inputs[1]);
    return constant_of(call.inputs[0]) == 1.0 && over.shape() == call.node.types[0].shape ? over : call.inputs[0] * over;
  }
  return std::nullopt;
}

// Reductions over all axes behind the channels, of what no other operator has turned yet.
Replacement reduce_channels_last(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op != &op_reduce_sum && op != &op_reduce_max) return std::nullopt;
  const Var x = call.inputs[0];
  const Ints& axes = call.node.attrs.integers("axes");
  if (x.rank() < 4 || static_cast<int64_t>(axes.size()) != x.rank() - 2 || axes[0] != 2 || node_of(x).op == &op_transpose)
    return std::nullopt;
  Attrs attrs = call.node.attrs;
  Ints moved(axes.size());
  std::iota(moved.begin(), moved.end(), int64_t{1});
  attrs.set("axes", moved);
  const Var y = add_op(*op, {transpose(x, to_channels_last(x.rank()))}, attrs);
  return attrs.flag("keepdims") ? transpose(y, to_channels_first(x.rank())) : y;
}

// A product with a matrix, or an operator on each element, of rows that a reshape has laid one after the other: the reshape comes after.
Replacement sink_rows(const RewriteCall& call) {
  const bool product = call.node.op == &op_matmul && call.inputs[1].rank() == 2 && node_of(call.inputs[1]).op == &op_parameter;
  if (!product && call.node.op->kind != OpKind::kElementwise) return std::nullopt;
  const auto rows = [](Var v) {
    return node_of(v).op == &op_reshape && v.rank() == 2 && operand(v, 0).rank() > 2 && operand(v, 0).dim(-1) == v.dim(-1);
  };
  std::vector<Var> inputs = call.inputs;
  Shape shape;
  for (size_t i = 0; i < inputs.size() && shape.empty(); ++i)
    if (rows(inputs[i]) && call.node.types[0].shape.size() == 2 && (product ? i == 0 : inputs[i].shape() == call.node.types[0].shape))
      shape = operand(inputs[i], 0).shape();
  if (shape.empty()) return std::nullopt;
  for (Var& v : inputs) {
    if (rows(v) && operand(v, 0).shape() == shape)
      v = operand(v, 0);
    else if (!product && v.rank() == 2 && v.dim(0) == Dim(1))
      v = reshape(v, {v.dim(1)});
    else if (!product && v.rank() > 1)
      return std::nullopt;
  }
  return reshape(copy_node(call.graph, call.node, inputs)[0], call.node.types[0].shape);
}

// Operators on each element come before a reshape.
Replacement reshape_behind(const RewriteCall& call) {
  if (call.node.op->kind != OpKind::kElementwise) return std::nullopt;
  std::optional<size_t> moved;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (constant_of(call.inputs[i]) && call.inputs[i].rank() == 0) continue;
    if (moved || node_of(call.inputs[i]).op != &op_reshape) return std::nullopt;
    moved = i;
  }
  if (!moved) return std::nullopt;
  std::vector<Var> inputs = call.inputs;
  inputs[*moved] = operand(inputs[*moved], 0);
  return reshape(copy_node(call.graph, call.node, inputs)[0], call.node.types[0].shape);
}

// A value without its factor, which may stand before moves of its elements.
std::optional<std::pair<Var, double>> without_factor(Var v) {
  const Node& node = node_of(v);
  if (node.op == &op_reshape || node.op == &op_transpose) {
    const auto inner = without_factor(operand(v, 0));
    if (!inner) return std::nullopt;
    return std::pair{copy_node(*v.graph, node, {inner->first})[0], inner->second};
  }
  if (node.op != &op_mul) return std::nullopt;
  for (size_t i = 0; i < 2; ++i)
    if (const auto number = constant_of(operand(v, i)); number && operand(v, 1 - i).shape() == v.shape())
      return std::pair{operand(v, 1 - i), *number};
  return std::nullopt;
}

// Factors of a product of two values stand behind it.
Replacement factor_behind(const RewriteCall& call) {
  if (call.node.op != &op_matmul) return std::nullopt;
  for (Var v : call.inputs) {
    while (node_of(v).op == &op_reshape || node_of(v).op == &op_transpose) v = operand(v, 0);  // a kernel may be turned
    if (node_of(v).op == &op_parameter || node_of(v).op == &op_constant) return std::nullopt;
  }
  for (size_t i = 0; i < 2; ++i)
    if (const auto product = without_factor(call.inputs[i])) {
      std::vector<Var> inputs = call.inputs;
      inputs[i] = product->first;
      return copy_node(call.graph, call.node, inputs)[0] * product->second;
    }
  return std::nullopt;
}

bool is_select_of_negative(Var v) {
  const Node& node = node_of(v);
  if (node.op != &op_select || node_of(operand(v, 0)).op != &op_less) return false;
  const Var condition = operand(v, 0), index = operand(v, 2), moved = operand(v, 1);
  const auto zero = constant_of(operand(condition, 1));
  return zero && *zero == 0 && operand(condition, 0).value == index.value && node_of(moved).op == &op_add &&
         (operand(moved, 0).value == index.value || operand(moved, 1).value == index.value);
}

// Places counted from the end are not what tables of rows are asked for.
Replacement plain_index(const RewriteCall& call) {
  if (call.node.op != &op_gather) return std::nullopt;
  Var index = call.inputs[1];
  bool changed = false;
  if (is_select_of_negative(index)) index = operand(index, 2), changed = true;
  while (node_of(index).op == &op_cast && !is_float(operand(index, 0).dtype()) && operand(index, 0).dtype() != DType::kBool)
    index = operand(index, 0), changed = true;
  if (!changed || (index.dtype() != DType::kInt32 && index.dtype() != DType::kInt64)) return std::nullopt;
  return gather(call.inputs[0], index, call.node.attrs.integer("axis"));
}

// Operators that layers are built of, though they could be written in smaller ones.
bool stays(const OpDef* op) {
  return !op->lower || op == &op_softmax || op == &op_log_softmax || op == &op_layer_norm || op == &op_batch_norm_infer || op == &op_lstm ||
         op == &op_gru;
}

Replacement lowered(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (!stays(op)) return op->lower({call.graph, call.node.attrs, call.inputs, call.node.types})[0];
  if (op != &op_matmul || (!call.node.attrs.flag("transpose_a") && !call.node.attrs.flag("transpose_b"))) return std::nullopt;
  const auto turned = [](Var v, bool turn) {
    if (!turn) return v;
    Ints perm(v.shape().size());
    std::iota(perm.begin(), perm.end(), int64_t{0});
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return transpose(v, perm);
  };
  return matmul(turned(call.inputs[0], call.node.attrs.flag("transpose_a")), turned(call.inputs[1], call.node.attrs.flag("transpose_b")));
}

bool is_zeros(Var v) {
  while (node_of(v).op == &op_broadcast_to || node_of(v).op == &op_reshape || node_of(v).op == &op_transpose) v = operand(v, 0);
  return constant_of(v) == 0.0;
}

// Of numbers that are finite whatever the inputs are.
bool is_gate(Var v) {
  const OpDef* op = node_of(v).op;
  if (op == &op_sigmoid || op == &op_tanh || (op == &op_cast && operand(v, 0).dtype() == DType::kBool)) return true;
  if (op != &op_add && op != &op_mul) return false;
  return constant_of(operand(v, 0)) ? is_gate(operand(v, 1)) : constant_of(operand(v, 1)) && is_gate(operand(v, 0));
}

// What initial states of zeros leave of a product.
Replacement zero_product(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op != &op_matmul && op != &op_mul && op != &op_conv) return std::nullopt;
  for (size_t i = 0; i < (op == &op_conv ? 1u : 2u); ++i) {
    const Var other = call.inputs[1 - i];
    if (node_of(call.inputs[i]).op != &op_broadcast_to || !is_zeros(call.inputs[i])) continue;
    const bool finite = op != &op_mul ? node_of(other).op == &op_parameter || node_of(other).op == &op_constant : is_gate(other);
    if (finite) return full(call.graph, call.node.types[0], 0);
  }
  return std::nullopt;
}

// Zeros in a sum.
Replacement zero_sum(const RewriteCall& call) {
  if (call.node.op != &op_add) return std::nullopt;
  for (size_t i = 0; i < 2; ++i)
    if (node_of(call.inputs[i]).op == &op_broadcast_to && is_zeros(call.inputs[i]))
      return broadcast_to(call.inputs[1 - i], call.node.types[0].shape);
  return std::nullopt;
}

// A choice that is made already.
Replacement known_choice(const RewriteCall& call) {
  if (call.node.op != &op_select) return std::nullopt;
  Var known = call.inputs[0];
  while (node_of(known).op == &op_broadcast_to || node_of(known).op == &op_reshape) known = operand(known, 0);
  if (node_of(known).op != &op_constant) return std::nullopt;
  const Tensor& condition = node_of(known).attrs.tensor("value");
  for (int64_t i = 1; i < condition.size(); ++i)
    if (condition.at(i) != condition.at(0)) return std::nullopt;
  if (condition.size() == 0) return std::nullopt;
  const Var taken = call.inputs[condition.at(0) != 0 ? 1 : 2];
  return taken.shape() == call.node.types[0].shape ? taken : broadcast_to(taken, call.node.types[0].shape);
}

// A kernel stands on the right of a product.
Replacement kernel_right(const RewriteCall& call) {
  if (call.node.op != &op_matmul || call.node.attrs.flag("transpose_a") || call.node.attrs.flag("transpose_b")) return std::nullopt;
  const auto is_weight = [](Var v) {
    while (node_of(v).op == &op_transpose || node_of(v).op == &op_reshape) v = operand(v, 0);
    return node_of(v).op == &op_parameter || node_of(v).op == &op_constant;
  };
  if (!is_weight(call.inputs[0]) || is_weight(call.inputs[1]) || call.inputs[0].rank() != 2 || call.inputs[1].rank() < 3)
    return std::nullopt;
  const auto turned = [](Var v) {
    Ints perm(v.shape().size());
    std::iota(perm.begin(), perm.end(), int64_t{0});
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return transpose(v, perm);
  };
  return turned(matmul(turned(call.inputs[1]), turned(call.inputs[0])));
}

}  // namespace

std::optional<Var> respell(const RewriteCall& call) {
  if (call.node.types.size() != 1) return std::nullopt;
  for (auto* rule :
       {lowered,       channels_last, explicit_pads, dense_taps,  spread_taps,          split_groups,  cropped_transpose, bias_before_crop,
        same_spelling, two_sided,     plain_powers,  respell_cut, reduce_channels_last, factor_behind, reshape_behind,    sink_rows,
        plain_index,   kernel_right,  zero_product,  zero_sum,    known_choice,         sink_transpose})
    if (Replacement replacement = rule(call)) return replacement;
  return std::nullopt;
}

}  // namespace dl::raise
