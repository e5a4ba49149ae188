// ONNX files that are read and written again: node by node as they were, over a change of the operator set, and where a node has no form
// in the new one. On real files and all conformance cases: tests/oracle/test_onnx_reexport.py.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/onnx/export_emitter.h"
#include "io/onnx/export_prepare.h"
#include "io/onnx/read.h"
#include "layers/build.h"
#include "layers/graph_layer.h"
#include "ops/composite.h"
#include "unit/io/onnx_bytes.h"

using namespace dl;
using namespace dl::onnx_export;
using namespace dl::test;

namespace {

constexpr int kFloatType = 1, kBoolType = 9;

SavedModel read_written(const std::string& bytes) { return read_onnx_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), {}); }

// The nodes that `bytes` comes out with: "LRN(x) Add(LRN, y)".
std::string written(const std::string& bytes, int opset = 17) {
  const SavedModel saved = read_written(bytes);
  const Program program = lower_for_opset(*graph_of(saved.model), opset);
  Emitter emitter(program, saved.weights, {opset, false});
  std::vector<std::string> problems;
  const OnnxGraph graph = emitter.run(problems);
  CHECK(problems.empty());
  std::vector<std::string> list;
  for (const OnnxNode& n : graph.nodes) list.push_back(fmt::format("{}({})", n.type, fmt::join(n.inputs, ", ")));
  return fmt::format("{}", fmt::join(list, " "));
}

std::string one_node(const std::string& node_bytes, const std::vector<Size>& shape, int64_t opset, const Strings& initializers = {}) {
  return model(graph({{node_bytes}, {value("x", kFloatType, shape)}, {value("y", kFloatType, {})}, initializers}), opset);
}

}  // namespace

TEST_CASE("ONNX again: operators that the graph computes by others stay what they were") {
  CHECK(written(one_node(node("LRN", {"x"}, {"y"}, attribute("size", 3)), {2, 5, 4, 4}, 17)) == "LRN(x)");
  CHECK(written(one_node(node("Flatten", {"x"}, {"y"}), {2, 5, 4}, 17)) == "Flatten(x)");
  CHECK(written(one_node(node("Sum", {"x", "x", "x"}, {"y"}), {2, 5}, 17)) == "Sum(x, x, x)");
  CHECK(written(one_node(node("DepthToSpace", {"x"}, {"y"}, attribute("blocksize", 2)), {2, 8, 4, 4}, 17)) == "DepthToSpace(x)");
}

TEST_CASE("ONNX again: equal nodes of the file stay apart, nodes that do nothing are left out") {
  const std::string bytes = model(graph({{node("Abs", {"x"}, {"a"}), node("Abs", {"x"}, {"b"}), node("Identity", {"b"}, {"c"}),
                                          node("Sign", {"x"}, {"unread"}), node("Mul", {"a", "c"}, {"y"})},
                                         {value("x", kFloatType, {2})},
                                         {value("y", kFloatType, {})}}));
  CHECK(written(bytes) == "Abs(x) Abs(x) Mul(n_a, n_b)");
}

TEST_CASE("ONNX again: what computes a shape stays, weights and constants keep their bits") {
  const int64_t largest = INT64_MAX;
  const std::string bytes =
      model(graph({{node("Shape", {"x"}, {"s"}), node("Gather", {"s", "first"}, {"n"}, attribute("axis", 0)),
                    node("Unsqueeze", {"n", "zero"}, {"u"}), node("Concat", {"u", "rest"}, {"shape"}, attribute("axis", 0)),
                    node("Reshape", {"x", "shape"}, {"r"}), node("Slice", {"r", "zero", "end"}, {"y"})},
                   {value("x", kFloatType, {"batch", 2, 3})},
                   {value("y", kFloatType, {})},
                   {ints("first", {}, {0}), ints("zero", {1}, {0}), ints("rest", {1}, {-1}), ints("end", {1}, {largest})}}));
  const SavedModel saved = read_written(bytes);
  const Program program = lower_for_opset(*graph_of(saved.model), 17);
  Emitter emitter(program, saved.weights, {17, false});
  std::vector<std::string> problems;
  const OnnxGraph graph = emitter.run(problems);
  std::string types;
  bool found = false;
  for (const OnnxNode& n : graph.nodes) types += n.type + " ";
  for (const auto& i : graph.initializers)
    if (i.dtype == DType::kInt64 && i.dims == Dims{1}) found |= *i.make().data<int64_t>() == largest;
  CHECK(types == "Shape Gather Unsqueeze Concat Reshape Slice ");
  CHECK(found);
}

TEST_CASE("ONNX again: forms change with the operator set") {
  const std::string reduce = one_node(node("ReduceMean", {"x"}, {"y"}, attribute("axes", Numbers{1})), {2, 5}, 13);
  CHECK(written(reduce, 17) == "ReduceMean(x)");
  CHECK(written(reduce, 18) == "ReduceMean(x, constant)");
  const std::string later = one_node(node("ReduceMean", {"x", "axes"}, {"y"}), {2, 5}, 18, {ints("axes", {1}, {1})});
  CHECK(written(later, 18) == "ReduceMean(x, n_y/constant)");
  CHECK(written(later, 17) == "ReduceMean(x)");
  CHECK(written(one_node(node("Squeeze", {"x"}, {"y"}, attribute("axes", Numbers{1})), {2, 1}, 11)) == "Squeeze(x, constant)");
  CHECK(written(one_node(node("Clip", {"x"}, {"y"}), {2, 1}, 6)) == "Clip(x)");
  const std::string upsample = node("Upsample", {"x", "scales"}, {"y"});
  CHECK(written(one_node(upsample, {1, 1, 2, 2}, 9, {floats("scales", {4}, {1, 1, 2, 2})})) == "Resize(x, , n_y/constant)");
}

TEST_CASE("ONNX again: a node without a form in the operator set is written by what computes it") {
  CHECK(written(one_node(node("Gelu", {"x"}, {"y"}), {2, 5}, 20), 20) == "Gelu(x)");
  CHECK(written(one_node(node("Gelu", {"x"}, {"y"}), {2, 5}, 20), 17).find("Erf") != std::string::npos);
  const std::string softmax = one_node(node("Softmax", {"x"}, {"y"}, attribute("axis", 1)), {2, 5, 3}, 11);
  CHECK(written(softmax) == "Flatten(x) Softmax(Flatten) Reshape(Softmax, shape)");
  CHECK(written(one_node(node("Softmax", {"x"}, {"y"}, attribute("axis", 2)), {2, 5, 3}, 11)) == "Softmax(x)");
}

TEST_CASE("ONNX again: branches keep their graphs, with the names of what they read") {
  const auto branch = [](const std::string& op) {
    return graph({{node(op, {"x", "w"}, {"inner"})}, {}, {value("inner", kFloatType, {2})}});
  };
  const std::string bytes = model(
      graph({{node("If", {"c"}, {"y"}, graph_attribute("then_branch", branch("Add")) + graph_attribute("else_branch", branch("Sub")))},
             {value("c", kBoolType, {}), value("x", kFloatType, {2})},
             {value("y", kFloatType, {})},
             {floats("w", {2}, {1, 2})}}));
  const SavedModel saved = read_written(bytes);
  const Program program = lower_for_opset(*graph_of(saved.model), 17);
  Emitter emitter(program, saved.weights, {17, false});
  std::vector<std::string> problems;
  const OnnxGraph again = emitter.run(problems);
  REQUIRE(again.nodes.size() == 1);
  CHECK(again.nodes[0].type == "If");
  CHECK(again.nodes[0].inputs == Names{"c"});
  CHECK(again.nodes[0].captured == Names{"x", "w"});
  CHECK(again.nodes[0].captured_here == Names{"x", "w"});
  CHECK(again.nodes[0].prefix == "n_y/");
}

TEST_CASE("ONNX again: what is built of the graph for other uses has no composites") {
  const SavedModel saved = read_written(one_node(node("LRN", {"x"}, {"y"}, attribute("size", 3)), {2, 5, 4, 4}, 17));
  const auto count = [](const Program& program) {
    const std::vector<char> live = live_nodes(program);
    int composites = 0;
    for (uint32_t n = 0; n < program.graph.size(); ++n) composites += live[n] && program.graph.node(n).op == &op_composite;
    return composites;
  };
  CHECK(count(*graph_of(saved.model)) == 1);
  CHECK(count(build_inference_program(saved.model)) == 0);
}
