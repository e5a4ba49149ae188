#include "io/onnx/evaluator.h"

#include <algorithm>
#include <set>

#include "backend/backend.h"
#include "base/error.h"
#include "ops/builders.h"
#include "ops/composite.h"
#include "ops/ops.h"
#include "plan/session.h"

namespace dl::onnx {
namespace {

constexpr double kMaxBytes = 0x1p32;

// Nodes that `value` needs, in index order; those with known results are not gone through.
std::set<uint32_t> ancestors(const Graph& graph, Value value, const std::map<Value, Tensor>& known) {
  std::set<uint32_t> seen;
  std::vector<Value> open = {value};
  while (!open.empty()) {
    const Value v = without_composite(graph, open.back());
    open.pop_back();
    if (known.contains(v) || !seen.insert(v.node).second) continue;
    for (const Value in : graph.node(v).inputs) open.push_back(in);
  }
  return seen;
}

}  // namespace

GraphEvaluator::GraphEvaluator() = default;
GraphEvaluator::~GraphEvaluator() = default;

std::vector<std::string> GraphEvaluator::missing(const Graph& graph, Value value, const std::map<Value, Tensor>& known) const {
  std::vector<std::string> names;
  bool symbolic = false;
  for (const uint32_t n : ancestors(graph, value, known)) {
    const Node& node = graph.node(n);
    if (node.op == &op_input) names.push_back(node.attrs.text("name"));
    for (const TensorType& type : node.types) symbolic |= !all_known(type.shape);
    for (const auto& [name, attr] : node.attrs.values())
      if (const auto* shape = std::get_if<Shape>(&attr)) symbolic |= !all_known(*shape);
  }
  if (names.empty() && symbolic) names.emplace_back();
  return names;
}

Tensor GraphEvaluator::run(const Graph& graph, Value value, std::map<Value, Tensor>& known) {
  value = without_composite(graph, value);
  if (const auto found = known.find(value); found != known.end()) return found->second;
  if (const Node& node = graph.node(value); node.op == &op_constant) return node.attrs.tensor("value");
  const std::set<uint32_t> needed = ancestors(graph, value, known);
  double bytes = 0;
  for (const uint32_t n : needed)
    for (const TensorType& type : graph.node(n).types)
      bytes += static_cast<double>(size_of(type.dtype)) * static_cast<double>(element_count(known_dims(type.shape)));
  if (bytes > kMaxBytes) throw FileError("is too large to be computed while the file is read");
  Program program;
  std::vector<Tensor> given;
  std::map<Value, Value> moved;
  for (const uint32_t n : needed) {
    const Node& node = graph.node(n);
    std::vector<Value> operands;
    for (const Value operand : node.inputs) {
      const Value in = without_composite(graph, operand);
      if (const auto found = known.find(in); found != known.end() && !moved.contains(in)) {
        const std::string name = "v" + std::to_string(given.size());
        moved[in] = input(program.graph, name, {found->second.dtype(), to_shape(found->second.dims())}).value;
        program.inputs.push_back({name, moved[in]});
        given.push_back(found->second);
      }
      operands.push_back(moved.at(in));
    }
    const Value copy = program.graph.add(*node.op, operands, node.attrs);
    for (uint32_t o = 0; o < node.types.size(); ++o) moved.try_emplace(Value{n, o}, Value{copy.node, o});
  }
  program.outputs.push_back({"value", moved.at(value)});
  if (!backend_) backend_ = make_cpu_backend();
  Session session(*backend_, {});
  const Tensor result = session.run(session.add(program), given).output(0);
  known.emplace(value, result);
  return result;
}

}  // namespace dl::onnx
