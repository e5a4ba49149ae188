// Emitter: turns a prepared Program (export_prepare.h) into an OnnxGraph. It visits the nodes from the last to the first and calls the
// row of each that somebody asked for, so a row that takes in what stands before it (Conv its bias, ReduceMean its division) just does
// not ask for that. Rows (export_rows.h) are written with use(), op() and result().
// A "token" stands for a value until the end, when everything gets its readable name: the layer call's, its parts "call/Type".
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/program.h"
#include "io/constants.h"
#include "io/onnx/export_graph.h"

namespace dl::onnx_export {

struct EmitOptions {
  int opset = 17;
  bool half = false;  // float32 inside becomes float16
};

// A form of a node's output besides the outputs it has, such as an LSTM's sequence in the order of its input: asked for by use() of a
// Value with this index, given by result().
inline constexpr uint32_t kNaturalSequence = 1000;

class Emitter {
 public:
  Emitter(const Program& program, const std::map<std::string, Tensor>& weights, const EmitOptions& options);

  // Problems: a line for each node that ONNX cannot hold; the graph is usable only when there are none.
  OnnxGraph run(std::vector<std::string>& problems);

  // ---- for rows
  const Graph& graph() const { return program_.graph; }
  int opset() const { return options_.opset; }
  const TensorType& type(Value v) const { return graph().type(v); }
  const Shape& shape(Value v) const { return graph().type(v).shape; }
  const Node& node(Value v) const { return graph().node(v.node); }
  bool is(Value v, const OpDef& op) const { return node(v).op == &op; }
  // How often live nodes and outputs read anything of this node.
  int users(Value v) const { return users_[v.node]; }
  bool needed(Value v) const { return needed_.count(v) != 0; }

  std::string use(Value v);                             // the value as an operand
  std::string use_permuted(Value v, const Ints& perm);  // transposed; transposes before it are taken in, weights are folded
  std::string op(const char* type, Names inputs, NodeAttrs attrs = {});
  Names ops(const char* type, Names inputs, NodeAttrs attrs, size_t outputs);
  // A node of a file, without outputs: `given[o]` tells whether output o is there.
  Names as_written(OnnxNode node, const std::vector<bool>& given);
  void result(Value v, const std::string& token);

  // ---- constants
  bool is_static(Value v) const { return constants_.is_static(v); }
  const Constants& constants() const { return constants_; }
  std::optional<double> number(Value v) const;  // of a constant with one element
  // A weight in a shape and type of its own, made when it is written. `key` names the form, so that equal uses share it.
  std::string weight(Value v, const std::string& key, DType dtype, Dims dims, std::function<Tensor()> make);
  std::string weight(Value v, Dims dims);                  // the same elements in these sizes
  std::string ints(const Ints& values, const char* name);  // int64 [n]
  std::string scalar(DType dtype, double value);
  std::string ones(DType dtype, Dims dims);
  std::string floats(const std::vector<float>& values, const char* name);  // float32 [n], also in a half model
  std::string tensor(const Tensor& value, const char* name);
  // int64 [n] with these sizes, known or not; symbols are looked up in the shapes of `near` and of the graph's inputs.
  std::string sizes(const Shape& shape, std::vector<Value> near);
  // ONNX type of a value here: float16 for float32 in a half model.
  DType stored(DType type) const;

  // Ends the row: the node cannot be written.
  [[noreturn]] void fail(const std::string& why) const;

 private:
  struct Failure {
    std::string why;
  };
  void emit(uint32_t n, std::vector<std::string>& problems);
  void emit_inputs(OnnxGraph& result);
  void emit_outputs();
  std::string size(Dim dim, const std::vector<Value>& near);
  std::string add_initializer(std::string key, std::string name, DType dtype, Dims dims, std::function<Tensor()> make);
  std::string resolve(std::string token) const;
  void drop_unread_outputs(std::vector<OnnxNode>& nodes) const;
  void name_everything(OnnxGraph& result);

  const Program& program_;
  EmitOptions options_;
  Constants constants_;
  std::vector<int> users_;
  std::set<Value> needed_;
  std::map<std::string, std::string> alias_;   // token -> token
  std::vector<std::vector<OnnxNode>> groups_;  // of one row each, last first
  std::vector<OnnxNode> tail_;                 // what follows all rows
  std::vector<OnnxNode>* group_ = nullptr;
  std::string scope_;
  std::vector<Initializer> initializers_;
  std::map<std::string, size_t> initializer_index_;
  std::vector<std::string> output_tokens_;
  int next_token_ = 0;
};

}  // namespace dl::onnx_export
