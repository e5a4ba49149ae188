#include "io/onnx/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "base/error.h"
#include "io/onnx/export_emitter.h"
#include "io/onnx/export_file.h"
#include "io/onnx/export_prepare.h"
#include "io/onnx/test_pairs.h"
#include "layers/build.h"

namespace dl {
namespace {

using namespace onnx_export;

constexpr double kHalfMax = 65504;

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
