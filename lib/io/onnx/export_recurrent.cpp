// LSTM and GRU: one node per layer, or per pair of directions whose results are put side by side. ONNX counts time first, keeps the
// sequence of a reversed layer in the order of its input, and has the gates of an LSTM in the order i o f c.
#include <cstring>
#include <limits>
#include <vector>

#include "io/onnx/export_rows.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

struct ActivationRow {
  std::string_view name;
  const char* onnx;
  std::vector<float> alpha = {}, beta = {};
};
// Only these exist in ONNX; the lists hold what each takes.
const std::vector<ActivationRow> kActivations = {
    {"tanh", "Tanh"},
    {"sigmoid", "Sigmoid"},
    {"relu", "Relu"},
    {"linear", "Affine", {1}, {0}},
    {"hard_sigmoid", "HardSigmoid", {1.0F / 6}, {0.5F}},
    {"hard_sigmoid_v2", "HardSigmoid", {0.2F}, {0.5F}},
    {"elu", "Elu", {1}},
    {"leaky_relu", "LeakyRelu", {0.2F}},
    {"softsign", "Softsign"},
    {"softplus", "Softplus"},
};
const ActivationRow* find_activation(const std::string& name) {
  for (const ActivationRow& row : kActivations)
    if (row.name == name) return &row;
  return nullptr;
}

// The operands of an lstm or gru node.
struct Layer {
  const Node& node;
  uint32_t index;
  bool lstm;
  Value x, kernel, recurrent;
  std::optional<Value> bias, mask;
  std::vector<Value> state;  // initial h (and c)

  bool reversed() const { return node.attrs.flag("reversed"); }
  int64_t gates() const { return lstm ? 4 : 3; }
};

bool is_recurrent(const Node& node) { return node.op == &op_lstm || node.op == &op_gru; }

Layer layer_of(const Node& node, uint32_t index) {
  Layer layer{node, index, node.op == &op_lstm, node.inputs[0], node.inputs[1], node.inputs[2], {}, {}, {}};
  size_t next = 3;
  if (node.attrs.flag("bias")) layer.bias = node.inputs[next++];
  layer.state.push_back(node.inputs[next++]);
  if (layer.lstm) layer.state.push_back(node.inputs[next++]);
  if (node.attrs.flag("mask")) layer.mask = node.inputs[next++];
  return layer;
}

std::string refuse(const RefuseCall& call) {
  const Layer layer = layer_of(call.node, 0);
  if (layer.mask) return "a mask has an exact form in ONNX only where the number of time steps is known; give it in the input's shape";
  for (const char* key : {"activation", "recurrent_activation"})
    if (const std::string& name = call.node.attrs.text(key); !find_activation(name))
      return "ONNX has no " + name +
             " as activation of a recurrent layer, and time steps can be written out only where their number is "
             "known; give it in the input's shape";
  for (const std::optional<Value>& weight : {std::optional(layer.kernel), std::optional(layer.recurrent), layer.bias})
    if (weight && !call.constants.is_static(*weight)) return "the weights of a recurrent layer must be constant";
  return "";
}

// ---- weights

// Blocks of rows in ONNX's order of gates.
Tensor reorder_gates(const Tensor& x, bool lstm, int64_t blocks) {
  static constexpr int64_t kLstm[] = {0, 3, 1, 2};
  Tensor y(x.dtype(), x.dims());
  const size_t bytes = x.bytes() / static_cast<size_t>(blocks);
  const auto* from = static_cast<const std::byte*>(x.raw());
  auto* to = static_cast<std::byte*>(y.raw());
  for (int64_t b = 0; b < blocks && bytes > 0; ++b)
    std::memcpy(to + static_cast<size_t>(b) * bytes, from + static_cast<size_t>(lstm ? kLstm[b] : b) * bytes, bytes);
  return y;
}

Tensor stack(const std::vector<Tensor>& parts) {
  Dims dims = parts[0].dims();
  dims.insert(dims.begin(), static_cast<int64_t>(parts.size()));
  Tensor y(parts[0].dtype(), dims);
  auto* to = static_cast<std::byte*>(y.raw());
  for (const Tensor& part : parts) {
    if (part.bytes() > 0) std::memcpy(to, part.raw(), part.bytes());
    to += part.bytes();
  }
  return y;
}

// [in, gates units] -> [gates units, in]
Tensor kernel_rows(const Constants& constants, Value kernel, bool lstm) {
  return reorder_gates(transposed(constants.evaluate(kernel), {1, 0}), lstm, lstm ? 4 : 3);
}

// The bias of the input and, behind it, that of the recurrence: zeros where there is one bias.
Tensor bias_row(const Constants& constants, Value bias, bool lstm) {
  const Tensor b = constants.evaluate(bias);
  if (b.rank() == 2) return b.reshaped({b.size()});
  Tensor row(b.dtype(), {2 * b.size()});
  const Tensor first = reorder_gates(b, lstm, lstm ? 4 : 3);
  if (first.bytes() > 0) std::memcpy(row.raw(), first.raw(), first.bytes());
  return row;
}

// One weight of all directions, [directions, ...].
template <class F>
std::string stacked(Emitter& e, const std::vector<Layer>& layers, Value Layer::*member, Dims dims, const F& make) {
  dims.insert(dims.begin(), static_cast<int64_t>(layers.size()));
  std::vector<Value> values;
  std::string key = "recurrent";
  for (const Layer& layer : layers) {
    values.push_back(layer.*member);
    key += " " + std::to_string(values.back().node);
  }
  const Constants& constants = e.constants();
  return e.weight(values[0], key, e.type(values[0]).dtype, std::move(dims), [&constants, values, make, lstm = layers[0].lstm] {
    std::vector<Tensor> parts;
    for (Value v : values) parts.push_back(make(constants, v, lstm));
    return stack(parts);
  });
}

std::string biases(Emitter& e, const std::vector<Layer>& layers, int64_t width) {
  if (!layers[0].bias) return "";
  const Constants& constants = e.constants();
  std::vector<Value> values;
  for (const Layer& layer : layers) values.push_back(*layer.bias);
  const Dims dims = {static_cast<int64_t>(layers.size()), 2 * width};
  return e.weight(values[0], "bias " + std::to_string(values.back().node), e.type(values[0]).dtype, dims,
                  [&constants, values, lstm = layers[0].lstm] {
                    std::vector<Tensor> parts;
                    for (Value v : values) parts.push_back(bias_row(constants, v, lstm));
                    return stack(parts);
                  });
}

// Initial state k of all directions, "" for zeros.
std::string initial_state(Emitter& e, const std::vector<Layer>& layers, size_t k) {
  bool zero = true;
  for (const Layer& layer : layers) zero = zero && e.number(layer.state[k]) == 0;
  if (zero) return "";
  Names parts;
  for (const Layer& layer : layers) parts.push_back(e.op("Unsqueeze", {e.use(layer.state[k]), e.ints({0}, "axes")}));
  return parts.size() == 1 ? parts[0] : e.op("Concat", parts, {{"axis", int64_t{0}}});
}

// ---- the node

void add_activations(const std::vector<Layer>& layers, NodeAttrs& attrs) {
  Names names;
  std::vector<float> alpha, beta;
  const auto add = [&](const Layer& layer, const char* key) {
    const ActivationRow& row = *find_activation(layer.node.attrs.text(key));
    names.emplace_back(row.onnx);
    alpha.insert(alpha.end(), row.alpha.begin(), row.alpha.end());
    beta.insert(beta.end(), row.beta.begin(), row.beta.end());
  };
  for (const Layer& layer : layers) {
    add(layer, "recurrent_activation");
    add(layer, "activation");
    if (layer.lstm) add(layer, "activation");
  }
  attrs.emplace_back("activations", names);
  if (!alpha.empty()) attrs.emplace_back("activation_alpha", alpha);
  if (!beta.empty()) attrs.emplace_back("activation_beta", beta);
}

// Y, Y_h (and Y_c).
Names emit_node(Emitter& e, const std::vector<Layer>& layers) {
  const Layer& first = layers[0];
  const int64_t units = e.shape(first.recurrent)[0].value(), width = first.gates() * units, in = e.shape(first.kernel)[0].value();
  NodeAttrs attrs = {{"hidden_size", units}};
  if (layers.size() == 2)
    attrs.emplace_back("direction", std::string("bidirectional"));
  else if (first.reversed())
    attrs.emplace_back("direction", std::string("reverse"));
  add_activations(layers, attrs);
  if (!first.lstm && first.node.attrs.flag("reset_after")) attrs.emplace_back("linear_before_reset", int64_t{1});
  Names operands = {e.use_permuted(first.x, {1, 0, 2}), stacked(e, layers, &Layer::kernel, {width, in}, kernel_rows),
                    stacked(e, layers, &Layer::recurrent, {width, units}, kernel_rows), biases(e, layers, width), ""};
  for (size_t k = 0; k < first.state.size(); ++k) operands.push_back(initial_state(e, layers, k));
  return e.ops(first.lstm ? "LSTM" : "GRU", std::move(operands), std::move(attrs), first.lstm ? 3 : 2);
}

std::string backwards(Emitter& e, const std::string& sequence) {
  return e.op("Slice", {sequence, e.ints({-1}, "starts"), e.ints({std::numeric_limits<int64_t>::min() + 1}, "ends"), e.ints({1}, "axes"),
                        e.ints({-1}, "steps")});
}

void emit_layer(Emitter& e, const Node& node, Value self) {
  const Layer layer = layer_of(node, self.node);
  const Names out = emit_node(e, {layer});
  const auto value = [&](uint32_t index) { return Value{self.node, index}; };
  if (e.needed(value(0)) || e.needed(value(kNaturalSequence))) {
    const std::string sequence = e.op("Squeeze", {e.op("Transpose", {out[0]}, {{"perm", Ints{2, 0, 1, 3}}}), e.ints({2}, "axes")});
    e.result(value(kNaturalSequence), sequence);
    if (e.needed(value(0))) e.result(value(0), layer.reversed() ? backwards(e, sequence) : sequence);
  }
  const uint32_t states = layer.lstm ? 2 : 1;
  for (uint32_t k = 1; k <= states; ++k)
    if (e.needed(value(k))) e.result(value(k), e.op("Squeeze", {out[k], e.ints({0}, "axes")}));
  for (uint32_t k = states + 1; k < node.types.size(); ++k)
    if (e.needed(value(k))) e.fail("the values kept for training are no outputs in ONNX");
}

const std::vector<Row> kRows = {{&op_lstm, emit_layer, refuse}, {&op_gru, emit_layer, refuse}};

// x[:, ::-1]: x, or nullopt.
std::optional<Value> reversed_in_time(const Emitter& e, const Node& slice) {
  const Value x = slice.inputs[0];
  const Shape& in = e.shape(x);
  if (in.size() != 3 || slice.attrs.shape("sizes") != in || slice.attrs.integers("steps") != Ints{1, -1, 1}) return std::nullopt;
  return slice.attrs.shape("starts") == Shape{Dim(0), in[1] - Dim(1), Dim(0)} ? std::optional(x) : std::nullopt;
}

bool same_form(const Layer& a, const Layer& b) {
  Attrs attrs = b.node.attrs;
  attrs.set("reversed", int64_t{0});
  return a.node.op == b.node.op && a.x == b.x && a.node.attrs == attrs && b.reversed() && a.index != b.index;
}

// The value as an output of a recurrent node that nothing else reads.
std::optional<Value> only_reader(const Emitter& e, Value v, uint32_t index) {
  return v.index == index && is_recurrent(e.node(v)) && e.users(v) == 1 ? std::optional(v) : std::nullopt;
}

}  // namespace

bool emit_natural_sequence(Emitter& e, const Node& slice, Value self) {
  const Value x = slice.inputs[0];
  if (x.index != 0 || !is_recurrent(e.node(x)) || !e.node(x).attrs.flag("reversed") || !reversed_in_time(e, slice)) return false;
  e.result(self, e.use({x.node, kNaturalSequence}));
  return true;
}

bool emit_bidirectional(Emitter& e, const Node& concat, Value self) {
  if (concat.inputs.size() != 2 || static_cast<size_t>(concat.attrs.integer("axis")) + 1 != e.shape(self).size()) return false;
  Value second = concat.inputs[1];
  const bool sequences = e.shape(self).size() == 3;
  if (sequences) {
    if (!e.is(second, op_slice) || e.users(second) != 1 || !reversed_in_time(e, e.node(second))) return false;
    second = e.node(second).inputs[0];
  }
  const uint32_t index = sequences ? 0 : 1;
  const auto a = only_reader(e, concat.inputs[0], index), b = only_reader(e, second, index);
  if (!a || !b) return false;
  const Layer forward = layer_of(e.node(*a), a->node), backward = layer_of(e.node(*b), b->node);
  if (!same_form(forward, backward) || e.shape(forward.recurrent) != e.shape(backward.recurrent)) return false;
  for (const Layer* layer : {&forward, &backward})
    if (!refuse({layer->node, e.graph(), e.constants(), e.opset()}).empty()) return false;
  const Names out = emit_node(e, {forward, backward});
  const int64_t width = 2 * e.shape(forward.recurrent)[0].value();
  if (sequences)
    e.result(self, e.op("Reshape", {e.op("Transpose", {out[0]}, {{"perm", Ints{2, 0, 1, 3}}}), e.ints({0, 0, width}, "shape")}));
  else
    e.result(self, e.op("Reshape", {e.op("Transpose", {out[1]}, {{"perm", Ints{1, 0, 2}}}), e.ints({0, width}, "shape")}));
  return true;
}

std::span<const Row> recurrent_rows() { return kRows; }

}  // namespace dl::onnx_export
