#include <fmt/format.h>

#include <algorithm>

#include "io/onnx/importer.h"
#include "onnx.pb.h"

namespace dl::onnx {
namespace {

constexpr int64_t kMaxSizes = 1024;  // longer vectors of integers describe no shape

std::vector<int64_t> to_ints(const Tensor& t) {
  const Tensor wide = t.cast(DType::kInt64);
  return {wide.data<int64_t>(), wide.data<int64_t>() + wide.size()};
}

}  // namespace

NodeCall::NodeCall(Importer& importer, const NodeProto& node, const Scope& scope, OnnxValues inputs, int64_t opset)
    : importer_(importer), node_(node), scope_(scope), inputs_(std::move(inputs)), opset_(opset) {}

const std::string& NodeCall::op() const { return node_.op_type(); }
std::string NodeCall::place() const { return fmt::format("{}node '{}' ({})", scope_.place, node_.name(), node_.op_type()); }

void NodeCall::fail(const std::string& message) const { throw FileError(message); }
void NodeCall::unsupported(const std::string& message) const { throw FileError(message + ", which is not supported"); }

// ---- operands

const OnnxValue& NodeCall::value(size_t i) const {
  if (!has(i)) fail(fmt::format("input {} is missing", i));
  return inputs_[i];
}

Var NodeCall::in(size_t i) { return importer_.materialise(value(i)); }

DType NodeCall::dtype(size_t i) {
  const OnnxValue& v = value(i);
  return v.var.valid() ? v.var.dtype() : v.initial ? v.initial->tensor.dtype() : v.sizes->dtype;
}

std::optional<Sizes> NodeCall::sizes(size_t i) const {
  if (!has(i)) return std::nullopt;
  const OnnxValue& v = inputs_[i];
  if (v.sizes) return v.sizes;
  Tensor t;
  if (v.initial)
    t = v.initial->tensor;
  else if (const Node& node = v.var.graph->node(v.var.value); node.attrs.has("value") && std::string_view(node.op->name) == "constant")
    t = node.attrs.tensor("value");
  else
    return std::nullopt;
  if ((t.dtype() != DType::kInt64 && t.dtype() != DType::kInt32) || t.rank() > 1 || t.size() > kMaxSizes) return std::nullopt;
  return Sizes{to_shape(to_ints(t)), t.rank() == 0, t.dtype()};
}

Tensor NodeCall::concrete(size_t i, const std::string& what) { return importer_.evaluate(value(i), what); }
std::optional<Tensor> NodeCall::try_concrete(size_t i) { return importer_.try_evaluate(value(i)); }

Shape NodeCall::shape_value(size_t i, const std::string& what) {
  if (const std::optional<Sizes> known = sizes(i)) return known->dims;
  return to_shape(ints(i, what));
}

std::vector<int64_t> NodeCall::ints(size_t i, const std::string& what) {
  const Tensor t = concrete(i, what);
  if (!is_integer(t.dtype()) && t.dtype() != DType::kBool) fail(what + " must be integers");
  return to_ints(t);
}

std::vector<double> NodeCall::reals(size_t i, const std::string& what) {
  const Tensor t = concrete(i, what).cast(DType::kFloat64);
  return {t.data<double>(), t.data<double>() + t.size()};
}

int64_t NodeCall::int_value(size_t i, const std::string& what) {
  const std::vector<int64_t> list = ints(i, what);
  if (list.size() != 1) fail(fmt::format("{} must be one number, not {}", what, list.size()));
  return list[0];
}

double NodeCall::real_value(size_t i, const std::string& what) {
  const std::vector<double> list = reals(i, what);
  if (list.size() != 1) fail(fmt::format("{} must be one number, not {}", what, list.size()));
  return list[0];
}

size_t NodeCall::outputs() const { return static_cast<size_t>(node_.output_size()); }
bool NodeCall::wants(size_t o) const { return o < outputs() && !node_.output(static_cast<int>(o)).empty(); }

// ---- attributes

const AttributeProto* NodeCall::find_attribute(std::string_view name) const {
  for (const AttributeProto& a : node_.attribute()) {
    if (a.name() != name) continue;
    if (a.ref_attr_name().empty()) return &a;
    const auto found = scope_.attributes.find(a.ref_attr_name());
    return found == scope_.attributes.end() ? nullptr : found->second;
  }
  return nullptr;
}

const AttributeProto& NodeCall::need_attribute(std::string_view name) const {
  const AttributeProto* a = find_attribute(name);
  if (!a) fail(fmt::format("attribute '{}' is missing", name));
  return *a;
}

bool NodeCall::has_attribute(std::string_view name) const { return find_attribute(name) != nullptr; }
int64_t NodeCall::integer(std::string_view name) const { return need_attribute(name).i(); }
int64_t NodeCall::integer(std::string_view name, int64_t fallback) const {
  const AttributeProto* a = find_attribute(name);
  return a ? a->i() : fallback;
}
double NodeCall::real(std::string_view name) const { return static_cast<double>(need_attribute(name).f()); }
double NodeCall::real(std::string_view name, double fallback) const {
  const AttributeProto* a = find_attribute(name);
  return a ? static_cast<double>(a->f()) : fallback;
}
std::string NodeCall::text(std::string_view name) const { return need_attribute(name).s(); }
std::string NodeCall::text(std::string_view name, const std::string& fallback) const {
  const AttributeProto* a = find_attribute(name);
  return a ? a->s() : fallback;
}
std::vector<int64_t> NodeCall::integers(std::string_view name) const {
  const AttributeProto* a = find_attribute(name);
  return a ? std::vector<int64_t>(a->ints().begin(), a->ints().end()) : std::vector<int64_t>();
}
std::vector<double> NodeCall::floats(std::string_view name) const {
  const AttributeProto* a = find_attribute(name);
  return a ? std::vector<double>(a->floats().begin(), a->floats().end()) : std::vector<double>();
}
std::vector<std::string> NodeCall::texts(std::string_view name) const {
  const AttributeProto* a = find_attribute(name);
  return a ? std::vector<std::string>(a->strings().begin(), a->strings().end()) : std::vector<std::string>();
}

Tensor NodeCall::tensor(std::string_view name, int32_t* narrow) const {
  const AttributeProto& a = need_attribute(name);
  if (!a.has_t()) fail(fmt::format("attribute '{}' holds no tensor", name));
  return importer_.decode(a.t(), fmt::format("attribute '{}'", name), narrow);
}

const GraphProto& NodeCall::subgraph(std::string_view name) const {
  const AttributeProto& a = need_attribute(name);
  if (!a.has_g()) fail(fmt::format("attribute '{}' holds no graph", name));
  return a.g();
}
size_t NodeCall::subgraph_inputs(std::string_view name) const { return static_cast<size_t>(subgraph(name).input_size()); }
size_t NodeCall::subgraph_outputs(std::string_view name) const { return static_cast<size_t>(subgraph(name).output_size()); }
OnnxValues NodeCall::run_subgraph(std::string_view name, OnnxValues inputs) {
  return importer_.import_subgraph(subgraph(name), scope_, std::move(inputs), fmt::format("{}: {}: ", place(), name));
}

std::optional<std::vector<int64_t>> NodeCall::axes(size_t i, int64_t since) {
  if (opset_ < since) {
    if (!has_attribute("axes")) return std::nullopt;
    return integers("axes");
  }
  if (!has(i)) return std::nullopt;
  return ints(i, "axes");
}

}  // namespace dl::onnx
