// The importer of ONNX graphs: one pass over the nodes, each of which becomes operators of a Graph.
// Who uses it: onnx_format.cpp (read_onnx) and the import_<family>.cpp files, which hold one function per ONNX operator.
//
// To add an operator: write `OnnxValues import_x(NodeCall& call)` in the import_<family>.cpp it belongs to and a row {"X", since, import_x}
// in that file's table; a new family is a file with `std::span<const OpRow> onnx_rows_<family>()` and a row in families.def. A plain
// elementwise operator is a row in op_names.def alone. In the function: call.in(i) is input i as a Var; call.ints(i), call.reals(i),
// call.concrete(i) its value, where the importer has to know it (evaluated, if need be; NeedsInput where it depends on an input of the
// model); call.sizes(i) sizes that may be symbolic; call.integer("axis", 0) ... attributes; call.opset() the version of the operator set.
// float16 and bfloat16 inputs arrive as float32 and results go back, except where the row has kAnyType; between nodes that compute so the
// numbers stay float32, unrounded. Call fail() for what the
// standard forbids, unsupported() for what is not built here: never approximate.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/program.h"
#include "io/format.h"
#include "io/needs_input.h"
#include "ops/builders.h"
#include "tensor/tensor.h"

namespace dl::onnx {

class AttributeProto;
class FunctionProto;
class GraphProto;
class ModelProto;
class NodeProto;
class TensorProto;

// Numbers that describe shapes: a scalar or vector of int64 or int32, each of which may be symbolic.
struct Sizes {
  Shape dims;
  bool scalar = false;
  DType dtype = DType::kInt64;
};

// An initialiser that nobody has computed with yet. It becomes a parameter when somebody does.
struct Initial {
  std::string name;  // "" for a constant
  Tensor tensor;
};

// What a name in an ONNX graph stands for. At most one of the three is set; none: an optional value that is left out.
struct OnnxValue {
  OnnxValue() = default;
  OnnxValue(Var v) : var(v) {}                 // NOLINT(google-explicit-constructor): a result
  OnnxValue(Sizes s) : sizes(std::move(s)) {}  // NOLINT(google-explicit-constructor)
  OnnxValue(const Tensor& tensor) : initial(std::make_shared<Initial>(Initial{"", tensor})) {}  // NOLINT(google-explicit-constructor)
  bool present() const { return var.valid() || sizes || initial; }

  Var var;
  std::optional<Sizes> sizes;
  std::shared_ptr<const Initial> initial;
  Var written;         // of sizes and constants that a node gave: what stands for them as operands, which keeps the node
  Var wide;            // of a half precision result: its float32 numbers before rounding
  int32_t narrow = 0;  // ONNX type, where the numbers are of one that DType has not (float8, int4): kept as float32, int8 or uint8
};
using OnnxValues = std::vector<OnnxValue>;

class NodeCall;
using ImportFunction = OnnxValues (*)(NodeCall&);
// The same on sizes alone; nullopt where it does not apply.
using SizesFunction = std::optional<Sizes> (*)(NodeCall&);

enum OpFlags : uint8_t {
  kAnyType = 1,  // moves elements or has its own rule: half precision operands come as they are
};

struct OpRow {
  const char* name;
  int since;  // first opset that has it as it is imported here
  ImportFunction function;
  uint8_t flags = 0;
};
struct SizesRow {
  const char* name;
  SizesFunction function;
};

const OpRow* find_onnx_op(std::string_view name);
SizesFunction find_sizes_function(std::string_view name);
std::span<const SizesRow> onnx_sizes_rows();

using AttributeMap = std::map<std::string, const AttributeProto*, std::less<>>;

// Names of one graph or function body, and what it was called with.
struct Scope {
  const Scope* parent = nullptr;  // of a subgraph: the graph around it
  std::unordered_map<std::string, OnnxValue> values;
  std::map<std::string, int64_t> opsets;  // by domain, "" for ai.onnx
  AttributeMap attributes;                // of a function call
  std::string place;                      // "" or "subgraph then_branch of node 'x': "
  int depth = 0;
};

class Importer {
 public:
  // `folder` is where external data may lie; "" forbids it. Initialisers are taken out of `model` as they are read.
  Importer(ModelProto& model, std::string path, const ReadOptions& options);
  ~Importer();
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;

  void run();
  SavedModel take();

  // ---- for NodeCall
  Graph& graph() { return program_->graph; }
  Var materialise(const OnnxValue& value);
  // The value, where it depends on no unknown input. Throws NeedsInput saying that `what` needs it.
  Tensor evaluate(const OnnxValue& value, const std::string& what);
  std::optional<Tensor> try_evaluate(const OnnxValue& value);
  Tensor decode(const TensorProto& proto, const std::string& name, int32_t* narrow = nullptr);
  // Imports a subgraph with these inputs; returns its outputs.
  OnnxValues import_subgraph(const GraphProto& graph, const Scope& around, OnnxValues inputs, const std::string& place);
  void set_not_trainable(const OnnxValue& value);

 private:
  struct Evaluator;
  std::string in_file(const std::string& message) const;
  void check_opsets();
  void refuse_unknown_operators();
  void add_inputs();
  void add_initializers(GraphProto& graph, Scope& scope, bool outer);
  void import_nodes(std::span<const NodeProto* const> nodes, Scope& scope);
  void import_node(const NodeProto& node, Scope& scope);
  OnnxValues call_function(const FunctionProto& function, const NodeProto& node, OnnxValues inputs, const Scope& scope);
  OnnxValues call_operator(const OpRow& row, NodeCall& call);
  // Makes the outputs a composite (ops/composite.h), so that the node can be written again as it is.
  void keep_as_written(const NodeProto& node, const Scope& scope, const OnnxValues& inputs, OnnxValues& outputs);
  Var operand_as_written(const OnnxValue& value);
  void add_outputs();
  Shape input_shape(const std::string& name, size_t position, const void* type_proto);
  const Tensor* given_value(const std::string& name, size_t position) const;
  const OnnxValue* find(const std::string& name, const Scope& scope) const;

  ModelProto& model_;
  std::string path_;
  const ReadOptions& options_;
  std::shared_ptr<Program> program_;
  Scope top_;
  std::map<std::pair<std::string, std::string>, const FunctionProto*> functions_;  // by domain and name
  std::map<std::string, Tensor> weights_;
  std::map<std::string, size_t> parameter_index_;
  std::map<Value, Tensor> known_;               // values of nodes: parameters, given inputs, what was evaluated
  std::map<std::string, std::string> symbols_;  // dim_param -> name of the symbol
  std::unique_ptr<Evaluator> evaluator_;
  std::vector<std::string> problems_;  // nodes that could not be imported, all reported at once
  int64_t imported_nodes_ = 0;
};

// One node to import: its operands, attributes and errors.
class NodeCall {
 public:
  NodeCall(Importer& importer, const NodeProto& node, const Scope& scope, OnnxValues inputs, int64_t opset);

  Importer& importer() { return importer_; }
  Graph& graph() { return importer_.graph(); }
  int64_t opset() const { return opset_; }
  const std::string& op() const;
  std::string place() const;  // "node 'conv1' (Conv)"

  // ---- operands
  size_t inputs() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i].present(); }
  const OnnxValue& value(size_t i) const;  // fails where it is missing
  Var in(size_t i);
  DType dtype(size_t i);
  std::optional<Sizes> sizes(size_t i) const;  // of an int tensor of at most one axis whose numbers are known or symbolic; else nullopt
  Tensor concrete(size_t i, const std::string& what);
  std::optional<Tensor> try_concrete(size_t i);
  Shape shape_value(size_t i, const std::string& what);  // sizes that may be symbolic
  std::vector<int64_t> ints(size_t i, const std::string& what);
  std::vector<double> reals(size_t i, const std::string& what);
  int64_t int_value(size_t i, const std::string& what);  // one element
  double real_value(size_t i, const std::string& what);
  OnnxValues& values() { return inputs_; }

  // ---- results
  size_t outputs() const;
  bool wants(size_t o) const;

  // ---- attributes; those without a default fail where the attribute is missing
  bool has_attribute(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t fallback) const;
  double real(std::string_view name) const;
  double real(std::string_view name, double fallback) const;
  std::string text(std::string_view name) const;
  std::string text(std::string_view name, const std::string& fallback) const;
  std::vector<int64_t> integers(std::string_view name) const;  // empty where missing
  std::vector<double> floats(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  Tensor tensor(std::string_view name, int32_t* narrow = nullptr) const;
  const GraphProto& subgraph(std::string_view name) const;
  size_t subgraph_inputs(std::string_view name) const;
  size_t subgraph_outputs(std::string_view name) const;
  OnnxValues run_subgraph(std::string_view name, OnnxValues inputs);
  // The axes of a reduction and its like: attribute before `since`, operand i from then on. Nullopt: not given.
  std::optional<std::vector<int64_t>> axes(size_t i, int64_t since);

  // FileError "node 'x' (Op): ...". The second: allowed by the standard, not built here.
  [[noreturn]] void fail(const std::string& message) const;
  [[noreturn]] void unsupported(const std::string& message) const;

 private:
  const AttributeProto* find_attribute(std::string_view name) const;
  const AttributeProto& need_attribute(std::string_view name) const;

  Importer& importer_;
  const NodeProto& node_;
  const Scope& scope_;
  OnnxValues inputs_;
  int64_t opset_;
};

// The element type for a number of TensorProto.DataType. Nullopt for strings, complex numbers and what is unknown. Types that DType has
// not are `narrow`: float8, float4 are held as float32, int4 and int2 as int8, uint4 and uint2 as uint8.
struct ElementType {
  DType dtype;
  int32_t narrow = 0;
};
std::optional<ElementType> element_type(int32_t onnx_type);
std::string onnx_type_name(int32_t onnx_type);
// The other way: the TensorProto.DataType of a value.
int32_t onnx_type_of(DType dtype);

// auto_pad, pads, strides and dilations ... of windows, see import_nn.cpp.
inline constexpr int64_t kMaxUnrolledNodes = 200000;  // loops written out, functions inlined
inline constexpr int kMaxDepth = 32;                  // of subgraphs and functions inside of each other

}  // namespace dl::onnx
