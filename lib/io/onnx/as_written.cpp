// The part of the importer that keeps each node as the file has it: see ops/composite.h and export_as_written.cpp, which writes it again.
#include <algorithm>
#include <set>
#include <string>

#include "base/base64.h"
#include "io/onnx/importer.h"
#include "onnx.pb.h"
#include "ops/builders.h"
#include "ops/composite.h"

namespace dl::onnx {
namespace {

constexpr size_t kMaxAttributeBytes = size_t{1} << 20;  // of one node: they are kept as text
constexpr int32_t kExternal = 1;                        // TensorProto.data_location

// Nothing is done by these, or they are initialisers by another name.
bool stands_for_nothing(const std::string& type) { return type == "Identity" || type == "Constant"; }

// A name that can stand in any text.
bool is_plain(const std::string& name) {
  return name.size() <= 200 && std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// Types that are read as others are not written again.
bool is_own_type(const OnnxValue& value) {
  if (value.narrow != 0) return false;
  const DType type = value.var.valid() ? value.var.dtype() : value.initial ? value.initial->tensor.dtype() : DType::kInt64;
  return type != DType::kBFloat16;
}

// What a subgraph reads of the graph around it, each name once. False where it holds what cannot be kept.
class Captured {
 public:
  explicit Captured(const std::map<std::pair<std::string, std::string>, const FunctionProto*>& functions) : functions_(functions) {}

  bool add(const GraphProto& graph, std::set<std::string> own = {}) {
    if (graph.sparse_initializer_size() > 0) return false;
    for (const TensorProto& t : graph.initializer()) {
      if (t.data_location() == kExternal) return false;
      own.insert(t.name());
    }
    for (const ValueInfoProto& in : graph.input()) own.insert(in.name());
    for (const NodeProto& node : graph.node()) {
      if (!node.domain().empty() && node.domain() != "ai.onnx") return false;
      if (functions_.contains({"", node.op_type()})) return false;
      for (const std::string& name : node.input()) read(name, own);
      for (const AttributeProto& attribute : node.attribute()) {
        if (!attribute.ref_attr_name().empty() || attribute.graphs_size() > 0 || attribute.t().data_location() == kExternal) return false;
        if (attribute.has_g() && !add(attribute.g(), own)) return false;
      }
      own.insert(node.output().begin(), node.output().end());
    }
    for (const ValueInfoProto& out : graph.output()) read(out.name(), own);
    return true;
  }

  std::vector<std::string> names;

 private:
  void read(const std::string& name, const std::set<std::string>& own) {
    if (!name.empty() && !own.contains(name) && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }

  const std::map<std::pair<std::string, std::string>, const FunctionProto*>& functions_;
};

// The attributes as a NodeProto; those of the function around the node are filled in. Its inputs are what subgraphs read of the graph
// around them. Nullopt: they cannot be kept.
std::optional<NodeProto> attributes_of(const NodeProto& node, const Scope& scope, Captured captured) {
  NodeProto kept;
  for (const AttributeProto& attribute : node.attribute()) {
    const AttributeProto* source = &attribute;
    if (!attribute.ref_attr_name().empty()) {
      const auto found = scope.attributes.find(attribute.ref_attr_name());
      if (found == scope.attributes.end()) continue;
      source = found->second;
    }
    if (source->graphs_size() > 0 || source->has_sparse_tensor()) return std::nullopt;
    if (source->has_t() && source->t().data_location() == kExternal) return std::nullopt;
    if (source->has_g() && !captured.add(source->g())) return std::nullopt;
    AttributeProto& copy = *kept.add_attribute();
    copy = *source;
    copy.set_name(attribute.name());
    copy.clear_doc_string();
  }
  for (const std::string& name : captured.names) kept.add_input(name);
  return kept;
}

}  // namespace

// Weights that nobody computes with are constants: the numbers are in what was made of them.
Var Importer::operand_as_written(const OnnxValue& value) {
  if (!value.var.valid() && value.initial && !value.written.valid() && !parameter_index_.contains(value.initial->name))
    return constant(graph(), value.initial->tensor);
  return value.present() ? materialise(value) : Var();
}

void Importer::keep_as_written(const NodeProto& node, const Scope& scope, const OnnxValues& inputs, OnnxValues& outputs) {
  if (stands_for_nothing(node.op_type()) || !std::all_of(inputs.begin(), inputs.end(), is_own_type)) return;
  CompositeSpec spec;
  std::vector<Var> results;
  std::vector<size_t> kept;  // outputs that are results
  for (int o = 0; o < node.output_size(); ++o) {
    const auto i = static_cast<size_t>(o);
    spec.outputs.push_back(node.output(o).empty() ? -1 : static_cast<int64_t>(results.size()));
    if (node.output(o).empty()) continue;
    if (i >= outputs.size() || !outputs[i].present() || !is_own_type(outputs[i])) return;
    results.push_back(materialise(outputs[i]));
    kept.push_back(i);
  }
  const std::optional<NodeProto> attributes = attributes_of(node, scope, Captured(functions_));
  if (results.empty() || !attributes) return;
  const std::string bytes = attributes->SerializeAsString();
  if (bytes.size() > kMaxAttributeBytes) return;
  spec.type = node.op_type();
  spec.version = scope.opsets.at("");
  spec.attributes = to_base64(bytes.data(), bytes.size());
  spec.place = imported_nodes_;
  for (const OnnxValue& in : inputs) spec.operands.push_back(operand_as_written(in));
  for (const std::string& name : attributes->input()) {
    const OnnxValue* value = find(name, scope);
    if (!value || !value->present() || !is_own_type(*value)) return;
    spec.operands.push_back(operand_as_written(*value));
  }
  graph().set_scope(is_plain(node.name()) ? node.name() : "");
  const std::vector<Var> values = composite(results, spec);
  graph().set_scope("");
  for (size_t k = 0; k < kept.size(); ++k) {
    OnnxValue& output = outputs[kept[k]];
    (output.var.valid() ? output.var : output.written) = values[k];
  }
}

}  // namespace dl::onnx
