// Writing Keras files: what goes out comes back bit for bit, the same model gives the same bytes, and Keras's order of layers.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "io/format.h"
#include "io/keras/config_writer.h"
#include "io/keras/json_node.h"
#include "layers/build.h"
#include "spec/yaml.h"
#include "unit/test_folder.h"

using namespace dl;

namespace {

// The model of a YAML text, with weights 0, 1/64, 2/64, ... of different begin.
SavedModel make_model(const std::string& yaml) {
  SavedModel saved;
  spec::Problems problems;
  saved.model_tree = spec::parse_yaml(yaml, "test");
  saved.model = parse_model(saved.model_tree, "", problems);
  problems.throw_if_any();
  const Program program = build_inference_program(saved.model);
  int64_t next = 0;
  for (const Parameter& p : program.parameters) {
    Tensor tensor(DType::kFloat32, known_dims(program.graph.type(p.value).shape));
    for (int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, static_cast<double>(next++ % 509) / 64);
    saved.weights[p.name] = tensor;
  }
  return saved;
}

const char* const kNetwork = R"(
name: net
inputs:
  left: {shape: [5, 3]}
  right: {shape: [4]}
layers:
  - LSTM: {units: 3, name: l, inputs: left, kernel_regularizer: {L2: {l2: 0.1}}}
  - Dense: {units: 3, name: d, inputs: right, activation: relu}
  - BatchNormalization: {name: b}
  - Add: {name: a, inputs: [l, b]}
  - Dense: {units: 2, name: e, trainable: false}
  - Bidirectional: {layer: {GRU: {units: 2}}, name: g, inputs: left}
outputs: [e, g]
)";

void check_round_trip(const std::string& name, int version) {
  const TestFolder folder;
  SavedModel saved = make_model(kNetwork);
  saved.training = spec::parse_yaml("{loss: mse, optimizer: {Adam: {learning_rate: 0.01}}, metrics: [mae]}", "t");
  saved.slots["step"] = Tensor::scalar<int64_t>(7);
  for (const auto& [weight, tensor] : saved.weights)
    for (const char* slot : {"m", "v"}) saved.slots[weight + "/" + slot] = tensor.clone();
  saved.tests.push_back({{{"left", Tensor(DType::kFloat32, {1, 5, 3})}}, {{"e", Tensor(DType::kFloat32, {1, 2})}}});
  saved.metadata["producer"] = "a test";
  WriteOptions options;
  options.keras_version = version;
  const Format* format = format_of_path(name);
  REQUIRE(format);
  format->write(saved, folder / name, options);
  format->write(saved, folder / ("again-" + name), options);
  CHECK(read_text(folder / name) == read_text(folder / ("again-" + name)));
  const SavedModel read = read_model(folder / name);
  CHECK(read.warnings.empty());
  REQUIRE(read.weights.size() == saved.weights.size());
  for (const auto& [weight, tensor] : saved.weights) {
    CAPTURE(weight);
    REQUIRE(read.weights.contains(weight));
    CHECK(bit_equal(read.weights.at(weight), tensor));
  }
  REQUIRE(read.model.outputs.size() == 2);
  CHECK(read.model.outputs[0].name == "e");
  REQUIRE(read.model.inputs.size() == 2);
  CHECK(read.model.inputs[1].name == "right");
  CHECK(to_json(*read.training.find("loss")) == (name.ends_with(".keras") ? "\"mse\"" : "\"mean_squared_error\""));
  CHECK(read.training.find("optimizer")->find("config")->find("learning_rate")->as_double() == 0.01);
  REQUIRE(read.slots.contains("step"));
  CHECK(read.slots.at("step").at(0) == 7);
  CHECK(bit_equal(read.slots.at("l/lstm_cell/kernel/m"), saved.weights.at("l/lstm_cell/kernel")));
  CHECK(read.slots.size() == 1 + 2 * 13);  // those of the frozen layer and of moving statistics are no variables of the optimizer
  REQUIRE(read.tests.size() == 1);
  CHECK(bit_equal(read.tests[0].outputs[0].second, saved.tests[0].outputs[0].second));
  CHECK(read.metadata.at("producer") == "a test");
}

std::vector<std::string> paths_of(const KerasModelConfig& config) {
  std::vector<std::string> paths;
  for (const KerasLayerEntry& layer : config.layers) paths.push_back(layer.name + "=" + layer.path);
  return paths;
}

}  // namespace

TEST_CASE("a .keras file comes back bit for bit") { check_round_trip("m.keras", 3); }
TEST_CASE("a .h5 file in the form of Keras 3 comes back bit for bit") { check_round_trip("m.h5", 3); }
TEST_CASE("a .h5 file in the form of Keras 2 comes back bit for bit") { check_round_trip("m.h5", 2); }

TEST_CASE("layers are listed as Keras lists them: by depth, then by the walk from the outputs") {
  // What keras.Model(...).layers gives for the same network.
  const SavedModel saved = make_model(R"(
inputs: {x: {shape: [4]}, y: {shape: [4]}}
layers:
  - Dense: {units: 4, name: a, inputs: x}
  - Dense: {units: 4, name: c, inputs: y}
  - Dense: {units: 4, name: b}
  - Add: {name: add, inputs: [b, a]}
  - Dense: {units: 4, name: d}
  - Dense: {units: 4, name: e, inputs: a}
  - Dense: {units: 4, name: g, inputs: x}
  - Multiply: {name: multiply, inputs: [e, g]}
  - Dense: {units: 4, name: f}
  - Dense: {units: 4, name: h, inputs: b}
outputs: [f, d, h]
)");
  CHECK(paths_of(write_keras_config(saved, KerasVersion::k3)) ==
        std::vector<std::string>{"a=layers/dense", "c=layers/dense_1", "e=layers/dense_2", "g=layers/dense_3", "b=layers/dense_4",
                                 "multiply=layers/multiply", "add=layers/add", "f=layers/dense_5", "d=layers/dense_6", "h=layers/dense_7"});
}

TEST_CASE("everything that Keras cannot hold is listed at once") {
  const SavedModel saved = make_model(R"yaml(
inputs: {x: {shape: [4]}}
layers:
  - RMSNormalization: {name: n}
  - Dense: {units: 4, name: d, activation: celu}
  - Lambda: {expression: "stop_gradient(x)", name: q}
)yaml");
  const std::vector<std::string> problems = write_keras_config(saved, KerasVersion::k2).problems;
  REQUIRE(problems.size() == 3);
  CHECK(problems[0].find("layer 'n' (RMSNormalization)") == 0);
  CHECK(problems[1].find("layer 'd' (Dense)") == 0);
  CHECK(problems[2].find("'stop_gradient'") != std::string::npos);
  const TestFolder folder;
  WriteOptions options;
  options.keras_version = 2;
  CHECK_THROWS_AS(format_of_path("m.h5")->write(saved, folder / "m.h5", options), FileError);
  CHECK(!std::filesystem::exists(folder / "m.h5"));
  CHECK(write_keras_config(saved, KerasVersion::k3).problems.size() == 1);
}

TEST_CASE("weights as float16") {
  const TestFolder folder;
  const SavedModel saved = make_model("{inputs: {x: {shape: [3]}}, layers: [Dense: {units: 2, name: d}]}");
  WriteOptions options;
  options.half = true;
  format_of_path("m.keras")->write(saved, folder / "m.keras", options);
  const SavedModel read = read_model(folder / "m.keras");
  CHECK(bit_equal(read.weights.at("d/kernel"), saved.weights.at("d/kernel")));  // sixty-fourths below 16 are exact in half precision
}
