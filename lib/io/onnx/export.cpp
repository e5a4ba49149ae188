#include "io/onnx/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/onnx/export_emitter.h"
#include "io/onnx/export_file.h"
#include "io/onnx/export_prepare.h"
#include "layers/build.h"

namespace dl {
namespace {

using namespace onnx_export;

constexpr double kHalfMax = 65504;

std::string base64(const void* bytes, size_t size) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* in = static_cast<const uint8_t*>(bytes);
  std::string out;
  for (size_t i = 0; i < size; i += 3) {
    const size_t left = std::min<size_t>(size - i, 3);
    uint32_t word = uint32_t{in[i]} << 16;
    if (left > 1) word |= uint32_t{in[i + 1]} << 8;
    if (left > 2) word |= in[i + 2];
    for (size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

nlohmann::ordered_json to_json(const NamedTensors& tensors) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, tensor] : tensors)
    object[name] = {{"dtype", name_of(tensor.dtype())}, {"dims", tensor.dims()}, {"data", base64(tensor.raw(), tensor.bytes())}};
  return object;
}

// As many of the pairs as fit, "" for none.
std::string test_text(const std::vector<TestPair>& tests) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::string text;
  for (const TestPair& test : tests) {
    size_t bytes = 0;
    for (const NamedTensors* side : {&test.inputs, &test.outputs})
      for (const auto& [name, tensor] : *side) bytes += tensor.bytes();
    if (bytes >= kOnnxTestBytes) continue;
    list.push_back({{"inputs", to_json(test.inputs)}, {"outputs", to_json(test.outputs)}});
    std::string longer = list.dump();
    if (longer.size() < kOnnxTestBytes)
      text = std::move(longer);
    else
      list.erase(list.size() - 1);
  }
  return text;
}

void check_half(const std::map<std::string, Tensor>& weights, std::vector<std::string>& problems) {
  for (const auto& [name, tensor] : weights) {
    if (tensor.dtype() != DType::kFloat32) continue;
    for (float v : tensor.values<float>())
      if (std::abs(v) > kHalfMax && std::isfinite(v)) {
        problems.push_back(fmt::format("weight '{}': {} is above {}, the largest float16; export without half", name, v, kHalfMax));
        break;
      }
  }
}

// The program must outlive the graph's weights, so both go together.
struct Export {
  Program program;
  std::unique_ptr<Emitter> emitter;
  OnnxGraph graph;
  std::vector<std::string> problems;

  Export(const SavedModel& model, const WriteOptions& options) {
    if (options.opset < kOldestOnnxOpset || options.opset > kNewestOnnxOpset)
      throw UserError(fmt::format("ONNX opset {} is not written; use {} to {}", options.opset, kOldestOnnxOpset, kNewestOnnxOpset));
    program = lower_for_opset(use_channels_first(build_inference_program(model.model), options.layout), options.opset);
    for (const Parameter& p : program.parameters) DL_CHECK(model.weights.count(p.name) != 0, "the model has no weight '" + p.name + "'");
    emitter = std::make_unique<Emitter>(program, model.weights, EmitOptions{options.opset, options.half});
    graph = emitter->run(problems);
    graph.name = model.model.name.empty() ? "model" : model.model.name;
    if (options.half) check_half(model.weights, problems);
  }
};

}  // namespace

std::vector<std::string> unsupported_onnx(const SavedModel& model, const WriteOptions& options) { return Export(model, options).problems; }

void write_onnx(const SavedModel& model, const std::string& path, const WriteOptions& options) {
  const Export result(model, options);
  if (!result.problems.empty()) throw FileError(fmt::format("{}: cannot be written as ONNX:\n{}", path, fmt::join(result.problems, "\n")));
  FileOptions file;
  file.opset = options.opset;
  file.external_data = options.external_data;
  file.metadata = model.metadata;
  if (std::string text = test_text(model.tests); !text.empty()) file.metadata[kOnnxTestKey] = std::move(text);
  write_file(result.graph, path, file);
}

}  // namespace dl
