#include "io/onnx/export_emitter.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/onnx/export_rows.h"
#include "ops/composite.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

std::string token_of(Value v) { return fmt::format("v{}.{}", v.node, v.index); }

// `wanted`, or with the first free number behind it.
std::string unique(std::set<std::string>& taken, const std::string& wanted) {
  std::string name = wanted;
  for (int k = 1; !taken.insert(name).second; ++k) name = fmt::format("{}_{}", wanted, k);
  return name;
}

}  // namespace

int onnx_type(DType type) {
  switch (type) {
    case DType::kFloat32:
    case DType::kBFloat16:
      return 1;
    case DType::kUInt8:
      return 2;
    case DType::kInt8:
      return 3;
    case DType::kUInt16:
      return 4;
    case DType::kInt16:
      return 5;
    case DType::kInt32:
      return 6;
    case DType::kInt64:
      return 7;
    case DType::kBool:
      return 9;
    case DType::kFloat16:
      return 10;
    case DType::kFloat64:
      return 11;
    case DType::kUInt32:
      return 12;
    case DType::kUInt64:
      return 13;
  }
  return 0;
}

const Row* find_row(const OpDef& op) {
  for (const std::span<const Row> rows :
       {elementwise_rows(), shape_rows(), nn_rows(), reduce_rows(), recurrent_rows(), indexing_rows(), rows_as_written()})
    for (const Row& row : rows)
      if (row.op == &op) return &row;
  return nullptr;
}

std::string refusal(const RefuseCall& call) {
  const Row* row = find_row(*call.node.op);
  if (call.node.op == &op_scan) return "walks a sequence of open length; give its number of steps with --input-shape";
  if (!row) return "has no ONNX operator";
  return row->refuse ? row->refuse(call) : "";
}

Emitter::Emitter(const Program& program, const std::map<std::string, Tensor>& weights, const EmitOptions& options)
    : program_(program), options_(options), constants_(program, weights), users_(program.graph.size(), 0) {
  const std::vector<char> live = live_nodes(program);
  for (uint32_t n = 0; n < graph().size(); ++n)
    if (live[n])
      for (Value v : graph().node(n).inputs) ++users_[v.node];
  for (const NamedValue& o : program.outputs) ++users_[o.value.node];
}

// ---- operands and results

std::string Emitter::use(Value v) {
  if (is_static(v) && !is(v, op_composite)) return weight(v, known_dims(shape(v)));
  needed_.insert(v);
  return token_of(v);
}

std::string Emitter::use_permuted(Value v, const Ints& perm) {
  Ints order = perm;
  while (is(v, op_transpose)) {  // result axis i is axis order[i] of v
    const Ints& inner = node(v).attrs.integers("perm");
    for (int64_t& axis : order) axis = inner[static_cast<size_t>(axis)];
    v = node(v).inputs[0];
  }
  if (std::is_sorted(order.begin(), order.end())) return use(v);
  if (!is_static(v)) return op("Transpose", {use(v)}, {{"perm", order}});
  Dims dims;
  for (int64_t axis : order) dims.push_back(known_dims(shape(v))[static_cast<size_t>(axis)]);
  return weight(v, "perm" + to_string(std::span<const int64_t>(order)), type(v).dtype, dims,
                [this, v, order] { return transposed(constants_.evaluate(v), order); });
}

Names Emitter::ops(const char* type, Names inputs, NodeAttrs attrs, size_t outputs) {
  OnnxNode node{type, std::move(inputs), {}, std::move(attrs), scope_, ""};
  while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
  for (size_t i = 0; i < outputs; ++i) node.outputs.push_back(fmt::format("t{}", next_token_++));
  group_->push_back(node);
  return node.outputs;
}

Names Emitter::as_written(OnnxNode node, const std::vector<bool>& given) {
  node.scope = scope_;
  node.whole = true;
  while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
  for (const bool there : given) node.outputs.push_back(there ? fmt::format("t{}", next_token_++) : "");
  group_->push_back(node);
  return node.outputs;
}

std::string Emitter::op(const char* type, Names inputs, NodeAttrs attrs) { return ops(type, std::move(inputs), std::move(attrs), 1)[0]; }

void Emitter::result(Value v, const std::string& token) { alias_[token_of(v)] = token; }

void Emitter::fail(const std::string& why) const { throw Failure{why}; }

DType Emitter::stored(DType type) const {
  if (type == DType::kBFloat16) type = DType::kFloat32;
  return options_.half && type == DType::kFloat32 ? DType::kFloat16 : type;
}

// ---- constants

std::optional<double> Emitter::number(Value v) const {
  v = without_composite(graph(), v);
  while (is(v, op_reshape) || is(v, op_broadcast_to) || is(v, op_slice) || is(v, op_cast)) {
    if (is(v, op_cast) && !is_float(type(v).dtype)) return std::nullopt;
    v = without_composite(graph(), node(v).inputs[0]);
  }
  if (is(v, op_parameter)) {  // such as the bounds of an imported Clip
    const bool one = all_known(shape(v)) && element_count(shape(v)) == Dim(1);
    return one ? std::optional(constants_.evaluate(v).at(0)) : std::nullopt;
  }
  if (!is(v, op_constant)) return std::nullopt;
  const Tensor& value = node(v).attrs.tensor("value");
  return value.size() == 1 ? std::optional(value.at(0)) : std::nullopt;
}

std::string Emitter::add_initializer(std::string key, std::string name, DType dtype, Dims dims, std::function<Tensor()> make) {
  const auto [found, added] = initializer_index_.try_emplace(std::move(key), initializers_.size());
  if (added) initializers_.push_back({std::move(name), dtype, std::move(dims), std::move(make)});
  return fmt::format("c{}", found->second);
}

std::string Emitter::weight(Value v, const std::string& key, DType dtype, Dims dims, std::function<Tensor()> make) {
  std::string name = constants_.parameter_of(v);
  if (name.empty()) name = scope_.empty() ? "constant" : scope_ + "/constant";
  return add_initializer(fmt::format("{} {}", token_of(v), key), std::move(name), stored(dtype), std::move(dims), std::move(make));
}

std::string Emitter::weight(Value v, Dims dims) {
  while (is(v, op_reshape) || is(v, op_stop_gradient)) v = node(v).inputs[0];
  const std::string key = to_string(std::span<const int64_t>(dims));
  const DType dtype = type(v).dtype;
  const bool exact = dtype != DType::kInt64 && dtype != DType::kUInt64;  // as a double
  if (is(v, op_constant) && node(v).attrs.tensor("value").size() == 1 && dims.empty() && exact)
    return scalar(type(v).dtype, node(v).attrs.tensor("value").at(0));
  return weight(v, key, type(v).dtype, dims, [this, v, dims] { return constants_.evaluate(v).reshaped(dims); });
}

std::string Emitter::ints(const Ints& values, const char* name) {
  const Dims dims = {static_cast<int64_t>(values.size())};
  return add_initializer(fmt::format("ints {} {}", name, to_string(std::span<const int64_t>(values))), name, DType::kInt64, dims,
                         [values, dims] { return Tensor::from<int64_t>(dims, values); });
}

std::string Emitter::floats(const std::vector<float>& values, const char* name) {
  const Dims dims = {static_cast<int64_t>(values.size())};
  std::string key = fmt::format("floats {}", name);
  for (float f : values) key += fmt::format(" {}", f);
  return add_initializer(std::move(key), name, DType::kFloat32, dims, [values, dims] { return Tensor::from<float>(dims, values); });
}

std::string Emitter::scalar(DType dtype, double value) {
  Tensor t(dtype, {});
  t.set(0, value);
  // A number that float16 cannot hold stands for "very large" (a masked score), not for infinity.
  constexpr double kHalfMax = 65504;
  if (stored(dtype) == DType::kFloat16 && std::abs(value) > kHalfMax && std::abs(value) <= 3.5e38)
    t.set(0, value > 0 ? kHalfMax : -kHalfMax);
  return add_initializer(fmt::format("scalar {} {} {}", name_of(dtype), t.at(0), std::signbit(t.at(0))), "number", stored(dtype), {},
                         [t] { return t; });
}

std::string Emitter::tensor(const Tensor& value, const char* name) {
  std::string key = fmt::format("tensor {} {} {} ", name, name_of(value.dtype()), to_string(std::span<const int64_t>(value.dims())));
  key.append(static_cast<const char*>(value.raw()), value.bytes());
  return add_initializer(std::move(key), name, value.dtype(), value.dims(), [value] { return value; });
}

std::string Emitter::ones(DType dtype, Dims dims) {
  return add_initializer(fmt::format("ones {} {}", name_of(dtype), to_string(std::span<const int64_t>(dims))), "ones", stored(dtype), dims,
                         [dtype, dims] {
                           Tensor t(dtype, dims);
                           for (int64_t i = 0; i < t.size(); ++i) t.set(i, 1);
                           return t;
                         });
}

std::string Emitter::size(Dim dim, const std::vector<Value>& near) {
  std::vector<Value> sources = near;
  for (const NamedValue& in : program_.inputs) sources.push_back(in.value);
  const auto take = [&](Value v, size_t axis) {
    return op("Gather", {op("Shape", {use(v)}), ints({static_cast<int64_t>(axis)}, "axis")}, {{"axis", int64_t{0}}});
  };
  for (Value v : sources)
    for (size_t i = 0; i < shape(v).size(); ++i)
      if (shape(v)[i] == dim) return take(v, i);
  for (Value v : sources)
    for (size_t i = 0; i < shape(v).size(); ++i) {
      const Dim d = shape(v)[i];
      if (d.known()) continue;
      if (const Dim rest = dim - d; rest.known()) return op("Add", {take(v, i), ints({rest.value()}, "size")});
      if (const std::optional<Dim> factor = exact_div(dim, d)) return op("Mul", {take(v, i), size(*factor, near)});
    }
  if (dim.known()) return ints({dim.value()}, "size");
  fail(fmt::format("the size {} cannot be written in terms of the shapes at hand; give the sizes of the inputs", to_string(dim)));
}

std::string Emitter::sizes(const Shape& wanted, std::vector<Value> near) {
  if (all_known(wanted)) return ints(known_dims(wanted), "shape");
  Names parts;
  Ints known;
  const auto flush = [&] {
    if (!known.empty()) parts.push_back(ints(known, "shape"));
    known.clear();
  };
  for (Dim d : wanted) {
    if (d.known()) {
      known.push_back(d.value());
      continue;
    }
    flush();
    parts.push_back(size(d, near));
  }
  flush();
  return parts.size() == 1 ? parts[0] : op("Concat", parts, {{"axis", int64_t{0}}});
}

// ---- the whole graph

void Emitter::emit(uint32_t n, std::vector<std::string>& problems) {
  const Node& node = graph().node(n);
  groups_.emplace_back();
  group_ = &groups_.back();
  scope_ = graph().scope_name(node.scope);
  std::string why = refusal({node, graph(), constants_, options_.opset});
  try {
    if (why.empty()) find_row(*node.op)->emit(*this, node, {n, 0});
  } catch (const Failure& failure) {
    why = failure.why;
  }
  if (why.empty()) return;
  // What stands before it may have problems of its own.
  for (Value v : node.inputs)
    if (!is_static(v)) needed_.insert(v);
  problems.push_back(fmt::format("{}{}: {}", scope_.empty() ? "" : fmt::format("layer '{}', ", scope_), node.op->name, why));
}

void Emitter::emit_inputs(OnnxGraph& result) {
  groups_.emplace_back();
  group_ = &groups_.back();
  scope_.clear();
  for (const NamedValue& in : program_.inputs) {
    const TensorType& type = graph().type(in.value);
    result.inputs.push_back({in.name, type});
    if (stored(type.dtype) != type.dtype && type.dtype == DType::kFloat32 && needed(in.value))
      alias_[token_of(in.value)] = op("Cast", {"i" + in.name}, {{"to", int64_t{onnx_type(stored(type.dtype))}}});
    else
      alias_[token_of(in.value)] = "i" + in.name;
  }
}

void Emitter::emit_outputs() {
  group_ = &tail_;
  scope_.clear();
  for (const NamedValue& out : program_.outputs) {
    const DType dtype = graph().type(out.value).dtype;
    if (is(out.value, op_input) && node(out.value).attrs.text("name") == out.name) {  // listed twice, without a node
      output_tokens_.push_back("i" + out.name);
      continue;
    }
    std::string token = use(out.value);
    if (dtype == DType::kFloat32 && stored(dtype) != dtype) token = op("Cast", {token}, {{"to", int64_t{onnx_type(dtype)}}});
    output_tokens_.push_back(std::move(token));
  }
}

std::string Emitter::resolve(std::string token) const {
  for (auto found = alias_.find(token); found != alias_.end(); found = alias_.find(token)) token = found->second;
  return token;
}

// Further outputs of a node that nobody reads are left out.
void Emitter::drop_unread_outputs(std::vector<OnnxNode>& nodes) const {
  std::set<std::string> read;
  for (const OnnxNode& node : nodes) {
    for (const std::string& token : node.inputs) read.insert(resolve(token));
    for (const std::string& token : node.captured_here) read.insert(resolve(token));
  }
  for (const std::string& token : output_tokens_) read.insert(resolve(token));
  for (OnnxNode& node : nodes) {
    if (node.outputs.size() == 1 || node.whole) continue;
    for (std::string& token : node.outputs)
      if (!read.count(token)) token.clear();
    while (node.outputs.back().empty() && node.outputs.size() > 1) node.outputs.pop_back();
  }
}

void Emitter::name_everything(OnnxGraph& result) {
  std::vector<OnnxNode>& nodes = result.nodes;
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) nodes.insert(nodes.end(), group->begin(), group->end());
  nodes.insert(nodes.end(), tail_.begin(), tail_.end());
  drop_unread_outputs(nodes);
  std::set<std::string> taken, produced;
  std::map<std::string, std::string> names;  // resolved token -> name
  for (const GraphValue& in : result.inputs) {
    taken.insert(in.name);
    names["i" + in.name] = in.name;
  }
  for (const OnnxNode& node : nodes) produced.insert(node.outputs.begin(), node.outputs.end());
  for (size_t k = 0; k < program_.outputs.size(); ++k) taken.insert(program_.outputs[k].name);
  for (size_t k = 0; k < program_.outputs.size(); ++k) {
    const std::string token = resolve(output_tokens_[k]), &name = program_.outputs[k].name;
    result.outputs.push_back({name, graph().type(program_.outputs[k].value)});
    if (token == "i" + name) continue;
    if (produced.count(token) && !names.count(token)) {
      names[token] = name;
      continue;
    }
    // An input, a constant or another output under a second name.
    nodes.push_back({"Identity", {token}, {fmt::format("o{}", k)}, {}, "", ""});
    names[nodes.back().outputs[0]] = name;
  }
  for (size_t i = 0; i < initializers_.size(); ++i) {
    initializers_[i].name = unique(taken, initializers_[i].name);
    names[fmt::format("c{}", i)] = initializers_[i].name;
  }
  std::map<std::string, size_t> last_of;  // scope -> its last node
  for (size_t i = 0; i < nodes.size(); ++i) last_of[nodes[i].scope] = i;
  std::set<std::string> node_names;
  for (size_t i = 0; i < nodes.size(); ++i) {
    OnnxNode& node = nodes[i];
    const bool whole = !node.scope.empty() && last_of[node.scope] == i;
    const std::string base = whole ? node.scope : node.scope.empty() ? node.type : node.scope + "/" + node.type;
    node.name = unique(node_names, base);
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      std::string& token = node.outputs[o];
      if (token.empty()) continue;
      const auto [name, fresh] = names.try_emplace(token);
      if (fresh) name->second = unique(taken, o == 0 ? node.name : fmt::format("{}/{}", node.name, o));
      token = name->second;
    }
  }
  for (OnnxNode& node : nodes)
    for (std::string& token : node.inputs)
      if (!token.empty()) token = names.at(resolve(token));
  for (OnnxNode& node : nodes) {
    for (std::string& token : node.captured_here) token = names.at(resolve(token));
    if (node.written.empty()) continue;
    node.prefix = node.name;
    const auto clashes = [&](const std::string& name) { return name.starts_with(node.prefix + "/"); };
    while (std::any_of(taken.begin(), taken.end(), clashes)) node.prefix += "_";
    node.prefix += "/";
  }
  result.initializers = std::move(initializers_);
}

OnnxGraph Emitter::run(std::vector<std::string>& problems) {
  OnnxGraph result;
  emit_outputs();
  for (uint32_t n = graph().size(); n-- > 0;) {
    const auto wanted = needed_.lower_bound({n, 0});
    if (wanted != needed_.end() && wanted->node == n && graph().node(n).op != &op_input) emit(n, problems);
  }
  emit_inputs(result);
  if (!problems.empty()) return result;
  name_everything(result);
  return result;
}

}  // namespace dl::onnx_export
