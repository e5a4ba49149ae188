#include "plan/random_inputs.h"

#include <algorithm>
#include <string_view>

#include "base/philox.h"
#include "graph/op_def.h"

namespace dl {
namespace {

// Operators that hand their first operand's values on.
bool passes_values(std::string_view op) {
  static constexpr std::string_view kOps[] = {"cast", "reshape", "transpose", "broadcast_to", "slice", "concat"};
  return std::find(std::begin(kOps), std::end(kOps), op) != std::end(kOps);
}

// The number of values operand k of the node may take; 0 where it is free.
int64_t limit_of_operand(const Graph& graph, const Node& node, size_t k) {
  const std::string_view op = node.op->name;
  const auto known = [](Dim d) { return d.known() ? d.value() : 0; };
  if (op == "gather" && k == 1) return known(graph.type(node.inputs[0]).shape.at(static_cast<size_t>(node.attrs.integer("axis"))));
  if (op == "sparse_softmax_cross_entropy" && k == 1) return known(graph.type(node.inputs[0]).shape.back());
  if (op == "equal") {  // one-hot: compared with 0, 1, 2, ... along the last axis
    const Node& other = graph.node(node.inputs[1 - k]);
    if (std::string_view(other.op->name) == "iota") return known(other.types[0].shape.back());
  }
  return 0;
}

// "batch", or in a graph that knows no such name the one that all inputs have for their first axis.
std::string batch_symbol(const Program& program) {
  std::string first;
  for (const NamedValue& in : program.inputs) {
    const Shape& shape = program.graph.type(in.value).shape;
    for (const Dim d : shape)
      if (to_string(d) == "batch") return "batch";
    if (shape.empty() || shape[0].known()) continue;
    if (!first.empty() && first != to_string(shape[0])) return "batch";
    first = to_string(shape[0]);
  }
  return first.empty() ? "batch" : first;
}

}  // namespace

Bindings choose_sizes(const Program& program, int64_t batch, int64_t other, std::vector<std::string>* guessed) {
  Bindings sizes = {{batch_symbol(program), batch}};
  for (const NamedValue& in : program.inputs)
    for (const Dim d : program.graph.type(in.value).shape) {
      if (d.known() || !sizes.try_emplace(to_string(d), other).second) continue;
      if (guessed) guessed->push_back(to_string(d));
    }
  return sizes;
}

std::optional<int64_t> index_limit(const Program& program, Value input) {
  const Graph& graph = program.graph;
  std::vector<char> carries(graph.size());  // nodes whose values are the input's
  carries[input.node] = 1;
  int64_t limit = 0;
  for (uint32_t n = input.node + 1; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      if (!carries[node.inputs[k].node]) continue;
      if (passes_values(node.op->name)) carries[n] = 1;
      const int64_t here = limit_of_operand(graph, node, k);
      if (here > 0) limit = limit == 0 ? here : std::min(limit, here);
    }
  }
  return limit > 0 ? std::optional(limit) : std::nullopt;
}

std::vector<Tensor> make_random_inputs(const Program& program, const Bindings& bindings, uint64_t seed) {
  std::vector<Tensor> tensors;
  for (size_t k = 0; k < program.inputs.size(); ++k) {
    const Value input = program.inputs[k].value;
    const TensorType& type = program.graph.type(input);
    Tensor tensor(type.dtype, known_dims(dl::bind(type.shape, bindings)));
    std::optional<int64_t> limit = index_limit(program, input);
    if (!limit && !is_float(type.dtype)) limit = 2;
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const uint32_t bits = random_block(seed, k, static_cast<uint64_t>(i))[0];
      const double unit = static_cast<double>(to_unit_float(bits));
      tensor.set(i, limit ? static_cast<double>(std::min(static_cast<int64_t>(unit * static_cast<double>(*limit)), *limit - 1)) : unit);
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace dl
