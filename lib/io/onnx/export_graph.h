// An ONNX graph on its way into a file: plain structures, so that only export_file.cpp knows protobuf. Large weights are made when they
// are written, one at a time, so that a model is never in memory twice.
// Who uses it: Emitter fills one, export_file.cpp writes it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "tensor/tensor.h"

namespace dl::onnx_export {

using Ints = std::vector<int64_t>;
using Names = std::vector<std::string>;
using NodeAttr = std::variant<int64_t, float, std::string, Ints, std::vector<float>, Names>;
using NodeAttrs = std::vector<std::pair<std::string, NodeAttr>>;

struct OnnxNode {
  std::string type;
  Names inputs, outputs;  // "": an optional operand left out
  NodeAttrs attrs;
  std::string scope;  // the layer it came from
  std::string name;
  std::string written = {};  // further attributes: a serialised NodeProto
  bool whole = false;        // no output is left out, whether it is read or not
  // What subgraphs among the attributes read of this graph, their names for it and this graph's; all else in them is theirs, and gets
  // `prefix` before its name.
  Names captured = {}, captured_here = {};
  std::string prefix = {};
};

struct Initializer {
  std::string name;
  DType dtype = DType::kFloat32;  // as it is written
  Dims dims;
  std::function<Tensor()> make;  // of any type; cast when written

  size_t bytes() const { return static_cast<size_t>(element_count(dims)) * size_of(dtype); }
};

struct GraphValue {
  std::string name;
  TensorType type;
};

struct OnnxGraph {
  std::string name;
  std::vector<OnnxNode> nodes;  // in order
  std::vector<Initializer> initializers;
  std::vector<GraphValue> inputs, outputs;
};

// TensorProto.DataType; bfloat16 is written as float32.
int onnx_type(DType type);

}  // namespace dl::onnx_export
