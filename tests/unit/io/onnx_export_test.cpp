// What is written as ONNX: the form of the graph, names, versions, weights, what is refused. The numbers are judged by ONNX Runtime in
// tests/oracle/test_onnx_export.py.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/error.h"
#include "io/format.h"
#include "io/onnx/export.h"
#include "io/onnx/export_emitter.h"
#include "io/onnx/export_prepare.h"
#include "layers/build.h"
#include "layers/initializers.h"
#include "spec/yaml.h"
#include "unit/test_folder.h"

using namespace dl;
using namespace dl::onnx_export;

namespace {

// A model of these layers over the input x, with weights that are all different.
SavedModel layers_model(const std::string& shape, const std::string& layers, const std::string& more = "") {
  SavedModel saved;
  saved.model_tree = spec::parse_yaml("name: net\ninputs: {x: " + shape + "}\nlayers:\n" + layers + more, "m.yaml");
  spec::Problems problems;
  saved.model = parse_model(saved.model_tree, "", problems);
  problems.throw_if_any();
  const Program program = build_inference_program(saved.model);
  int64_t count = 0;
  for (const Parameter& p : program.parameters) {
    Tensor w = initial_value(program, p, 1);
    for (int64_t i = 0; i < w.size(); ++i) w.set(i, 0.25 + static_cast<double>((++count * 37) % 101) / 64);
    saved.weights[p.name] = w;
  }
  return saved;
}

struct Written {
  Program program;
  std::unique_ptr<Emitter> emitter;
  OnnxGraph graph;
  std::vector<std::string> problems;

  explicit Written(const SavedModel& model, int opset = 17, Layout layout = Layout::kKeep) {
    program = lower_for_opset(use_channels_first(build_inference_program(model.model), layout), opset);
    emitter = std::make_unique<Emitter>(program, model.weights, EmitOptions{opset, false});
    graph = emitter->run(problems);
  }
  std::string types() const {
    std::vector<std::string> list;
    for (const OnnxNode& n : graph.nodes) list.push_back(n.type);
    return fmt::format("{}", fmt::join(list, " "));
  }
  std::string names() const {
    std::vector<std::string> list;
    for (const OnnxNode& n : graph.nodes) list.push_back(n.name);
    return fmt::format("{}", fmt::join(list, " "));
  }
  const OnnxNode& node(const std::string& type) const {
    const auto found = std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const OnnxNode& n) { return n.type == type; });
    REQUIRE(found != graph.nodes.end());
    return *found;
  }
  const onnx_export::Initializer& weight(const std::string& name) const {
    const auto found = std::find_if(graph.initializers.begin(), graph.initializers.end(),
                                    [&](const onnx_export::Initializer& w) { return w.name == name; });
    REQUIRE_MESSAGE(found != graph.initializers.end(), name);
    return *found;
  }
};

std::string attr(const OnnxNode& node, const std::string& name) {
  for (const auto& [key, value] : node.attrs)
    if (key == name) {
      if (const auto* text = std::get_if<std::string>(&value)) return *text;
      if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
      if (const auto* list = std::get_if<Ints>(&value)) return fmt::format("{}", *list);
      if (const auto* list = std::get_if<Names>(&value)) return fmt::format("{}", fmt::join(*list, " "));
    }
  return "";
}

std::string export_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("ONNX: a network of convolutions is channels-first inside, with one transpose at its edge") {
  const SavedModel model = layers_model("[9, 8, 2]",
                                        "  - Conv2D: {name: c, filters: 3, kernel_size: 3, strides: 2, padding: same, activation: relu}\n"
                                        "  - BatchNormalization: {name: b}\n"
                                        "  - MaxPooling2D: {name: p}\n"
                                        "  - Flatten: {name: f}\n"
                                        "  - Dense: {name: d, units: 4, activation: softmax}\n");
  const Written w(model);
  CHECK(w.types() == "Transpose Conv Relu BatchNormalization MaxPool Transpose Flatten Gemm Softmax");
  CHECK(w.names() == "c/Transpose c/Conv c b p f/Transpose f d/Gemm d");
  CHECK(attr(w.node("Conv"), "strides") == "[2, 2]");
  CHECK(attr(w.node("Conv"), "pads") == "[1, 0, 1, 1]");
  CHECK(w.weight("c/kernel").dims == Dims{3, 2, 3, 3});
  const Tensor kernel = w.weight("c/kernel").make(), source = model.weights.at("c/kernel");  // [3, 3, 2, 3]
  for (int64_t o = 0; o < 3; ++o)
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t k = 0; k < 9; ++k) CHECK(kernel.at((o * 2 + i) * 9 + k) == source.at((k * 2 + i) * 3 + o));
  CHECK(w.weight("d/kernel").dims == Dims{12, 4});
  CHECK(bit_equal(w.weight("d/kernel").make(), model.weights.at("d/kernel")));
  CHECK(w.graph.inputs[0].name == "x");
  CHECK(to_string(w.graph.inputs[0].type.shape) == "[batch, 9, 8, 2]");
  CHECK(w.graph.outputs[0].name == "d");

  CHECK(Written(model, 17, Layout::kNchw).types() == "Conv Relu BatchNormalization MaxPool Transpose Flatten Gemm Softmax");
  CHECK(to_string(Written(model, 17, Layout::kNchw).graph.inputs[0].type.shape) == "[batch, 2, 9, 8]");
}

TEST_CASE("ONNX: the forms of an operator follow the opset") {
  const SavedModel gelu = layers_model("[5, 4]", "  - Activation: {activation: gelu}\n  - LayerNormalization: {epsilon: 0.01}\n");
  CHECK(Written(gelu, 20).types() == "Gelu LayerNormalization");
  CHECK(Written(gelu, 17).types().find("Gelu") == std::string::npos);
  CHECK(Written(gelu, 17).types().find("LayerNormalization") != std::string::npos);
  CHECK(Written(gelu, 16).types().find("LayerNormalization") == std::string::npos);
  const SavedModel mean = layers_model("[5, 4]", "  - GlobalAveragePooling1D: {}\n");
  CHECK(Written(mean, 17).node("ReduceMean").inputs.size() == 1);
  CHECK(attr(Written(mean, 17).node("ReduceMean"), "axes") == "[1]");
  CHECK(Written(mean, 18).node("ReduceMean").inputs.size() == 2);
  CHECK(attr(Written(mean, 18).node("ReduceMean"), "axes").empty());
}

TEST_CASE("ONNX: compositions become the operator they stand for") {
  CHECK(Written(layers_model("[4]", "  - ReLU: {max_value: 6}\n")).types() == "Clip");
  CHECK(Written(layers_model("[4]", "  - Activation: {activation: relu6}\n")).types() == "Clip");
  CHECK(Written(layers_model("[4]", "  - LeakyReLU: {negative_slope: 0.1}\n")).types() == "LeakyRelu");
  CHECK(Written(layers_model("[4]", "  - Activation: {activation: elu}\n")).types() == "Elu");
  CHECK(Written(layers_model("[4]", "  - Activation: {activation: hard_sigmoid}\n")).types() == "HardSigmoid");
  CHECK(Written(layers_model("[4]", "  - Activation: {activation: softsign}\n")).types() == "Softsign");
  CHECK(Written(layers_model("[4, 5, 2]", "  - UpSampling2D: {size: 3}\n")).types() == "Resize");
  CHECK(Written(layers_model("[4, 2]", "  - GlobalMaxPooling1D: {}\n")).types() == "ReduceMax");
  CHECK(Written(layers_model("[4]", "  - Dropout: {rate: 0.4}\n  - Dense: {units: 2}\n")).types() == "Gemm");
}

TEST_CASE("ONNX: a recurrent layer is one node, also in both directions and under a mask") {
  const std::string lstm = "LSTM: {units: 3, return_sequences: true}";
  const Written one(layers_model("[null, 2]", "  - " + lstm + "\n"));
  CHECK(one.types() == "Transpose LSTM Transpose Squeeze");
  CHECK(attr(one.node("LSTM"), "activations") == "Sigmoid Tanh Tanh");
  CHECK(one.weight("lstm/lstm_cell/kernel").dims == Dims{1, 12, 2});
  CHECK(one.weight("lstm/lstm_cell/bias").dims == Dims{1, 24});

  const Written both(layers_model("[6, 2]", "  - Bidirectional: {layer: {" + lstm + "}}\n"));
  CHECK(both.types() == "Transpose LSTM Transpose Reshape");
  CHECK(attr(both.node("LSTM"), "direction") == "bidirectional");

  const Written masked(
      layers_model("{shape: [null], dtype: int32}",
                   "  - Embedding: {input_dim: 9, output_dim: 2, mask_zero: true}\n  - Bidirectional: {layer: {" + lstm + "}}\n"));
  CHECK(masked.problems.empty());
  CHECK(std::count_if(masked.graph.nodes.begin(), masked.graph.nodes.end(), [](const OnnxNode& n) { return n.type == "LSTM"; }) == 1);
  CHECK(!masked.node("LSTM").inputs.at(4).empty());  // sequence_lens

  const SavedModel gru = layers_model("[6, 2]", "  - GRU: {units: 3, reset_after: true}\n");
  CHECK(attr(Written(gru).node("GRU"), "linear_before_reset") == "1");
}

TEST_CASE("ONNX: names are unique and tell the layer") {
  const Written w(layers_model("[4]",
                               "  - Dense: {name: tower, units: 4}\n"
                               "  - call: {name: again, layer: tower, inputs: x}\n"
                               "  - Add: {name: sum, inputs: [tower, again]}\n"
                               "  - Identity: {name: same, inputs: x}\n",
                               "outputs: [sum, same, tower]\n"));
  std::set<std::string> nodes, values;
  for (const OnnxNode& n : w.graph.nodes) {
    CHECK(nodes.insert(n.name).second);
    for (const std::string& o : n.outputs) CHECK(values.insert(o).second);
  }
  for (const onnx_export::Initializer& i : w.graph.initializers) CHECK(values.insert(i.name).second);
  CHECK(std::count_if(w.graph.initializers.begin(), w.graph.initializers.end(),
                      [](const onnx_export::Initializer& i) { return i.name.starts_with("tower/kernel"); }) == 1);
  REQUIRE(w.graph.outputs.size() == 3);
  CHECK(w.graph.outputs[1].name == "same");
  CHECK(w.node("Identity").inputs[0] == "x");
}

TEST_CASE("ONNX: everything that has no form is listed at once, with its layer") {
  const SavedModel model = layers_model("[null, 2]",
                                        "  - LSTM: {name: first, units: 3, activation: gelu, return_sequences: true}\n"
                                        "  - Dense: {name: fine, units: 2}\n"
                                        "  - GRU: {name: second, units: 3, activation: exponential}\n");
  const std::vector<std::string> problems = unsupported_onnx(model, {});
  REQUIRE(problems.size() == 2);
  for (size_t i = 0; i < 2; ++i) {
    const std::string& line = problems[i];
    const bool first = line.find("layer 'first', lstm: ONNX has no gelu as activation") == 0;
    const bool second = line.find("layer 'second', gru: ONNX has no exponential as activation") == 0;
    CHECK_MESSAGE((first || second), line);
  }
  const TestFolder folder;
  const std::string message = export_error([&] { write_onnx(model, folder / "m.onnx", {}); });
  CHECK(message.find("'first'") != std::string::npos);
  CHECK(message.find("'second'") != std::string::npos);
  CHECK(!std::filesystem::exists(folder / "m.onnx"));
  for (const int opset : {12, 22}) {
    WriteOptions options;
    options.opset = opset;
    CHECK(export_error([&] { write_onnx(model, folder / "m.onnx", options); }) ==
          fmt::format("ONNX opset {} is not written; use 13 to 21", opset));
  }
}

TEST_CASE("ONNX: a file is the same each time, keeps metadata and test pairs, and comes back with the weights' bits") {
  SavedModel model = layers_model("[6, 7, 2]",
                                  "  - Conv2D: {name: c, filters: 3, kernel_size: [2, 3], use_bias: false}\n"
                                  "  - BatchNormalization: {name: b}\n"
                                  "  - Flatten: {name: f}\n"
                                  "  - Dense: {name: d, units: 300}\n");
  model.metadata = {{"author", "somebody"}, {"note", "\xc3\xa9"}};
  model.tests = {{{{"x", Tensor(DType::kFloat32, {1, 6, 7, 2})}}, {{"d", Tensor(DType::kFloat32, {1, 300})}}}};
  const TestFolder folder;
  write_onnx(model, folder / "a.onnx", {});
  write_onnx(model, folder / "b.onnx", {});
  CHECK(read_text(folder / "a.onnx") == read_text(folder / "b.onnx"));
  const SavedModel read = read_model(folder / "a.onnx");
  CHECK(read.metadata.at("author") == "somebody");
  CHECK(read.metadata.at("note") == "\xc3\xa9");
  CHECK(read_text(folder / "a.onnx").find(kOnnxTestKey) != std::string::npos);
  CHECK(bit_equal(read.weights.at("d/kernel"), model.weights.at("d/kernel")));
  for (const char* name : {"b/gamma", "b/beta", "b/moving_mean", "b/moving_variance", "d/bias"})
    CHECK(bit_equal(read.weights.at(name), model.weights.at(name)));
  CHECK(read.weights.at("c/kernel").size() == model.weights.at("c/kernel").size());

  WriteOptions options;
  options.external_data = true;
  write_onnx(model, folder / "e.onnx", options);
  CHECK(std::filesystem::exists(folder / "e.onnx.data"));
  CHECK(std::filesystem::file_size(folder / "e.onnx") < std::filesystem::file_size(folder / "a.onnx"));
  const std::string data = read_text(folder / "e.onnx.data");
  CHECK(bit_equal(read_model(folder / "e.onnx").weights.at("d/kernel"), model.weights.at("d/kernel")));
  write_onnx(model, folder / "e.onnx", options);
  CHECK(read_text(folder / "e.onnx.data") == data);
}

TEST_CASE("ONNX: weights of a large file are read apart from its message") {
  const SavedModel model = layers_model("[2100]", "  - Dense: {name: d, units: 2050}\n  - Dense: {name: e, units: 3}\n");
  const TestFolder folder;
  write_onnx(model, folder / "large.onnx", {});
  REQUIRE(std::filesystem::file_size(folder / "large.onnx") > (16 << 20));
  const SavedModel read = read_model(folder / "large.onnx");
  for (const auto& [name, tensor] : model.weights) CHECK_MESSAGE(bit_equal(read.weights.at(name), tensor), name);
  const auto damaged = [&](const std::string& bytes) {
    std::ofstream(folder / "bad.onnx", std::ios::binary) << bytes;
    return export_error([&] { read_model(folder / "bad.onnx"); });
  };
  const std::string bytes = read_text(folder / "large.onnx");
  const std::string place = folder / "bad.onnx";
  CHECK(damaged(bytes.substr(0, bytes.size() - 1)) == place + ": is damaged: it does not hold a whole ONNX model");
  CHECK(damaged(bytes + '\x7f') == place + ": is damaged: it does not hold a whole ONNX model");
  CHECK(damaged(bytes + "\x0b") == place + ": is damaged: it does not hold a whole ONNX model");
  CHECK(damaged(std::string(17 << 20, '\xff')) == place + ": is damaged: it does not hold a whole ONNX model");
}

TEST_CASE("ONNX: half precision halves the file and refuses weights that it cannot hold") {
  SavedModel model = layers_model("[40]", "  - Dense: {name: d, units: 50}\n");
  const TestFolder folder;
  WriteOptions half;
  half.half = true;
  write_onnx(model, folder / "full.onnx", {});
  write_onnx(model, folder / "half.onnx", half);
  CHECK(std::filesystem::file_size(folder / "half.onnx") < std::filesystem::file_size(folder / "full.onnx") * 6 / 10);
  model.weights["d/kernel"].set(3, 1e5);
  const std::vector<std::string> problems = unsupported_onnx(model, half);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0] == "weight 'd/kernel': 100000 is above 65504, the largest float16; export without half");
}
