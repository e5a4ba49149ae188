// Graphs back to layers: a model's own graph gives the model again, with the same bits; other spellings of the same layers do too; what no
// layer gives is listed whole.
#include "io/raise/raise.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backend/backend.h"
#include "io/parity.h"
#include "layers/build.h"
#include "layers/graph_layer.h"
#include "layers/initializers.h"
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/nn.h"
#include "spec/yaml.h"

using namespace dl;

namespace {

Model model_of(const std::string& text) {
  spec::Problems problems;
  Model model = parse_model(spec::parse_yaml(text, "m.yaml"), "", problems);
  problems.throw_if_any();
  return model;
}

// The graph of `program` with weights of its initialisers; biases and the like get numbers that are not all equal.
SavedModel graph_of_program(Program program) {
  SavedModel saved;
  int64_t seed = 1;
  for (const Parameter& p : program.parameters) {
    Parameter random = p;
    random.initializer = {"RandomUniform", {{"minval", 0.5}, {"maxval", 1.5}}};
    saved.weights[p.name] = initial_value(program, random, static_cast<uint64_t>(seed++));
  }
  saved.model = graph_model("m", std::make_shared<const Program>(std::move(program)));
  return saved;
}

void check_same_numbers(const SavedModel& a, const SavedModel& b) {
  const NamedTensors inputs = random_inputs(a, {});
  const Parity parity = compare_outputs(run_model(a, inputs), run_model(b, inputs), {});
  CHECK(parity.ok());
}

SavedModel raised_whole(const SavedModel& graph) {
  std::vector<std::string> left;
  SavedModel raised = raise_to_layers(graph, left);
  REQUIRE(left == std::vector<std::string>{});
  return raised;
}

std::vector<std::string> classes(const Model& model) {
  std::vector<std::string> names;
  for (const auto& layer : model.layers) names.emplace_back(layer->def->class_name);
  return names;
}

// Layers and weights of the model come back from its graph. `layers`: those to expect where they are others than the model's.
void check_round_trip(const std::string& text, std::vector<std::string> layers = {}) {
  CAPTURE(text);
  const Model model = model_of(text);
  const SavedModel graph = graph_of_program(build_inference_program(model));
  const SavedModel raised = raised_whole(graph);
  const std::vector<std::string> found = classes(raised.model), wanted = layers.empty() ? classes(model) : layers;
  CAPTURE(fmt::format("{}", fmt::join(found, " ")));
  CHECK(found == wanted);
  if (layers.empty()) {
    REQUIRE(raised.weights.size() == graph.weights.size());
    for (const auto& [name, tensor] : graph.weights) {
      CAPTURE(name);
      REQUIRE(raised.weights.contains(name));
      CHECK(bit_equal(raised.weights.at(name), tensor));
    }
  }
  check_same_numbers(graph, raised);
}

}  // namespace

TEST_CASE("images") {
  check_round_trip(R"(
inputs: {x: {shape: [16, 15, 3]}}
layers:
  - ZeroPadding2D: {padding: [[0, 1], [2, 0]]}
  - Conv2D: {filters: 4, kernel_size: 3, strides: 2, use_bias: false}
  - BatchNormalization: {epsilon: 0.002}
  - Activation: {activation: relu}
  - DepthwiseConv2D: {kernel_size: 3, padding: same, depth_multiplier: 2}
  - MaxPooling2D: {pool_size: 3, strides: 2, padding: same}
  - SeparableConv2D: {filters: 6, kernel_size: 3, padding: same, activation: gelu}
  - UpSampling2D: {size: 2}
  - Conv2DTranspose: {filters: 3, kernel_size: 3, strides: 2, padding: same, activation: tanh}
  - Cropping2D: {cropping: [[1, 2], [0, 3]]}
  - AveragePooling2D: {pool_size: 2}
  - Flatten: {}
  - Dense: {units: 5, activation: softmax}
)");
  check_round_trip(R"(
inputs: {a: {shape: [8, 8, 4]}}
layers:
  - Conv2D: {name: c, filters: 4, kernel_size: 1, activation: relu6}
  - Conv2D: {name: d, filters: 4, kernel_size: 3, padding: same, groups: 2}
  - Add: {name: sum, inputs: [c, d]}
  - GlobalAveragePooling2D: {keepdims: true}
  - Dense: {units: 4, activation: silu}
  - Multiply: {name: gate, inputs: [sum, dense]}
  - Concatenate: {inputs: [gate, a]}
  - GlobalMaxPooling2D: {}
)");
}

TEST_CASE("channels-first graphs become channels-last models") {
  check_round_trip(R"(
inputs: {x: {shape: [3, 12, 12]}}
layers:
  - Conv2D: {filters: 4, kernel_size: 3, padding: same, data_format: channels_first, activation: relu}
  - MaxPooling2D: {pool_size: 2, data_format: channels_first}
  - BatchNormalization: {axis: 1}
  - Conv2D: {filters: 5, kernel_size: 3, strides: 2, data_format: channels_first}
  - GlobalAveragePooling2D: {data_format: channels_first}
  - Dense: {units: 2}
)",
                   {"Permute", "Conv2D", "MaxPooling2D", "BatchNormalization", "Conv2D", "GlobalAveragePooling2D", "Dense"});
}

TEST_CASE("sequences") {
  check_round_trip(R"(
inputs: {x: {shape: [9], dtype: int32}}
layers:
  - Embedding: {input_dim: 11, output_dim: 6}
  - Bidirectional: {layer: {LSTM: {units: 4, return_sequences: true}}}
  - MultiHeadAttention: {name: attend, num_heads: 2, key_dim: 3, inputs: [bidirectional, bidirectional]}
  - Add: {name: sum, inputs: [attend, bidirectional]}
  - LayerNormalization: {epsilon: 1e-5}
  - Conv1D: {filters: 4, kernel_size: 3, padding: same}
  - GRU: {units: 3, return_sequences: true, reset_after: false}
  - SimpleRNN: {units: 3, go_backwards: true}
  - Dense: {units: 2, activation: log_softmax}
)");
}

TEST_CASE("activation functions and layers with a number of their own") {
  for (const char* layer : {"Activation: {activation: hard_sigmoid}", "Activation: {activation: mish}", "Activation: {activation: selu}",
                            "Activation: {activation: softplus}", "LeakyReLU: {negative_slope: 0.3}", "ELU: {alpha: 0.7}",
                            "PReLU: {shared_axes: [1]}", "ReLU: {max_value: 4}", "Rescaling: {scale: 0.5, offset: -1}",
                            "Softmax: {axis: 1}", "RMSNormalization: {epsilon: 1e-5}", "GroupNormalization: {groups: 2}",
                            "UnitNormalization: {axis: 2}", "Normalization: {axis: -1, mean: [1, 2, 3, 4], variance: [1, 4, 9, 16]}"})
    check_round_trip(std::string("inputs: {x: {shape: [5, 4]}}\nlayers: [{") + layer + "}]");
}

TEST_CASE("a linear layer in the spellings of other frameworks") {
  Program program;
  Graph& graph = program.graph;
  const Var x = input(graph, "x", {DType::kFloat32, {Dim::symbol("N"), 5, 6}});
  program.inputs.push_back({"x", x.value});
  const Var kernel = parameter(graph, "block.0.weight", {DType::kFloat32, {4, 6}});  // turned around, as PyTorch keeps it
  const Var bias = parameter(graph, "block.0.bias", {DType::kFloat32, {4}});
  program.parameters = {{"block.0.weight", kernel.value, true, {}}, {"block.0.bias", bias.value, true, {}}};
  const Var rows = reshape(x, {Dim::symbol("N") * 5, 6});
  const Var y = reshape(bias + matmul(rows, kernel, false, true), {Dim::symbol("N"), 5, 4});
  program.outputs.push_back({"y", (y * 0.5 * (1.0 + erf(y / 1.41421356))).value});
  const SavedModel saved = graph_of_program(std::move(program));
  const SavedModel raised = raised_whole(saved);
  CHECK(classes(raised.model) == std::vector<std::string>{"Dense"});
  CHECK(raised.model.layers[0]->name == "block_0");
  CHECK(raised.model.layers[0]->config.text("activation") == "gelu");
  check_same_numbers(saved, raised);
}

TEST_CASE("pooling that keeps its axes before a product with a turned kernel") {
  Program program;
  Graph& graph = program.graph;
  const Var x = input(graph, "x", {DType::kFloat32, {Dim::symbol("N"), 8, 4}});
  program.inputs.push_back({"x", x.value});
  const Var kernel = parameter(graph, "f.weight", {DType::kFloat32, {3, 4}});
  program.parameters = {{"f.weight", kernel.value, true, {}}};
  const Var pooled = reduce_mean(transpose(x, {0, 2, 1}), {2}, true);
  program.outputs.push_back({"y", matmul(reshape(pooled, {Dim::symbol("N"), 4}), kernel, false, true).value});
  const SavedModel saved = graph_of_program(std::move(program));
  const SavedModel raised = raised_whole(saved);
  CHECK(classes(raised.model) == std::vector<std::string>{"GlobalAveragePooling1D", "Dense", "Flatten"});
  check_same_numbers(saved, raised);
}

TEST_CASE("what no layer has is written as functions, weights beside elements as EinsumDense") {
  check_round_trip(R"yaml(
inputs: {x: {shape: [6, 4]}}
layers:
  - Lambda: {name: a, expression: "sin(x)"}
  - Lambda: {name: b, expression: "transpose(x, [1, 0, 2])"}
  - Lambda: {name: c, expression: "reshape(x, [-1, 4])"}
  - Lambda: {name: d, expression: "maximum(x, 0.3)"}
  - Lambda: {name: e, expression: "slice(x, 1, 1, 4)"}
  - Lambda: {name: f, expression: "take(x, c0, 1)", constants: [[2, 0, 1, 2]]}
  - Lambda: {name: g, expression: "where(c0, x, 0)", constants: [[true, false, true, true]]}
  - Dense: {units: 3}
  - Lambda: {name: h, expression: "max(x, axis=1, keepdims=1)"}
  - Lambda: {name: i, expression: "tile(x, [1, 5])"}
)yaml",
                   {"Lambda", "Lambda", "Lambda", "Lambda", "Lambda", "Lambda", "Lambda", "Dense", "Lambda", "Lambda"});
  Program program;
  Graph& graph = program.graph;
  const Var x = input(graph, "x", {DType::kFloat32, {Dim::symbol("N"), 5, 1, 6}});
  program.inputs.push_back({"x", x.value});
  const auto weight = [&](const char* name, Shape shape) {
    const Var w = parameter(graph, name, {DType::kFloat32, std::move(shape)});
    program.parameters.push_back({name, w.value, true, {}});
    return w;
  };
  const Var spread = tanh(x * weight("a.scale", {5, 3, 1}));
  program.outputs.push_back({"y", (spread * weight("b.scale", {3, 1}) + weight("b.place", {5, 1, 6})).value});
  const SavedModel saved = graph_of_program(std::move(program));
  const SavedModel raised = raised_whole(saved);
  CHECK(classes(raised.model) == std::vector<std::string>{"EinsumDense", "EinsumDense"});
  check_same_numbers(saved, raised);
}

TEST_CASE("layers with the same weights are one layer, states are further outputs") {
  check_round_trip(R"(
inputs: {a: {shape: [4]}, b: {shape: [4]}}
layers:
  - Dense: {name: d, units: 3, inputs: [a]}
  - call: {layer: d, name: again, inputs: [b]}
  - Subtract: {inputs: [d, again]}
)",
                   {"Dense", "Subtract"});
  check_round_trip(R"(
inputs: {a: {shape: [7, 4]}, b: {shape: [6, 3]}}
layers:
  - LSTM: {name: encode, units: 5, return_state: true, inputs: [a]}
  - LSTM: {name: decode, units: 5, return_sequences: true, inputs: [b, "encode:1", "encode:2"]}
)");
}

TEST_CASE("transposed convolutions and pooling with pads that Keras has not") {
  for (const char* spelled : {"3 2 1 1", "4 2 1 0", "3 1 1 0", "5 3 2 1", "3 3 0 2", "2 2 0 0"}) {
    CAPTURE(spelled);
    int64_t k = spelled[0] - '0', s = spelled[2] - '0', p = spelled[4] - '0', more = spelled[6] - '0';
    for (const int64_t groups : {1, 2}) {
      Program program;
      Graph& graph = program.graph;
      const Var x = input(graph, "x", {DType::kFloat32, {Dim::symbol("N"), 7, 6, 4}});
      program.inputs.push_back({"x", x.value});
      const Var kernel = parameter(graph, "up.weight", {DType::kFloat32, {k, k, 3, 4}}),
                bias = parameter(graph, "up.bias", {DType::kFloat32, {3 * groups}});
      program.parameters = {{"up.weight", kernel.value, true, {}}, {"up.bias", bias.value, true, {}}};
      const auto size = [&](int64_t in) { return Dim((in - 1) * s - 2 * p + k + more); };
      const Var y = conv_input_grad(x, kernel, {Dim::symbol("N"), size(7), size(6), Dim(3 * groups)},
                                    {.strides = {s, s}, .pads_begin = {p, p}, .pads_end = {p, p}}, groups);
      program.outputs.push_back({"y", (y + bias).value});
      const SavedModel saved = graph_of_program(std::move(program));
      check_same_numbers(saved, raised_whole(saved));
    }
  }
  for (const char* kind : {"average", "maximum", "apart"}) {
    CAPTURE(kind);
    Program program;
    const Var x = input(program.graph, "x", {DType::kFloat32, {Dim::symbol("N"), 8, 9, 3}});
    program.inputs.push_back({"x", x.value});
    Window window{.size = {3, 3}, .strides = {2, 2}, .pads_begin = {1, 1}, .pads_end = {1, 1}};
    if (kind == std::string("apart")) window.dilations = {2, 1};
    program.outputs.push_back({"y", (kind == std::string("average") ? avg_pool(x, window) : max_pool(x, window)).value});
    const SavedModel saved = graph_of_program(std::move(program));
    check_same_numbers(saved, raised_whole(saved));
  }
}

TEST_CASE("everything that no layer gives is listed, and nothing is raised in part") {
  Program program;
  Graph& graph = program.graph;
  const Var x = input(graph, "x", {DType::kFloat32, {Dim::symbol("batch"), 4}});
  program.inputs.push_back({"x", x.value});
  program.outputs.push_back({"y", cumprod(relu(cumsum(x, 1, true)), 1).value});
  const SavedModel saved = graph_of_program(std::move(program));
  std::vector<std::string> left;
  raise_to_layers(saved, left);
  const std::string text = fmt::format("{}", fmt::join(left, " "));
  CAPTURE(text);
  CHECK(left.size() == 2);
  CHECK(text.find("cumprod(") != std::string::npos);
  CHECK(text.find("cumsum(") != std::string::npos);
}
