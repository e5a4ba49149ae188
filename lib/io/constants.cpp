#include "io/constants.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "backend/backend.h"
#include "graph/op_def.h"
#include "ops/composite.h"
#include "ops/ops.h"
#include "plan/session.h"

namespace dl {
namespace {

// Known values that grow beyond this and beyond their operands stay nodes: a causal mask of thousands of steps is smaller as a formula.
constexpr int64_t kLargeElements = int64_t{1} << 20;
constexpr int64_t kGrowth = 4;

bool shapes_known(const Node& node) {
  return std::all_of(node.types.begin(), node.types.end(), [](const TensorType& t) { return all_known(t.shape); });
}

bool attrs_known(const Node& node) {
  for (const auto& [name, value] : node.attrs.values())
    if (const Shape* shape = std::get_if<Shape>(&value); shape && !all_known(*shape)) return false;
  return true;
}

int64_t elements(const TensorType& type) { return element_count(type.shape).value(); }

bool grows(const Node& node, const Graph& graph) {
  int64_t in = 0, out = 0;
  for (Value v : node.inputs) in += elements(graph.type(v));
  for (const TensorType& t : node.types) out += elements(t);
  return out > kLargeElements && out > kGrowth * in;
}

template <class T>
void copy_strided(const T* from, T* to, const Dims& dims, const Dims& strides, size_t axis) {
  const int64_t count = dims[axis], stride = strides[axis];
  if (axis + 1 == dims.size()) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * stride];
    return;
  }
  int64_t inner = 1;
  for (size_t k = axis + 1; k < dims.size(); ++k) inner *= dims[k];
  for (int64_t i = 0; i < count; ++i) copy_strided(from + i * stride, to + i * inner, dims, strides, axis + 1);
}

// dims of the result, and per axis the step in x; `offset` in elements.
Tensor strided(const Tensor& x, int64_t offset, const Dims& dims, const Dims& strides) {
  Tensor y(x.dtype(), dims);
  if (y.size() == 0) return y;
  const auto copy = [&](auto example) {
    using T = decltype(example);
    const auto* from = static_cast<const T*>(x.raw()) + offset;
    auto* to = static_cast<T*>(y.raw());
    if (dims.empty())
      *to = *from;
    else
      copy_strided(from, to, dims, strides, 0);
  };
  switch (size_of(x.dtype())) {
    case 1:
      copy(uint8_t{});
      break;
    case 2:
      copy(uint16_t{});
      break;
    case 4:
      copy(uint32_t{});
      break;
    default:
      copy(uint64_t{});
  }
  return y;
}

Dims row_major(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

Tensor sliced(const Tensor& x, const Dims& starts, const Dims& sizes, const std::vector<int64_t>& steps) {
  Dims strides = row_major(x.dims());
  int64_t offset = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    offset += starts[i] * strides[i];
    strides[i] *= steps[i];
  }
  return strided(x, offset, sizes, strides);
}

Tensor concatenated(const std::vector<Tensor>& parts, size_t axis, const Dims& dims) {
  Tensor y(parts[0].dtype(), dims);
  int64_t outer = 1;
  for (size_t i = 0; i < axis; ++i) outer *= dims[i];
  auto* to = static_cast<std::byte*>(y.raw());
  for (int64_t o = 0; o < outer; ++o)
    for (const Tensor& part : parts) {
      const size_t bytes = part.bytes() / static_cast<size_t>(outer);
      if (bytes == 0) continue;
      std::memcpy(to, static_cast<const std::byte*>(part.raw()) + static_cast<size_t>(o) * bytes, bytes);
      to += bytes;
    }
  return y;
}

// Operators that only move elements are computed here, in any type; the others by the CPU.
bool moves_elements(const Node& node) {
  const OpDef* op = node.op;
  return op->kind == OpKind::kSource || op == &op_reshape || op == &op_transpose || op == &op_slice || op == &op_concat ||
         op == &op_stop_gradient || (op == &op_composite && node.types.size() == 1);
}

Tensor move_elements(const Node& node, const std::vector<Tensor>& in) {
  const OpDef* op = node.op;
  const Dims dims = known_dims(node.types[0].shape);
  if (op == &op_reshape || op == &op_stop_gradient) return in[0].reshaped(dims);
  if (op == &op_composite) return in[0];
  if (op == &op_transpose) return transposed(in[0], node.attrs.integers("perm"));
  if (op == &op_slice)
    return sliced(in[0], known_dims(node.attrs.shape("starts")), known_dims(node.attrs.shape("sizes")), node.attrs.integers("steps"));
  return concatenated(in, static_cast<size_t>(node.attrs.integer("axis")), dims);
}

// Numbers of 8 bits on their way back to floats: folded they would take four times the room.
bool restores_quantized(const Node& node, const Graph& graph) {
  if (node.op != &op_mul) return false;
  Value v = node.inputs[0];
  if (graph.node(v).op == &op_sub) v = graph.node(v).inputs[0];
  if (graph.node(v).op != &op_cast) return false;
  const DType type = graph.type(graph.node(v).inputs[0]).dtype;
  return type == DType::kInt8 || type == DType::kUInt8;
}

}  // namespace

Tensor transposed(const Tensor& x, const std::vector<int64_t>& perm) {
  const Dims from = row_major(x.dims());
  Dims dims, strides;
  for (int64_t axis : perm) {
    dims.push_back(x.dims()[static_cast<size_t>(axis)]);
    strides.push_back(from[static_cast<size_t>(axis)]);
  }
  return strided(x, 0, dims, strides);
}

Constants::Constants(const Program& program, const std::map<std::string, Tensor>& weights) : program_(program), weights_(weights) {
  const Graph& graph = program.graph;
  static_.assign(graph.size(), 0);
  // The weights of recurrent layers are rearranged, so they are folded whatever they come from.
  std::set<uint32_t> folded;
  for (uint32_t n = 0; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    if (node.op != &op_lstm && node.op != &op_gru) continue;
    for (size_t i = 1; i < std::min<size_t>(node.inputs.size(), 4); ++i)
      for (uint32_t source : nodes_of(node.inputs[i])) folded.insert(source);
  }
  for (uint32_t n = 0; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    if (node.op == &op_parameter || node.op == &op_constant) {
      static_[n] = 1;
      continue;
    }
    if (node.op == &op_input || node.op->kind == OpKind::kRandom || !shapes_known(node) || !attrs_known(node) ||
        restores_quantized(node, graph))
      continue;
    static_[n] = std::all_of(node.inputs.begin(), node.inputs.end(), [&](Value v) { return static_[v.node] != 0; }) && !grows(node, graph);
  }
}

std::vector<uint32_t> Constants::nodes_of(Value value) const {
  std::set<uint32_t> found;
  std::vector<uint32_t> open = {value.node};
  while (!open.empty()) {
    const uint32_t n = open.back();
    open.pop_back();
    if (!found.insert(n).second) continue;
    const Node& node = program_.graph.node(n);
    const size_t count = node.op == &op_composite ? node.types.size() : node.inputs.size();
    for (size_t i = 0; i < count; ++i) open.push_back(node.inputs[i].node);
  }
  return {found.begin(), found.end()};
}

std::string Constants::parameter_of(Value value) const {
  for (uint32_t n : nodes_of(value))
    if (program_.graph.node(n).op == &op_parameter) return program_.graph.node(n).attrs.text("name");
  return "";
}

Tensor Constants::evaluate(Value value) const {
  const std::vector<uint32_t> nodes = nodes_of(value);
  const Graph& graph = program_.graph;
  if (!std::all_of(nodes.begin(), nodes.end(), [&](uint32_t n) { return moves_elements(graph.node(n)); })) return run(value, nodes);
  std::map<uint32_t, Tensor> values;
  for (uint32_t n : nodes) {
    const Node& node = graph.node(n);
    if (node.op == &op_parameter) {
      values[n] = weights_.at(node.attrs.text("name")).cast(node.types[0].dtype);
    } else if (node.op == &op_constant) {
      values[n] = node.attrs.tensor("value");
    } else {
      std::vector<Tensor> in;
      for (Value v : node.inputs)
        if (node.op != &op_composite || in.empty()) in.push_back(values.at(v.node));
      values[n] = move_elements(node, in);
    }
  }
  return values.at(value.node);
}

// By the executor, as a program of its own.
Tensor Constants::run(Value value, const std::vector<uint32_t>& nodes) const {
  const Graph& graph = program_.graph;
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  Session session(*backend, {.run_once = true});
  Program part;
  std::map<Value, Value> moved;
  for (uint32_t n : nodes) {
    const Node& node = graph.node(n);
    if (node.op == &op_composite) {
      for (uint32_t o = 0; o < node.types.size(); ++o) moved[{n, o}] = moved.at(node.inputs[o]);
      continue;
    }
    std::vector<Value> operands;
    for (Value v : node.inputs) operands.push_back(moved.at(v));
    const Value first = part.graph.add(*node.op, operands, node.attrs);
    for (uint32_t o = 0; o < node.types.size(); ++o) moved[{n, o}] = {first.node, o};
    if (node.op != &op_parameter) continue;
    const std::string& name = node.attrs.text("name");
    part.parameters.push_back({name, first, false, {}});
    session.parameters().lend(name, weights_.at(name).cast(node.types[0].dtype));
  }
  part.outputs = {{"value", moved.at(value)}};
  return session.run(session.add(part), {}).output(0);
}

}  // namespace dl
