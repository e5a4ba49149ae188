#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "io/format.h"
#include "io/parity.h"
#include "layers/build.h"
#include "spec/yaml.h"
#include "unit/test_folder.h"
#include "unit/text.h"

using namespace dl;
namespace fs = std::filesystem;

namespace {

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

constexpr const char* kDense = R"({"class_name": "Sequential", "config": {"name": "s", "layers": [
  {"class_name": "Dense", "config": {"name": "d", "units": 1, "batch_input_shape": [null, 2], "use_bias": true, "activation": "linear"}}]}})";

std::string json_of(const std::string& paths, const std::string& weights, const std::string& topology = kDense) {
  return fmt::format(R"({{"format": "layers-model", "modelTopology": {}, "weightsManifest": [{{"paths": {}, "weights": {}}}]}})", topology,
                     paths, weights);
}

constexpr const char* kKernel = R"({"name": "d/kernel", "shape": [2, 1], "dtype": "float32"})";
constexpr const char* kBias = R"({"name": "d/bias", "shape": [1], "dtype": "float32"})";
std::string both() { return fmt::format("[{}, {}]", kKernel, kBias); }

std::string tfjs_error(const fs::path& path) {
  try {
    read_model(path.string(), {}, find_format("tfjs"));
  } catch (const FileError& e) {
    return e.what();
  }
  return "no error";
}

SavedModel yaml_model(const std::string& yaml) {
  spec::Problems problems;
  SavedModel saved;
  saved.model_tree = spec::parse_yaml(yaml, "model.yaml");
  saved.model = parse_model(saved.model_tree, "", problems);
  REQUIRE_MESSAGE(problems.empty(), problems.lines().front());
  const Program program = build_inference_program(saved.model);
  float next = 0.1F;
  for (const Parameter& p : program.parameters) {
    Tensor t(DType::kFloat32, known_dims(program.graph.type(p.value).shape));
    for (int64_t i = 0; i < t.size(); ++i) t.set(i, next = std::fmod(next * 1.7F + 0.13F, 1.0F));
    saved.weights[p.name] = t;
  }
  return saved;
}

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("tfjs: a folder, its model.json; shards cut through a weight") {
  const TestFolder folder;
  folder.write("model.json", json_of(R"(["a.bin", "b.bin"])", both()));
  const std::string bytes = floats({1, 2, 3});
  folder.write("a.bin", bytes.substr(0, 5));
  folder.write("b.bin", bytes.substr(5));
  for (const std::string& path : {folder.path, folder / "model.json"}) {
    CHECK(std::string(recognize_format(path)->name) == "tfjs");
    const SavedModel read = read_model(path);
    CHECK(read.weights.at("d/kernel").at(1) == 2);
    CHECK(read.weights.at("d/bias").at(0) == 3);
  }
}

TEST_CASE("tfjs: quantized weights come as TF.js computes them") {
  const TestFolder folder;
  const auto weight = [](const char* name, const char* shape, const std::string& quantization) {
    return fmt::format(R"({{"name": "{}", "shape": {}, "dtype": "float32", "quantization": {}}})", name, shape, quantization);
  };
  folder.write("model.json",
               json_of(R"(["w.bin"])", "[" + weight("d/kernel", "[2, 1]", R"({"dtype": "uint8", "min": -1.5, "scale": 0.25})") + ", " +
                                           weight("d/bias", "[1]", R"({"dtype": "uint16", "min": 2, "scale": 0.001})") + "]"));
  folder.write("w.bin", std::string("\x04\xff\x10\x27", 4));
  SavedModel read = read_model(folder.path);
  CHECK(read.weights.at("d/kernel").at(0) == -0.5);
  CHECK(read.weights.at("d/kernel").at(1) == 62.25);
  CHECK(read.weights.at("d/bias").at(0) == doctest::Approx(12.0));
  folder.write("model.json", json_of(R"(["w.bin"])", "[" + weight("d/kernel", "[2, 1]", R"({"dtype": "float16"})") + ", " + kBias + "]"));
  folder.write("w.bin", std::string("\x00\x3c\x00\xc0", 4) + floats({7}));
  read = read_model(folder.path);
  CHECK(read.weights.at("d/kernel").at(0) == 1);
  CHECK(read.weights.at("d/kernel").at(1) == -2);
  CHECK(read.weights.at("d/bias").at(0) == 7);
}

TEST_CASE("tfjs: files outside of the folder are not read") {
  const TestFolder folder;
  const fs::path outside = folder.path + "-secret.bin";
  std::ofstream(outside) << floats({1, 2, 3});
  const auto with = [&](const std::string& path) {
    folder.write("model.json", json_of("[\"" + path + "\"]", both()));
    return tfjs_error(folder.path);
  };
  CHECK(has(with("../" + outside.filename().string()), "lies outside of the model's folder"));
  CHECK(has(with("a/../../" + outside.filename().string()), "lies outside of the model's folder"));
  CHECK(has(with(outside.string()), "is not relative to the model"));
  CHECK(has(with(""), "is no file name"));
  CHECK(has(with("http://host/w.bin"), "is not relative"));
  CHECK(has(with("none.bin"), "cannot be opened"));
  fs::create_symlink(outside, folder / "link.bin");
  CHECK(has(with("link.bin"), "is a link"));
  fs::create_directory_symlink(fs::temp_directory_path(), folder / "up");
  CHECK(has(with("up/" + outside.filename().string()), "is a link"));
  fs::create_hard_link(outside, folder / "hard.bin");
  CHECK(has(with("hard.bin"), "several names"));
  fs::create_directory(folder / "folder.bin");
  CHECK(has(with("folder.bin"), "no regular file"));
  fs::remove(outside);
}

TEST_CASE("tfjs: damaged and hostile manifests") {
  const TestFolder folder;
  folder.write("w.bin", floats({1, 2, 3}));
  const auto with = [&](const std::string& weights, const std::string& topology = kDense) {
    folder.write("model.json", json_of(R"(["w.bin"])", weights, topology));
    return tfjs_error(folder.path);
  };
  CHECK(with(both()) == "no error");
  CHECK(has(with(fmt::format("[{}]", kKernel)), "have 8 bytes, the 1 files for them 12"));
  CHECK(has(with(fmt::format("[{}, {}, {}]", kKernel, kBias, kBias)), "have 16 bytes"));
  CHECK(has(with(fmt::format(R"([{}, {{"name": "d/kernel", "shape": [1], "dtype": "float32"}}])", kKernel)), "listed twice"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [4611686018427387904, 4], "dtype": "float32"}])"), "shape is too large"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [1099511627776], "dtype": "float32"}])"), "files are damaged"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [-1], "dtype": "float32"}])"), "something else than sizes"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [1.5], "dtype": "float32"}])"), "something else than sizes"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [3], "dtype": "string"}])"), "type 'string'"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [12], "dtype": "float32", "quantization": {"dtype": "int4"}}])"), "'int4'"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [12], "dtype": "float32", "quantization": {"dtype": "uint8", "min": 1}}])"), "'scale'"));
  CHECK(has(with(fmt::format(R"([{}, {{"name": "x/bias", "shape": [1], "dtype": "float32"}}])", kKernel)), "belongs to no layer"));
  CHECK(has(with(R"([{"name": "d/kernel", "shape": [1, 2], "dtype": "float32"}, {"name": "d/bias", "shape": [1], "dtype": "float32"}])"),
            "weight 'd/kernel': has shape [1, 2]"));
  CHECK(has(with("7"), "has no list 'weights'"));
  CHECK(has(with(both(), "{\"node\": []}"), "graph model"));
  CHECK(has(with(both(), "[]"), "holds no model"));
  folder.write("model.json", R"({"format": "graph-model", "modelTopology": {}})");
  CHECK(has(tfjs_error(folder.path), "graph model"));
  folder.write("model.json", std::string(5000, '['));
  CHECK(has(tfjs_error(folder.path), "levels"));
  folder.write("model.json", "");
  CHECK(has(tfjs_error(folder.path), "no JSON"));
  fs::remove(folder / "model.json");
  CHECK(has(tfjs_error(folder.path), "cannot be opened"));
}

TEST_CASE("tfjs: JavaScript's words and defaults") {
  const TestFolder folder;
  const std::string topology = R"({"className": "Sequential", "config": {"name": "s", "layers": [
    {"className": "LSTM", "config": {"name": "l", "units": 1, "batchInputShape": [null, 3, 1], "useBias": false, "returnSequences": false,
     "activation": null, "dropout": null}},
    {"className": "ThresholdedReLU", "config": {"name": "t", "theta": 0.25}}]}})";
  folder.write("model.json", json_of(R"(["w.bin"])", R"([{"name": "l/kernel", "shape": [1, 4], "dtype": "float32"},
    {"name": "l/recurrent_kernel", "shape": [1, 4], "dtype": "float32"}])",
                                     topology));
  folder.write("w.bin", floats({1, 2, 3, 4, 0, 0, 0, 0}));
  const SavedModel read = read_model(folder.path);
  CHECK(read.model.layers[0]->config.text("recurrent_activation") == "hard_sigmoid_v2");
  CHECK(read.model.layers[0]->config.text("activation") == "linear");
  CHECK(std::string(read.model.layers[1]->def->class_name) == "ReLU");
  CHECK(read.model.layers[1]->config.real("threshold") == 0.25);
}

TEST_CASE("tfjs: the states of stacked cells, which TF.js lists from the last cell to the first, are refused") {
  const TestFolder folder;
  const auto model = [](const std::string& flag, const std::string& more) {
    return fmt::format(R"({{"class_name": "Sequential", "config": {{"name": "s", "layers": [{{"class_name": "RNN", "config": {{"name": "r",
      "batch_input_shape": [null, 3, 1], "return_state": {}, "cell": {{"class_name": "StackedRNNCells", "config": {{"cells": [
      {{"class_name": "SimpleRNNCell", "config": {{"name": "a", "units": 1, "use_bias": false}}}}{}]}}}}}}}}]}}}})",
                       flag, more);
  };
  const char* second = R"(, {"class_name": "SimpleRNNCell", "config": {"name": "b", "units": 1, "use_bias": false}})";
  folder.write("model.json", json_of("[]", "[]", model("true", second)));
  CHECK(has(tfjs_error(folder.path), "layer 'r' (RNN): has several cells whose states are given or returned"));
  for (const std::string& other : {model("false", second), model("true", "")}) {
    folder.write("model.json", json_of("[]", "[]", other));
    CHECK(tfjs_error(folder.path).find("several cells") == std::string::npos);
  }
}

TEST_CASE("tfjs: what is written is read back and gives the same; twice the same bytes") {
  const char* texts[] = {
      "inputs: {x: {shape: [6, 5, 4]}}\nlayers:\n  - Conv2D: {filters: 4, kernel_size: 3, groups: 4, dilation_rate: 2, padding: same}\n"
      "  - BatchNormalization: {axis: 1}\n  - Subtract: {inputs: [x, batch_normalization]}\n  - Activation: {activation: hard_sigmoid}\n",
      "inputs: {x: {shape: [6, 4]}}\nlayers:\n  - GRU: {units: 3, return_sequences: true}\n"
      "  - Bidirectional: {layer: {GRU: {units: 2, return_sequences: true}}}\n  - ZeroPadding1D:\n"
      "  - Conv1D: {filters: 2, kernel_size: 3, padding: causal}\n",
      "inputs: {x: {shape: [5, 6]}}\nlayers:\n  - MultiHeadAttention: {num_heads: 2, key_dim: 3}\n  - GroupNormalization: {groups: 3}\n"
      "  - Conv1DTranspose: {filters: 2, kernel_size: 3, strides: 3, output_padding: 1, padding: same}\n",
  };
  for (const char* text : texts) {
    const TestFolder folder;
    const SavedModel model = yaml_model(text);
    const Format& tfjs = *find_format("tfjs");
    REQUIRE(tfjs.unsupported(model, {}).empty());
    const fs::path target = folder / "m", again = folder / "n";
    tfjs.write(model, target.string(), {});
    tfjs.write(model, again.string(), {});
    CHECK(text_of(target / "model.json") == text_of(again / "model.json"));
    CHECK(text_of(target / "group1-shard1of1.bin") == text_of(again / "group1-shard1of1.bin"));
    const SavedModel read = read_model(target.string());
    const NamedTensors inputs = random_inputs(model, {});
    const Parity parity = compare_outputs(run_model(model, inputs), run_model(read, inputs), {});
    CHECK_MESSAGE(parity.ok(), text << " differs by " << parity.max_error());
    tfjs.write(model, target.string(), {});  // in place of the old folder
    CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 2);
  }
}

TEST_CASE("tfjs: shards of 4 MiB, half weights, test pairs") {
  const TestFolder folder;
  SavedModel model = yaml_model("inputs: {x: {shape: [1100]}}\nlayers:\n  - Dense: {units: 1000}\n");
  const NamedTensors inputs = random_inputs(model, {});
  model.tests = {{inputs, run_model(model, inputs)}};
  const Format& tfjs = *find_format("tfjs");
  tfjs.write(model, folder / "m", {});
  CHECK(fs::file_size(folder / "m/group1-shard1of2.bin") == 4 << 20);
  CHECK(fs::file_size(folder / "m/group1-shard2of2.bin") == 1101 * 1000 * 4 - (4 << 20));
  SavedModel read = read_model(folder / "m");
  CHECK(bit_equal(read.weights.at("dense/kernel"), model.weights.at("dense/kernel")));
  REQUIRE(read.tests.size() == 1);
  CHECK(bit_equal(read.tests[0].outputs[0].second, model.tests[0].outputs[0].second));
  WriteOptions half;
  half.half = true;
  tfjs.write(model, folder / "h", half);
  CHECK(fs::file_size(folder / "h/group1-shard1of1.bin") == 1101 * 1000 * 2);
  read = read_model(folder / "h");
  CHECK(bit_equal(read.weights.at("dense/bias"), model.weights.at("dense/bias").cast(DType::kFloat16).cast(DType::kFloat32)));
  model.weights.at("dense/bias") = model.weights.at("dense/bias").clone();
  model.weights.at("dense/bias").set(3, 1e6);
  CHECK(has(tfjs.unsupported(model, half).at(0), "is above 65504"));
}

TEST_CASE("tfjs: everything that cannot be held is told at once, by name") {
  const SavedModel model = yaml_model(
      "inputs: {x: {shape: [6, 4]}}\nlayers:\n  - UnitNormalization: {name: unit}\n  - Activation: {name: sq, activation: squareplus, "
      "inputs: x}\n"
      "  - GRU: {name: g, units: 2, activation: relu, inputs: x}\n  - Dense: {name: after, units: 2, inputs: unit}\n"
      "outputs: [after, sq, g]\n");
  const std::vector<std::string> lines = find_format("tfjs")->unsupported(model, {});
  REQUIRE(lines.size() == 3);
  CHECK(has(lines[0], "layer 'unit' (UnitNormalization): is not known to TF.js"));
  CHECK(has(lines[1], "layer 'sq' (Activation): its activation 'squareplus'"));
  CHECK(has(lines[2], "layer 'g' (GRU): has reset_after"));
  CHECK_THROWS_AS(find_format("tfjs")->write(model, "/nonexistent/x", {}), FileError);
}

TEST_CASE("tfjs: a mask that TF.js would lend to another layer is refused") {
  const SavedModel model = yaml_model(
      "inputs: {x: {shape: [6], dtype: int32}, y: {shape: [6, 3]}}\nlayers:\n"
      "  - Embedding: {name: e, input_dim: 5, output_dim: 3, mask_zero: true, inputs: x}\n  - LSTM: {name: a, units: 2, inputs: e}\n"
      "  - LSTM: {name: b, units: 2, inputs: y}\n  - Concatenate: {name: c, inputs: [a, b]}\n");
  const std::vector<std::string> lines = find_format("tfjs")->unsupported(model, {});
  REQUIRE(lines.size() == 1);
  CHECK(has(lines[0], "layer 'b': has no mask in a model where other layers have one"));
}
