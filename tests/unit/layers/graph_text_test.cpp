// A graph survives its way through YAML, and damaged texts are told by place.
#include "layers/graph_text.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "layers/build.h"
#include "layers/graph_layer.h"
#include "ops/builders.h"
#include "spec/yaml.h"

using namespace dl;

namespace {

// Through the text and back; numbering of the nodes aside, which the printer does anew.
std::string round_trip(const Program& program) {
  spec::Problems problems;
  const spec::Node node = spec::parse_yaml(spec::to_yaml(to_node(program)), "g.yaml");
  const std::shared_ptr<const Program> read = read_graph(node, "graph", problems);
  problems.throw_if_any();
  verify(*read);
  return to_text(*read);
}

std::string problem(const std::string& text) {
  spec::Problems problems;
  parse_model(spec::parse_yaml("graph: " + text, "m.yaml"), "", problems);
  return problems.empty() ? "" : problems.lines()[0];
}

}  // namespace

TEST_CASE("graphs of the shipped models are the same after their text") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("models")) {
    if (entry.path().extension() != ".yaml") continue;
    CAPTURE(entry.path().string());
    const Program program = build_inference_program(load_model_spec(entry.path().string()));
    // The model of the graph, so that both come with the initialisers of a graph's weights.
    const Program graph = build_inference_program(graph_model("", std::make_shared<Program>(program)));
    CHECK(round_trip(program) == round_trip(graph));
    CHECK(round_trip(graph) == to_text(*read_graph(to_node(graph), "graph", *std::make_unique<spec::Problems>())));
    CHECK(graph.graph.size() > 3);
    ++count;
  }
  CHECK(count >= 5);
}

TEST_CASE("sizes, constants and outputs by number") {
  Program program;
  const Dim n = Dim::symbol("n");
  const Var x = input(program.graph, "x", {DType::kFloat32, {n, floor_div(n * 2 + 3, 4), 6 - n}});
  program.inputs.push_back({"x", x.value});
  program.outputs.push_back({"x", x.value});
  const spec::Node node = spec::parse_yaml(spec::to_yaml(to_node(program)), "g.yaml");
  spec::Problems problems;
  const std::shared_ptr<const Program> read = read_graph(node, "graph", problems);
  REQUIRE(problems.empty());
  CHECK(read->graph.type(read->inputs[0].value) == program.graph.type(x.value));
}

TEST_CASE("damaged graphs") {
  const std::string in = "inputs: {x: {dtype: float32, shape: [2]}}";
  CHECK(problem("[]").find("must be a map") != std::string::npos);
  CHECK(problem("{" + in + ", nodes: [], outputs: {y: 0}}").empty());
  CHECK(problem("{" + in + ", nodes: [], outputs: {y: 1}}").find("is no operand") != std::string::npos);
  CHECK(problem("{" + in + ", nodes: [], outputs: {y: '0:1'}}").find("is no operand") != std::string::npos);
  CHECK(problem("{" + in + ", nodes: []}").find("has no outputs") != std::string::npos);
  CHECK(problem("{" + in + ", outputs: {y: 0}}").find("needs a list 'nodes'") != std::string::npos);
  CHECK(problem("{" + in + ", nodes: [[frob, [0], {}]], outputs: {y: 1}}").find("unknown operator 'frob'") != std::string::npos);
  CHECK(problem("{" + in + ", nodes: [[neg, [0], {a: 1}]], outputs: {y: 1}}").find("has no attribute 'a'") != std::string::npos);
  CHECK(problem("{" + in + ", nodes: [[neg, [0, 0], {}]], outputs: {y: 1}}") != "");
  CHECK(problem("{" + in + ", nodes: [[parameter, [], {}]], outputs: {y: 1}}").find("unknown operator") != std::string::npos);
  CHECK(problem("{inputs: {x: {dtype: float32, shape: [-2]}}, nodes: [], outputs: {y: 0}}").find("negative") != std::string::npos);
  CHECK(problem("{inputs: {x: {dtype: float32, shape: ['n n']}}, nodes: [], outputs: {y: 0}}").find("shape") != std::string::npos);
  CHECK(problem("{" + in + ", nodes: [], outputs: {y: 0}}\nlayers: []").find("layers") != std::string::npos);
}
