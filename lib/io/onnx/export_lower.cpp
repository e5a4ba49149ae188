#include <algorithm>

#include "base/error.h"
#include "io/onnx/export_prepare.h"
#include "io/onnx/export_rows.h"
#include "ops/builders.h"
#include "ops/ops.h"
#include "passes/rewrite.h"

namespace dl::onnx_export {
namespace {

// Zeros between elements: each element becomes a group of `gap` + 1, the last group is cut.
Var pad_between(Var x, size_t axis, int64_t gap, double value) {
  const Shape in = x.shape();
  Shape before(in.size() + 1, Dim(0)), after = before, merged = in;
  after[axis + 1] = Dim(gap);
  merged[axis] = in[axis] * Dim(gap + 1);
  const Var grouped = pad(expand_dims(x, static_cast<int64_t>(axis) + 1), before, after, value);
  return slice_axis(reshape(grouped, merged), static_cast<int64_t>(axis), Dim(0), merged[axis] - Dim(gap));
}

std::vector<Var> lower_pad(const RewriteCall& call) {
  const std::vector<int64_t>& interior = call.node.attrs.integers("interior");
  const double value = call.node.attrs.real("value");
  Var x = call.inputs[0];
  for (size_t i = 0; i < interior.size(); ++i)
    if (interior[i] > 0 && !(x.shape()[i] == Dim(0))) x = pad_between(x, i, interior[i], value);
  return {pad(x, call.node.attrs.shape("before"), call.node.attrs.shape("after"), value)};
}

// Along another axis than the first: the axes of the indices come to the front and the result's axis goes back.
std::vector<Var> lower_scatter_add(const RewriteCall& call) {
  const int64_t axis = call.node.attrs.integer("axis"), count = call.inputs[1].rank();
  std::vector<int64_t> perm, back = {};
  for (int64_t i = axis; i < axis + count; ++i) perm.push_back(i);
  for (int64_t i = 0; i < call.inputs[0].rank(); ++i)
    if (i < axis || i >= axis + count) perm.push_back(i);
  const int64_t rank = call.inputs[0].rank() - count + 1;
  for (int64_t i = 0; i < rank; ++i) back.push_back(i < axis ? i + 1 : i == axis ? 0 : i);
  const Var y = scatter_add(transpose(call.inputs[0], perm), call.inputs[1], call.node.attrs.shape("size").at(0), 0);
  return {transpose(y, back)};
}

// Every element of the result is a product over the whole axis in which the elements beyond it count as 1.
std::vector<Var> lower_cumprod(const RewriteCall& call) {
  const Var x = call.inputs[0];
  const int64_t axis = call.node.attrs.integer("axis");
  Shape square(static_cast<size_t>(x.rank()) + 1, Dim(1));
  square[static_cast<size_t>(axis)] = square[static_cast<size_t>(axis) + 1] = x.dim(axis);
  const Var place = iota(call.graph, DType::kInt64, square, axis), factor = iota(call.graph, DType::kInt64, square, axis + 1);
  const bool reverse = call.node.attrs.flag("reverse");
  const Var low = reverse ? place : factor, high = reverse ? factor : place;
  const Var counts = call.node.attrs.flag("exclusive") ? less(low, high) : less_equal(low, high);
  return {reduce_prod(select(counts, expand_dims(x, axis), 1.0), {axis + 1})};
}

}  // namespace

Program write_out_scans(const Program& program) {
  return rewrite(program, [](const RewriteCall& call) -> std::vector<Var> {
    if (call.node.op != &op_scan) return {};
    try {
      return call.node.op->lower({call.graph, call.node.attrs, call.inputs, call.node.types});
    } catch (const UserError&) {  // the number of steps is not known
      return {};
    }
  });
}

Program lower_for_opset(const Program& program, int opset) {
  static const std::map<std::string, Tensor> kNoWeights;
  Program result = program;
  for (bool changed = true; changed;) {
    changed = false;
    const Constants constants(result, kNoWeights);
    result = rewrite(result, [&](const RewriteCall& call) -> std::vector<Var> {
      const Node& node = call.node;
      if (node.op->kind == OpKind::kSource || refusal({node, result.graph, constants, opset}).empty()) return {};
      if (node.op == &op_pad) return changed = true, lower_pad(call);
      if (node.op == &op_scatter_add && node.attrs.integer("axis") != 0) return changed = true, lower_scatter_add(call);
      if (node.op == &op_cumprod) return changed = true, lower_cumprod(call);
      if (!node.op->lower) return {};
      try {
        std::vector<Var> lowered = node.op->lower({call.graph, node.attrs, call.inputs, node.types});
        changed = true;
        return lowered;
      } catch (const UserError&) {  // needs sizes that are not known
        return {};
      }
    });
  }
  return result;
}

}  // namespace dl::onnx_export
