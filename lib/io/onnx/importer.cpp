#include "io/onnx/importer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <utility>

#include "base/terminal.h"
#include "io/onnx/evaluator.h"
#include "io/onnx/tensor_data.h"
#include "layers/graph_layer.h"
#include "onnx.pb.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

// Where external data may lie, "" for nowhere.
std::string folder_of(const std::string& path) {
  if (path.empty()) return "";
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

constexpr int64_t kMinOpset = 1, kMaxOpset = 26, kMinIr = 3, kMaxIr = 13;
constexpr size_t kMaxProblems = 40;
constexpr double kMaxBytes = 0x1p42;  // of one value

bool is_core(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }
std::string domain_key(const std::string& domain) { return is_core(domain) ? "" : domain; }

std::string place_of(const NodeProto& node, const Scope& scope) {
  std::string name = node.name();
  if (name.empty())
    for (const std::string& output : node.output())
      if (name.empty()) name = output;
  return fmt::format("{}node '{}' ({})", scope.place, safe_for_terminal(name.substr(0, 200)),
                     safe_for_terminal(node.op_type().substr(0, 100)));
}

// The tensors a half precision node computes in float32 come back in the type they had.
DType half_type(const OnnxValues& inputs) {
  for (const OnnxValue& v : inputs) {
    const DType type = v.var.valid() ? v.var.dtype() : v.initial ? v.initial->tensor.dtype() : DType::kInt64;
    if (type == DType::kFloat16 || type == DType::kBFloat16) return type;
  }
  return DType::kFloat32;
}

// A few numbers in a file may ask for more elements than there is memory for; that no file with data of its own could.
void check_size(const OnnxValue& value, const std::string& place) {
  if (!value.var.valid()) return;
  double bytes = static_cast<double>(size_of(value.var.dtype()));
  for (const Dim d : value.var.shape())
    if (d.known()) bytes *= static_cast<double>(std::max<int64_t>(d.value(), 1));
  if (bytes > kMaxBytes) throw FileError(fmt::format("{}shape {} is larger than any memory", place, to_string(value.var.shape())));
}

bool is_half(DType type) { return type == DType::kFloat16 || type == DType::kBFloat16; }

}  // namespace

struct Importer::Evaluator {
  GraphEvaluator graph;
};

Importer::Importer(ModelProto& model, std::string path, const ReadOptions& options)
    : model_(model), path_(std::move(path)), options_(options), program_(std::make_shared<Program>()), evaluator_(new Evaluator) {}
Importer::~Importer() = default;

void Importer::check_opsets() {
  if (model_.ir_version() < kMinIr || model_.ir_version() > kMaxIr)
    throw FileError(fmt::format("has IR version {}; {} to {} can be read", model_.ir_version(), kMinIr, kMaxIr));
  for (const OperatorSetIdProto& set : model_.opset_import()) {
    const std::string domain = domain_key(set.domain());
    if (top_.opsets.contains(domain)) throw FileError(fmt::format("names the operator set '{}' twice", set.domain().substr(0, 100)));
    top_.opsets[domain] = set.version();
    if (domain.empty() && (set.version() < kMinOpset || set.version() > kMaxOpset))
      throw FileError(fmt::format("uses opset {}; {} to {} can be read", set.version(), kMinOpset, kMaxOpset));
  }
  for (const FunctionProto& function : model_.functions())
    if (!functions_.emplace(std::pair(domain_key(function.domain()), function.name()), &function).second)
      throw FileError(fmt::format("defines the function '{}' twice", function.name().substr(0, 100)));
}

// Every operator that is not known here, in the whole file: one message for all.
void Importer::refuse_unknown_operators() {
  std::vector<std::string> unknown;
  std::set<std::string> seen;
  const auto check_nodes = [&](const auto& self, const auto& nodes, const Scope& scope, int depth) -> void {
    if (depth > kMaxDepth) throw FileError(fmt::format("has graphs nested deeper than {}", kMaxDepth));
    for (const NodeProto& node : nodes) {
      const std::string domain = domain_key(node.domain());
      const OpRow* row = domain.empty() ? find_onnx_op(node.op_type()) : nullptr;
      const auto opset = scope.opsets.find("");
      const bool known =
          functions_.contains({domain, node.op_type()}) || (row && (opset == scope.opsets.end() || opset->second >= row->since));
      if (!known && unknown.size() < kMaxProblems) {
        const std::string version = row              ? fmt::format(": came with opset {}, the file says {}", row->since, opset->second)
                                    : domain.empty() ? ""
                                                     : fmt::format(" of domain '{}'", domain.substr(0, 100));
        unknown.push_back(fmt::format("{}{}", place_of(node, scope), version));
      }
      for (const AttributeProto& attribute : node.attribute()) {
        if (attribute.has_g()) self(self, attribute.g().node(), scope, depth + 1);
        for (const GraphProto& graph : attribute.graphs()) self(self, graph.node(), scope, depth + 1);
      }
    }
  };
  check_nodes(check_nodes, model_.graph().node(), top_, 0);
  for (const FunctionProto& function : model_.functions()) {
    Scope scope;
    scope.place = fmt::format("function '{}': ", function.name().substr(0, 100));
    for (const OperatorSetIdProto& set : function.opset_import()) scope.opsets[domain_key(set.domain())] = set.version();
    check_nodes(check_nodes, function.node(), scope, 0);
  }
  if (!unknown.empty()) throw FileError(fmt::format("operators that are not supported: {}", fmt::join(unknown, "; ")));
}

// ---- inputs

const Tensor* Importer::given_value(const std::string& name, size_t position) const {
  for (const auto& [key, tensor] : options_.given)
    if (key == name) return &tensor;
  // By position where no name of `given` is one of the model's: "0", "arr_0" and the like.
  const auto is_input = [&](const std::string& key) {
    return std::any_of(model_.graph().input().begin(), model_.graph().input().end(), [&](const auto& in) { return in.name() == key; });
  };
  if (std::any_of(options_.given.begin(), options_.given.end(), [&](const auto& g) { return is_input(g.first); })) return nullptr;
  return position < options_.given.size() ? &options_.given[position].second : nullptr;
}

Shape Importer::input_shape(const std::string& name, size_t position, const void* type_proto) {
  const auto& type = *static_cast<const TypeProto::Tensor*>(type_proto);
  if (const Tensor* value = given_value(name, position)) return to_shape(value->dims());
  if (const auto found = options_.input_shapes.find(name); found != options_.input_shapes.end()) return found->second;
  if (!type.has_shape())
    throw NeedsInput({name}, fmt::format("input '{}': the file does not say how many axes it has; give its shape", name));
  Shape shape;
  for (const auto& dim : type.shape().dim()) {
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
      shape.push_back(dim.dim_value());
      continue;
    }
    // A name stands for itself; others, and names that would read like arithmetic, get one of their own. First axes without a name,
    // or with one that a converter made up, are taken to be the batch, of one size for all inputs.
    const bool nameless = dim.dim_param().empty() || dim.dim_param().starts_with("unk__");
    if (nameless && shape.empty()) {
      symbols_["batch"] = "batch";
      shape.push_back(Dim::symbol("batch"));
      continue;
    }
    const std::string key = dim.dim_param().empty() ? fmt::format("\n{}\n{}", name, shape.size()) : dim.dim_param();
    auto [symbol, inserted] = symbols_.try_emplace(key);
    if (inserted) {
      std::string text = dim.dim_param().empty() ? fmt::format("{}_{}", name, shape.size()) : dim.dim_param();
      for (char& c : text)
        if (!(std::isalnum(static_cast<unsigned char>(c)) || c == '_')) c = '_';
      if (text.empty() || !(std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '_')) text.insert(0, "dim_");
      const auto taken = [&] {
        return std::count_if(symbols_.begin(), symbols_.end(), [&](const auto& s) { return s.second == text; }) > 0;
      };
      while (taken()) text += "_";
      symbol->second = text;
    }
    shape.push_back(Dim::symbol(symbol->second));
  }
  return shape;
}

void Importer::add_inputs() {
  std::set<std::string> initialised;
  for (const TensorProto& t : model_.graph().initializer()) initialised.insert(t.name());
  for (const SparseTensorProto& t : model_.graph().sparse_initializer()) initialised.insert(t.values().name());
  size_t position = 0;
  for (const ValueInfoProto& info : model_.graph().input()) {
    if (initialised.contains(info.name())) continue;  // a default value, or a weight as files before IR 4 list them
    const std::string place = fmt::format("input '{}'", info.name().substr(0, 200));
    if (info.name().empty() || top_.values.contains(info.name())) throw FileError(place + " has no name of its own");
    if (!info.type().has_tensor_type()) throw FileError(place + " is no tensor; sequences, maps and optional values are not supported");
    const std::optional<ElementType> element = element_type(info.type().tensor_type().elem_type());
    if (!element)
      throw FileError(fmt::format("{} holds {}, which are not supported", place, onnx_type_name(info.type().tensor_type().elem_type())));
    const TensorType type{element->dtype, input_shape(info.name(), position, &info.type().tensor_type())};
    OnnxValue value = input(program_->graph, info.name(), type);
    value.narrow = element->narrow;
    check_size(value, place + ": ");
    if (const Tensor* given = given_value(info.name(), position)) known_[value.var.value] = given->cast(type.dtype);
    program_->inputs.push_back({info.name(), value.var.value});
    top_.values.emplace(info.name(), std::move(value));
    ++position;
  }
}

void Importer::add_initializers(GraphProto& graph, Scope& scope, bool outer) {
  if (graph.sparse_initializer_size() > 0) throw FileError(scope.place + "has sparse initialisers, which are not supported");
  for (TensorProto& proto : *graph.mutable_initializer()) {
    const std::string name = proto.name();
    if (name.empty() || scope.values.contains(name))
      throw FileError(fmt::format("{}initialiser '{}' has no name of its own", scope.place, name.substr(0, 200)));
    OnnxValue value;
    int32_t narrow = 0;
    const std::string place = fmt::format("{}initialiser '{}'", scope.place, name.substr(0, 200));
    // Those of a subgraph are read each time it is run.
    Tensor tensor = outer ? take_tensor(proto, folder_of(path_), place, &narrow) : decode(proto, place, &narrow);
    const bool weight = outer && is_float(tensor.dtype()) && narrow == 0;
    value.initial = std::make_shared<Initial>(Initial{weight ? name : "", std::move(tensor)});
    value.narrow = narrow;
    scope.values.emplace(name, std::move(value));
  }
}

Tensor Importer::decode(const TensorProto& proto, const std::string& name, int32_t* narrow) {
  return decode_tensor(proto, folder_of(path_), name, narrow);
}

// ---- values

Var Importer::materialise(const OnnxValue& value) {
  if (value.var.valid()) return value.var;
  if (value.written.valid()) return value.written;
  Graph& g = graph();
  if (value.initial) {
    const auto& [name, tensor] = *value.initial;
    if (name.empty()) return constant(g, tensor);
    const Var v = parameter(g, name, {tensor.dtype(), to_shape(tensor.dims())});
    if (parameter_index_.emplace(name, program_->parameters.size()).second) {
      Parameter p{name, v.value, tensor.rank() > 0, {}};
      program_->parameters.push_back(std::move(p));
      weights_.emplace(name, tensor);
      known_.emplace(v.value, tensor);
    }
    return v;
  }
  if (!value.sizes) throw FileError("an operand that it needs is left out");
  const Sizes& sizes = *value.sizes;
  if (all_known(sizes.dims)) return constant(g, evaluate(value, ""));
  std::vector<Var> parts;
  for (const Dim d : sizes.dims) {
    const Var v{&g, g.add(op_size_of, {}, {{"size", Shape{d}}, {"dtype", sizes.dtype}})};
    if (sizes.scalar) return v;
    parts.push_back(reshape(v, {1}));
  }
  return concat(parts, 0);
}

std::optional<Tensor> Importer::try_evaluate(const OnnxValue& value) {
  if (value.initial) return value.initial->tensor;
  if (value.sizes) {
    if (!all_known(value.sizes->dims)) return std::nullopt;
    const Dims numbers = known_dims(value.sizes->dims);
    Tensor t = Tensor::from<int64_t>(value.sizes->scalar ? Dims{} : Dims{static_cast<int64_t>(numbers.size())}, numbers);
    return t.cast(value.sizes->dtype);
  }
  if (!value.var.valid()) return std::nullopt;
  if (evaluator_->graph.missing(graph(), value.var.value, known_).empty()) return evaluator_->graph.run(graph(), value.var.value, known_);
  return std::nullopt;
}

Tensor Importer::evaluate(const OnnxValue& value, const std::string& what) {
  if (std::optional<Tensor> tensor = try_evaluate(value)) return *tensor;
  std::vector<std::string> names;
  if (value.var.valid()) names = evaluator_->graph.missing(graph(), value.var.value, known_);
  std::erase(names, "");
  if (names.empty())  // symbolic sizes
    for (const NamedValue& in : program_->inputs)
      if (!all_known(graph().type(in.value).shape)) names.push_back(in.name);
  throw NeedsInput(
      names, fmt::format("{} depends on the values or sizes of the inputs '{}'; give them with --inputs", what, fmt::join(names, "', '")));
}

void Importer::set_not_trainable(const OnnxValue& value) {
  if (!value.initial || value.initial->name.empty()) return;
  materialise(value);
  program_->parameters[parameter_index_.at(value.initial->name)].trainable = false;
}

// ---- nodes

const OnnxValue* Importer::find(const std::string& name, const Scope& scope) const {
  for (const Scope* s = &scope; s; s = s->parent)
    if (const auto found = s->values.find(name); found != s->values.end()) return &found->second;
  return nullptr;
}

void Importer::import_nodes(std::span<const NodeProto* const> nodes, Scope& scope) {
  std::set<std::string> broken;  // outputs of nodes that could not be imported
  for (const NodeProto* node : nodes) {
    const bool skipped =
        std::any_of(node->input().begin(), node->input().end(), [&](const std::string& in) { return broken.contains(in); });
    if (skipped) {
      broken.insert(node->output().begin(), node->output().end());
      continue;
    }
    try {
      import_node(*node, scope);
    } catch (NeedsInput&) {
      throw;
    } catch (FileError& e) {
      // Inside of subgraphs the node around them is the one that fails.
      if (scope.depth > 0 || problems_.size() >= kMaxProblems) throw;
      problems_.push_back(e.what());
      broken.insert(node->output().begin(), node->output().end());
    }
  }
}

void Importer::import_node(const NodeProto& node, Scope& scope) {
  if (++imported_nodes_ > kMaxUnrolledNodes)
    throw FileError(fmt::format("has more than {} nodes when loops are written out", kMaxUnrolledNodes));
  const std::string place = place_of(node, scope);
  OnnxValues inputs;
  for (const std::string& name : node.input()) {
    if (name.empty()) {
      inputs.emplace_back();
      continue;
    }
    const OnnxValue* value = find(name, scope);
    if (!value)
      throw FileError(fmt::format("{}: input '{}' is not defined before it (a cycle, nodes out of order, or a missing value)", place,
                                  name.substr(0, 200)));
    inputs.push_back(*value);
  }
  const std::string domain = domain_key(node.domain());
  OnnxValues outputs;
  try {
    if (const auto function = functions_.find({domain, node.op_type()}); function != functions_.end()) {
      outputs = call_function(*function->second, node, std::move(inputs), scope);
    } else {
      const OpRow* row = domain.empty() ? find_onnx_op(node.op_type()) : nullptr;
      const auto opset = scope.opsets.find("");
      if (opset == scope.opsets.end()) throw FileError("the file does not say the version of its operator set");
      if (!row || opset->second < row->since) throw FileError("is not supported");
      NodeCall call(*this, node, scope, inputs, opset->second);
      outputs = call_operator(*row, call);
      keep_as_written(node, scope, inputs, outputs);
    }
    for (const OnnxValue& o : outputs) check_size(o, "its result of ");
  } catch (UserError& e) {  // shapes that do not fit, in the words of the graph's operators
    throw FileError(fmt::format("{}: {}", place, e.what()));
  } catch (std::out_of_range&) {  // an axis or operand that every such node has
    throw FileError(fmt::format("{}: its operands are of other ranks than it takes", place));
  } catch (NeedsInput& e) {
    if (!std::string_view(e.what()).starts_with(scope.place + "node ")) e.add_context(place);
    throw;
  } catch (FileError& e) {
    throw FileError(fmt::format("{}: {}", place, e.what()));
  }
  for (int o = 0; o < node.output_size(); ++o) {
    const std::string& name = node.output(o);
    if (name.empty()) continue;
    if (static_cast<size_t>(o) >= outputs.size() || !outputs[static_cast<size_t>(o)].present())
      throw FileError(fmt::format("{}: its output '{}' is not supported", place, name.substr(0, 200)));
    if (!scope.values.emplace(name, std::move(outputs[static_cast<size_t>(o)])).second)
      throw FileError(fmt::format("{}: '{}' is defined twice", place, name.substr(0, 200)));
  }
}

OnnxValues Importer::call_operator(const OpRow& row, NodeCall& call) {
  if (const SizesFunction sizes = find_sizes_function(row.name)) {
    if (std::optional<Sizes> result = sizes(call)) return {OnnxValue(*std::move(result))};
  }
  OnnxValues& inputs = call.values();
  const DType half = half_type(inputs);
  if ((row.flags & kAnyType) || half == DType::kFloat32) {
    const int32_t narrow = !inputs.empty() ? inputs[0].narrow : 0;
    const DType first = narrow ? call.dtype(0) : DType::kBool;
    OnnxValues outputs = row.function(call);
    if (narrow && (row.flags & kAnyType))
      for (OnnxValue& o : outputs)
        if (o.var.valid() && o.var.dtype() == first && o.narrow == 0) o.narrow = narrow;
    return outputs;
  }
  for (OnnxValue& v : inputs)
    if (v.present() && is_half(v.var.valid() ? v.var.dtype() : v.initial ? v.initial->tensor.dtype() : DType::kInt64))
      v = OnnxValue(v.wide.valid() ? v.wide : cast(materialise(v), DType::kFloat32));
  OnnxValues outputs = row.function(call);
  for (OnnxValue& o : outputs)
    if (o.var.valid() && o.var.dtype() == DType::kFloat32) o.wide = std::exchange(o.var, cast(o.var, half));
  return outputs;
}

OnnxValues Importer::call_function(const FunctionProto& function, const NodeProto& node, OnnxValues inputs, const Scope& scope) {
  Scope inner;
  inner.depth = scope.depth + 1;
  if (inner.depth > kMaxDepth) throw FileError(fmt::format("functions call each other deeper than {}", kMaxDepth));
  inner.place = fmt::format("function '{}': ", function.name().substr(0, 100));
  for (const OperatorSetIdProto& set : function.opset_import()) inner.opsets[domain_key(set.domain())] = set.version();
  if (const auto own = inner.opsets.find(""); own != inner.opsets.end() && (own->second < kMinOpset || own->second > kMaxOpset))
    throw FileError(fmt::format("uses opset {}; {} to {} can be read", own->second, kMinOpset, kMaxOpset));
  if (static_cast<int>(inputs.size()) > function.input_size()) throw FileError("has more inputs than its function");
  for (int i = 0; i < function.input_size(); ++i)
    inner.values[function.input(i)] = static_cast<size_t>(i) < inputs.size() ? inputs[static_cast<size_t>(i)] : OnnxValue();
  for (const AttributeProto& fallback : function.attribute_proto()) inner.attributes[fallback.name()] = &fallback;
  for (const AttributeProto& given : node.attribute()) {
    if (given.ref_attr_name().empty()) {
      inner.attributes[given.name()] = &given;
    } else if (const auto outer = scope.attributes.find(given.ref_attr_name()); outer != scope.attributes.end()) {
      inner.attributes[given.name()] = outer->second;
    }
  }
  std::vector<const NodeProto*> nodes;
  for (const NodeProto& n : function.node()) nodes.push_back(&n);
  import_nodes(nodes, inner);
  OnnxValues outputs;
  for (const std::string& name : function.output()) {
    const OnnxValue* value = find(name, inner);
    if (!value) throw FileError(fmt::format("its function does not define '{}'", name.substr(0, 200)));
    outputs.push_back(*value);
  }
  return outputs;
}

OnnxValues Importer::import_subgraph(const GraphProto& graph, const Scope& around, OnnxValues inputs, const std::string& place) {
  Scope inner;
  inner.parent = &around;
  inner.opsets = around.opsets;
  inner.attributes = around.attributes;
  inner.depth = around.depth + 1;
  inner.place = place;
  if (inner.depth > kMaxDepth) throw FileError(fmt::format("graphs are nested deeper than {}", kMaxDepth));
  if (static_cast<int>(inputs.size()) != graph.input_size())
    throw FileError(fmt::format("its subgraph has {} inputs, {} are needed", graph.input_size(), inputs.size()));
  // A loop reads its body again and again, so the initialisers stay.
  add_initializers(const_cast<GraphProto&>(graph), inner, false);
  for (int i = 0; i < graph.input_size(); ++i) inner.values[graph.input(i).name()] = std::move(inputs[static_cast<size_t>(i)]);
  std::vector<const NodeProto*> nodes;
  for (const NodeProto& n : graph.node()) nodes.push_back(&n);
  import_nodes(nodes, inner);
  OnnxValues outputs;
  for (const ValueInfoProto& info : graph.output()) {
    const OnnxValue* value = find(info.name(), inner);
    if (!value || !value->present()) throw FileError(fmt::format("its subgraph does not define '{}'", info.name().substr(0, 200)));
    outputs.push_back(*value);
  }
  return outputs;
}

void Importer::add_outputs() {
  std::set<std::string> names;
  if (model_.graph().output_size() == 0) throw FileError("has no outputs");
  for (const ValueInfoProto& info : model_.graph().output()) {
    const OnnxValue* value = find(info.name(), top_);
    if (!value || !value->present()) throw FileError(fmt::format("output '{}' is not defined", info.name().substr(0, 200)));
    if (!names.insert(info.name()).second) throw FileError(fmt::format("output '{}' is named twice", info.name().substr(0, 200)));
    program_->outputs.push_back({info.name(), materialise(*value).value});
  }
}

void Importer::run() {
  try {
    check_opsets();
    refuse_unknown_operators();
    add_inputs();
    add_initializers(*model_.mutable_graph(), top_, true);
    std::vector<const NodeProto*> nodes;
    for (const NodeProto& n : model_.graph().node()) nodes.push_back(&n);
    import_nodes(nodes, top_);
    if (!problems_.empty()) throw FileError(fmt::format("{}", fmt::join(problems_, "; ")));
    add_outputs();
  } catch (UserError& e) {
    throw FileError(in_file(e.what()));
  } catch (NeedsInput& e) {
    throw NeedsInput(e.inputs, in_file(e.what()));
  } catch (FileError& e) {
    throw FileError(in_file(e.what()));
  }
}

// Names in a message come from the file.
std::string Importer::in_file(const std::string& message) const {
  return path_.empty() ? safe_for_terminal(message) : path_ + ": " + safe_for_terminal(message);
}

SavedModel Importer::take() {
  SavedModel saved;
  const std::string& name = model_.graph().name();
  saved.model = graph_model(name, program_);
  saved.weights = std::move(weights_);
  const auto note = [&](const char* key, const std::string& value) {
    if (!value.empty()) saved.metadata[key] = value;
  };
  note("producer", model_.producer_name());
  note("producer_version", model_.producer_version());
  note("doc_string", model_.doc_string());
  note("ir_version", std::to_string(model_.ir_version()));
  if (const auto opset = top_.opsets.find(""); opset != top_.opsets.end()) note("opset", std::to_string(opset->second));
  for (const StringStringEntryProto& entry : model_.metadata_props()) note(entry.key().c_str(), entry.value());
  return saved;
}

}  // namespace dl::onnx
