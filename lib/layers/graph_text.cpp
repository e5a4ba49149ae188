#include "layers/graph_text.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>

#include "base/base64.h"
#include "base/error.h"
#include "layers/graph_layer.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {
namespace {

using SpecNode = spec::Node;

// ---- sizes: the text that to_string(Dim) writes

// sum := ['-'] product (('+' | '-') product)*; product := factor ('*' factor)*; factor := number | name | floor((sum) / number)
class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}
  std::optional<Dim> parse() {
    const std::optional<Dim> d = sum(0);
    skip();
    return d && at_ == text_.size() ? d : std::nullopt;
  }

 private:
  static constexpr int kMaxDepth = 32;

  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(std::string_view token) {
    skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  std::optional<Dim> sum(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    const bool minus = take("-");
    std::optional<Dim> total = product(depth);
    if (total && minus) total = Dim(0) - *total;
    while (total) {
      const bool plus = take("+");
      if (!plus && !take("-")) break;
      const std::optional<Dim> next = product(depth);
      total = !next ? next : plus ? std::optional(*total + *next) : std::optional(*total - *next);
    }
    return total;
  }
  std::optional<Dim> product(int depth) {
    std::optional<Dim> result = factor(depth);
    while (result && take("*")) {
      const std::optional<Dim> next = factor(depth);
      result = next ? std::optional(*result * *next) : next;
    }
    return result;
  }
  std::optional<int64_t> number() {
    skip();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }
  std::optional<Dim> factor(int depth) {
    if (take("floor((")) {
      const std::optional<Dim> numerator = sum(depth + 1);
      if (!numerator || !take(")") || !take("/")) return std::nullopt;
      const std::optional<int64_t> divisor = number();
      if (!divisor || *divisor < 1 || !take(")")) return std::nullopt;
      return floor_div(*numerator, *divisor);
    }
    skip();
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      const std::optional<int64_t> value = number();
      return value ? std::optional(Dim(*value)) : std::nullopt;
    }
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    return at_ > begin ? std::optional(Dim::symbol(std::string(text_.substr(begin, at_ - begin)))) : std::nullopt;
  }

  std::string_view text_;
  size_t at_ = 0;
};

SpecNode to_node(const Shape& shape) {
  std::vector<SpecNode> sizes;
  for (const Dim d : shape) sizes.push_back(d.known() ? SpecNode::integer(d.value()) : SpecNode::string(to_string(d)));
  return SpecNode::list(std::move(sizes));
}

std::optional<Shape> read_shape(const SpecNode* node) {
  if (!node || !node->is_list()) return std::nullopt;
  Shape shape;
  for (const SpecNode& item : node->items()) {
    std::optional<Dim> d;
    if (item.kind() == spec::Kind::kInt) d = Dim(item.as_int());
    if (item.is_string()) d = DimParser(item.as_string()).parse();
    if (!d) return std::nullopt;
    shape.push_back(*d);
  }
  return shape;
}

// ---- attributes; their types are those of the operator's schema

template <class T, class Make>
SpecNode list_node(const std::vector<T>& values, Make make) {
  std::vector<SpecNode> items;
  for (const T& value : values) items.push_back(make(value));
  return SpecNode::list(std::move(items));
}

SpecNode to_node(const Tensor& t) {
  return SpecNode::map({{"dtype", SpecNode::string(name_of(t.dtype()))},
                        {"dims", list_node(t.dims(), SpecNode::integer)},
                        {"data", SpecNode::string(to_base64(t.raw(), t.bytes()))}});
}

struct WriteAttr {
  SpecNode operator()(int64_t v) const { return SpecNode::integer(v); }
  SpecNode operator()(double v) const { return SpecNode::real(v); }
  SpecNode operator()(const std::string& v) const { return SpecNode::string(v); }
  SpecNode operator()(const std::vector<int64_t>& v) const { return list_node(v, SpecNode::integer); }
  SpecNode operator()(const std::vector<double>& v) const { return list_node(v, SpecNode::real); }
  SpecNode operator()(const Shape& v) const { return to_node(v); }
  SpecNode operator()(DType v) const { return SpecNode::string(name_of(v)); }
  SpecNode operator()(const Tensor& v) const { return to_node(v); }
  SpecNode operator()(const Body& v) const { return v.program() ? dl::to_node(*v.program()) : SpecNode(); }
};

std::optional<Tensor> read_tensor(const SpecNode& node) {
  const SpecNode *dtype = node.find("dtype"), *data = node.find("data");
  const std::optional<Shape> shape = read_shape(node.find("dims"));
  if (!dtype || !dtype->is_string() || !data || !data->is_string() || !shape || !all_known(*shape)) return std::nullopt;
  const std::optional<DType> type = parse_dtype(dtype->as_string());
  const std::optional<std::string> bytes = from_base64(data->as_string());
  if (!type || !bytes) return std::nullopt;
  const Dims dims = known_dims(*shape);
  for (const int64_t d : dims)
    if (d < 0) return std::nullopt;
  if (static_cast<size_t>(element_count(dims)) != bytes->size() / size_of(*type) || bytes->size() % size_of(*type) != 0)
    return std::nullopt;
  Tensor tensor(*type, dims);
  if (!bytes->empty()) std::memcpy(tensor.raw(), bytes->data(), bytes->size());
  return tensor;
}

// A value of the alternative that `like` has.
struct ReadAttr {
  const SpecNode& node;
  using Result = std::optional<AttrValue>;

  Result operator()(int64_t) const { return node.kind() == spec::Kind::kInt ? Result(node.as_int()) : std::nullopt; }
  Result operator()(double) const { return node.is_number() ? Result(node.as_double()) : std::nullopt; }
  Result operator()(const std::string&) const { return node.is_string() ? Result(node.as_string()) : std::nullopt; }
  Result operator()(const std::vector<int64_t>&) const {
    if (!node.is_list()) return std::nullopt;
    std::vector<int64_t> values;
    for (const SpecNode& item : node.items()) {
      if (item.kind() != spec::Kind::kInt) return std::nullopt;
      values.push_back(item.as_int());
    }
    return values;
  }
  Result operator()(const std::vector<double>&) const {
    if (!node.is_list()) return std::nullopt;
    std::vector<double> values;
    for (const SpecNode& item : node.items()) {
      if (!item.is_number()) return std::nullopt;
      values.push_back(item.as_double());
    }
    return values;
  }
  Result operator()(const Shape&) const {
    const std::optional<Shape> shape = read_shape(&node);
    return shape ? Result(*shape) : std::nullopt;
  }
  Result operator()(DType) const {
    const std::optional<DType> type = node.is_string() ? parse_dtype(node.as_string()) : std::nullopt;
    return type ? Result(*type) : std::nullopt;
  }
  Result operator()(const Tensor&) const {
    const std::optional<Tensor> tensor = read_tensor(node);
    return tensor ? Result(*tensor) : std::nullopt;
  }
  Result operator()(const Body&) const {
    spec::Problems ignored;
    std::shared_ptr<const Program> body = read_graph(node, "body", ignored);
    return body ? Result(Body(std::move(body))) : std::nullopt;
  }
};

SpecNode to_node(const TensorType& type) {
  return SpecNode::map({{"dtype", SpecNode::string(name_of(type.dtype))}, {"shape", to_node(type.shape)}});
}

// ---- reading a graph

class GraphReader {
 public:
  GraphReader(const std::string& path, spec::Problems& problems) : path_(path), problems_(problems) {}

  std::shared_ptr<const Program> read(const SpecNode& node) {
    try {
      for (const auto& [name, entry] : entries(node, "inputs")) {
        program_->inputs.push_back({name, input(program_->graph, name, read_type(entry)).value});
        values_.push_back(program_->inputs.back().value);
      }
      for (const auto& [name, entry] : entries(node, "parameters")) {
        const SpecNode* trainable = entry.find("trainable");
        const bool frozen = trainable && trainable->kind() == spec::Kind::kBool && !trainable->as_bool();
        program_->parameters.push_back({name, parameter(program_->graph, name, read_type(entry)).value, !frozen, {}});
        values_.push_back(program_->parameters.back().value);
      }
      const SpecNode* nodes = node.find("nodes");
      if (!nodes || !nodes->is_list()) fail(node, "needs a list 'nodes'");
      for (const SpecNode& item : nodes->items()) read_item(item);
      for (const auto& [name, entry] : entries(node, "outputs")) program_->outputs.push_back({name, operand(entry)});
      if (program_->outputs.empty()) fail(node, "has no outputs");
      return program_;
    } catch (const UserError& e) {
      problems_.add(place_, path_, e.what());
      return nullptr;
    }
  }

 private:
  [[noreturn]] void fail(const SpecNode& node, const std::string& message) {
    place_ = node.place();
    throw UserError(message);
  }

  const SpecNode::Map& entries(const SpecNode& node, const char* key) {
    static const SpecNode::Map kNone;
    const SpecNode* map = node.find(key);
    if (!map || map->is_null()) return kNone;
    if (!map->is_map()) fail(*map, fmt::format("'{}' must be a map", key));
    return map->entries();
  }

  TensorType read_type(const SpecNode& entry) {
    const SpecNode* dtype = entry.find("dtype");
    const std::optional<DType> type = dtype && dtype->is_string() ? parse_dtype(dtype->as_string()) : std::nullopt;
    const std::optional<Shape> shape = read_shape(entry.find("shape"));
    if (!type || !shape) fail(entry, "needs {dtype: float32, shape: [sizes]}");
    for (const Dim d : *shape)
      if (d.known() && d.value() < 0) fail(entry, "has a negative size");
    return {*type, *shape};
  }

  Value operand(const SpecNode& node) {
    int64_t number = -1, output = 0;
    if (node.kind() == spec::Kind::kInt) number = node.as_int();
    if (node.is_string()) {
      const std::string& text = node.as_string();
      const char* end = text.data() + text.size();
      const auto [colon, error] = std::from_chars(text.data(), end, number);
      if (error != std::errc() || colon == end || *colon != ':' || std::from_chars(colon + 1, end, output).ptr != end) number = -1;
    }
    if (number < 0 || static_cast<size_t>(number) >= values_.size() || output < 0 ||
        static_cast<size_t>(output) >= program_->graph.node(values_[static_cast<size_t>(number)]).types.size())
      fail(node, "is no operand: give the number of an earlier value, or 'number:output'");
    return {values_[static_cast<size_t>(number)].node, static_cast<uint32_t>(output)};
  }

  void read_item(const SpecNode& item) {
    place_ = item.place();
    if (!item.is_list() || item.items().size() < 3 || !item.items()[0].is_string() || !item.items()[1].is_list() ||
        !item.items()[2].is_map())
      fail(item, "a node is [operator, [operands], {attributes}, scope]");
    const OpDef* op = find_op(item.items()[0].as_string());
    if (!op || op == &op_input || op == &op_parameter) fail(item, fmt::format("unknown operator '{}'", item.items()[0].as_string()));
    std::vector<Value> operands;
    for (const SpecNode& o : item.items()[1].items()) operands.push_back(operand(o));
    Attrs attrs;
    for (const auto& [name, value] : item.items()[2].entries()) {
      const AttrSpec* schema = nullptr;
      for (const AttrSpec& a : op->attrs)
        if (name == a.name) schema = &a;
      if (!schema) fail(item, fmt::format("operator '{}' has no attribute '{}'", op->name, name));
      std::optional<AttrValue> read = std::visit(ReadAttr{value}, schema->value);
      if (!read) fail(item, fmt::format("attribute '{}' of '{}' has another type", name, op->name));
      attrs.set(name, std::move(*read));
    }
    program_->graph.set_scope(item.items().size() > 3 && item.items()[3].is_string() ? item.items()[3].as_string() : "");
    try {
      values_.push_back(program_->graph.add(*op, operands, std::move(attrs)));
    } catch (const Error& e) {  // also broken rules of the operator: the text may be damaged
      fail(item, fmt::format("is no node of a graph: {}", e.what()));
    }
  }

  const std::string& path_;
  spec::Problems& problems_;
  spec::Place place_;
  std::shared_ptr<Program> program_ = std::make_shared<Program>();
  std::vector<Value> values_;
};

}  // namespace

spec::Node to_node(const Program& program) {
  std::map<uint32_t, int64_t> number;  // of a node
  SpecNode::Map inputs, parameters, outputs;
  for (const NamedValue& in : program.inputs) {
    number.emplace(in.value.node, static_cast<int64_t>(number.size()));
    inputs.emplace_back(in.name, to_node(program.graph.type(in.value)));
  }
  for (const Parameter& p : program.parameters) {
    number.emplace(p.value.node, static_cast<int64_t>(number.size()));
    SpecNode entry = to_node(program.graph.type(p.value));
    entry.set("trainable", SpecNode::boolean(p.trainable));
    parameters.emplace_back(p.name, std::move(entry));
  }
  const auto reference = [&](Value v) {
    return v.index == 0 ? SpecNode::integer(number.at(v.node)) : SpecNode::string(fmt::format("{}:{}", number.at(v.node), v.index));
  };
  std::vector<SpecNode> nodes;
  const std::vector<char> live = live_nodes(program);
  for (uint32_t n = 0; n < program.graph.size(); ++n) {
    if (!live[n] || number.contains(n)) continue;
    const Node& node = program.graph.node(n);
    SpecNode::Map attrs;
    for (const auto& [name, value] : node.attrs.values()) attrs.emplace_back(name, std::visit(WriteAttr{}, value));
    nodes.push_back(SpecNode::list({SpecNode::string(node.op->name), list_node(node.inputs, reference), SpecNode::map(std::move(attrs)),
                                    SpecNode::string(program.graph.scope_name(node.scope))}));
    number.emplace(n, static_cast<int64_t>(number.size()));
  }
  for (const NamedValue& out : program.outputs) outputs.emplace_back(out.name, reference(out.value));
  return SpecNode::map({{"inputs", SpecNode::map(std::move(inputs))},
                        {"parameters", SpecNode::map(std::move(parameters))},
                        {"nodes", SpecNode::list(std::move(nodes))},
                        {"outputs", SpecNode::map(std::move(outputs))}});
}

spec::Node graph_model_tree(const Model& model) {
  return SpecNode::map({{"name", SpecNode::string(model.name)}, {"graph", to_node(*graph_of(model))}});
}

std::shared_ptr<const Program> read_graph(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  if (!node.is_map()) {
    problems.add(node.place(), path, "must be a map with inputs, parameters, nodes and outputs");
    return nullptr;
  }
  return GraphReader(path, problems).read(node);
}

}  // namespace dl
