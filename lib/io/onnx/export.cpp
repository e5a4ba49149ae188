#include "io/onnx/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "io/onnx/export_emitter.h"
#include "io/onnx/export_file.h"
#include "io/onnx/export_prepare.h"
#include "io/onnx/test_pairs.h"
#include "io/refuse.h"
#include "layers/build.h"
#include "layers/graph_layer.h"
#include "ops/composite.h"

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

int64_t count_composites(const Program& program) {
  const std::vector<char> live = live_nodes(program);
  int64_t count = 0;
  for (uint32_t n = 0; n < program.graph.size(); ++n) count += live[n] && program.graph.node(n).op == &op_composite;
  return count;
}

bool has_half(const Program& program) {
  for (uint32_t n = 0; n < program.graph.size(); ++n)
    for (const TensorType& t : program.graph.node(n).types)
      if (t.dtype == DType::kFloat16) return true;
  return false;
}

// What is written. A graph that was read comes out node by node as it was, unless something else is asked for. Between nodes of float16
// numbers stay float32 (see importer.h), so one that cannot be written as it was would need all before it computed twice: then none is.
Program program_to_write(const SavedModel& model, const WriteOptions& options) {
  if (const Program* graph = graph_of(model.model); graph && options.layout == Layout::kKeep && !options.half) {
    Program kept = lower_for_opset(*graph, options.opset);
    if (!has_half(*graph) || count_composites(kept) == count_composites(*graph)) return kept;
  }
  return lower_for_opset(use_channels_first(write_out_scans(build_inference_program(model.model)), options.layout), options.opset);
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
    program = program_to_write(model, options);
    if (std::any_of(program.parameters.begin(), program.parameters.end(), [](const Parameter& p) { return is_carried_state(p.name); })) {
      problems.push_back("stateful layers: a graph keeps nothing from run to run; set stateful: false, or pass the states in and out");
      return;
    }
    for (const Parameter& p : program.parameters) DL_CHECK(model.weights.count(p.name) != 0, "the model has no weight '" + p.name + "'");
    emitter = std::make_unique<Emitter>(program, model.weights, EmitOptions{options.opset, options.half});
    graph = emitter->run(problems);
    graph.name = model.model.name.empty() ? "model" : model.model.name;
    if (options.half) check_half(model.weights, problems);
  }
};

}  // namespace

int usual_onnx_opset(const SavedModel& model) {
  int64_t opset = WriteOptions().opset;
  if (const Program* graph = graph_of(model.model))
    for (uint32_t n = 0; n < graph->graph.size(); ++n)
      if (const Node& node = graph->graph.node(n); node.op == &op_composite) opset = std::max(opset, node.attrs.integer("version"));
  return static_cast<int>(std::min<int64_t>(opset, kNewestOnnxOpset));
}

std::vector<std::string> unsupported_onnx(const SavedModel& model, const WriteOptions& options) { return Export(model, options).problems; }

void write_onnx(const SavedModel& model, const std::string& path, const WriteOptions& options) {
  const Export result(model, options);
  refuse_if_any(result.problems, path, "onnx");
  FileOptions file;
  file.opset = options.opset;
  file.external_data = options.external_data;
  file.metadata = model.metadata;
  if (std::string text = test_text(model.tests); !text.empty()) file.metadata[kOnnxTestKey] = std::move(text);
  write_file(result.graph, path, file);
}

}  // namespace dl
