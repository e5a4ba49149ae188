// LSTM and GRU: one node per layer, or per pair of directions whose results are put side by side. ONNX counts time first, keeps the
// sequence of a reversed layer in the order of its input, and has the gates of an LSTM in the order i o f c.
#include <cstring>
#include <limits>
#include <vector>

#include "io/onnx/export_masked.h"
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

// A bias that is the sum of the two that an ONNX file has.
struct Halves {
  Value input, recurrent;
};
std::optional<Halves> halves_of(const Emitter& e, Value bias) {
  Value v = bias;
  while (e.is(v, op_concat) || e.is(v, op_slice) || e.is(v, op_reshape)) v = e.node(v).inputs[0];
  if (!e.is(v, op_add) || e.shape(v) != e.shape(bias)) return std::nullopt;
  const Halves halves{e.node(v).inputs[0], e.node(v).inputs[1]};
  const bool fit = e.shape(halves.input) == e.shape(bias) && e.shape(halves.recurrent) == e.shape(bias);
  return fit && e.shape(bias).size() == 1 ? std::optional(halves) : std::nullopt;
}

Tensor side_by_side(const Tensor& a, const Tensor& b) {
  Tensor row(a.dtype(), {a.size() + b.size()});
  auto* to = static_cast<std::byte*>(row.raw());
  if (a.bytes() > 0) std::memcpy(to, a.raw(), a.bytes());
  if (b.bytes() > 0) std::memcpy(to + a.bytes(), b.raw(), b.bytes());
  return row;
}

// The bias of the input and, behind it, that of the recurrence: zeros where there is one bias.
Tensor bias_row(const Constants& constants, Value bias, const std::optional<Halves>& halves, bool lstm) {
  const Tensor b = constants.evaluate(bias);
  if (b.rank() == 2) return b.reshaped({b.size()});
  const Tensor first = reorder_gates(b, lstm, lstm ? 4 : 3);
  if (halves) {  // as they were, where they come to this sum in the order of ONNX
    const Tensor x = constants.evaluate(halves->input), y = constants.evaluate(halves->recurrent);
    bool same = true;
    for (int64_t i = 0; i < b.size(); ++i)
      same = same && static_cast<float>(x.at(i)) + static_cast<float>(y.at(i)) == static_cast<float>(first.at(i));
    if (same) return side_by_side(x, y);
  }
  return side_by_side(first, Tensor(b.dtype(), {b.size()}));
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
  std::vector<std::optional<Halves>> halves;
  for (const Layer& layer : layers) {
    values.push_back(*layer.bias);
    halves.push_back(halves_of(e, *layer.bias));
  }
  const Dims dims = {static_cast<int64_t>(layers.size()), 2 * width};
  return e.weight(values[0], "bias " + std::to_string(values.back().node), e.type(values[0]).dtype, dims,
                  [&constants, values, halves, lstm = layers[0].lstm] {
                    std::vector<Tensor> parts;
                    for (size_t i = 0; i < values.size(); ++i) parts.push_back(bias_row(constants, values[i], halves[i], lstm));
                    return stack(parts);
                  });
}

// [directions, batch, units] of which these are the rows.
std::optional<Value> whole_state(const Emitter& e, const std::vector<Layer>& layers, size_t k) {
  std::optional<Value> whole;
  for (size_t d = 0; d < layers.size(); ++d) {
    Value v = layers[d].state[k];
    if (!e.is(v, op_reshape)) return std::nullopt;
    v = e.node(v).inputs[0];
    if (e.is(v, op_slice)) {
      const Shape& starts = e.node(v).attrs.shape("starts");
      if (starts[0] != Dim(static_cast<int64_t>(d))) return std::nullopt;
      v = e.node(v).inputs[0];
    }
    if (whole && *whole != v) return std::nullopt;
    whole = v;
  }
  const Shape &state = e.shape(layers[0].state[k]), wanted = {Dim(static_cast<int64_t>(layers.size())), state[0], state[1]};
  return whole && e.shape(*whole) == wanted ? whole : std::nullopt;
}

// Initial state k of all directions, "" for zeros.
std::string initial_state(Emitter& e, const std::vector<Layer>& layers, size_t k) {
  bool zero = true;
  for (const Layer& layer : layers) zero = zero && e.number(layer.state[k]) == 0;
  if (zero) return "";
  if (const auto whole = whole_state(e, layers, k)) return e.use(*whole);
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

// Y, Y_h (and Y_c); `kept`: of a masked layer, else null.
Names emit_node(Emitter& e, const std::vector<Layer>& layers, const KeptSteps* kept) {
  const Layer& first = layers[0];
  const int64_t units = e.shape(first.recurrent)[0].value(), width = first.gates() * units, in = e.shape(first.kernel)[0].value();
  NodeAttrs attrs = {{"hidden_size", units}};
  if (layers.size() == 2)
    attrs.emplace_back("direction", std::string("bidirectional"));
  else if (first.reversed())
    attrs.emplace_back("direction", std::string("reverse"));
  add_activations(layers, attrs);
  if (!first.lstm && first.node.attrs.flag("reset_after")) attrs.emplace_back("linear_before_reset", int64_t{1});
  const std::string x =
      kept && !kept->x.empty() ? e.op("Transpose", {kept->x}, {{"perm", Ints{1, 0, 2}}}) : e.use_permuted(first.x, {1, 0, 2});
  Names operands = {x, stacked(e, layers, &Layer::kernel, {width, in}, kernel_rows),
                    stacked(e, layers, &Layer::recurrent, {width, units}, kernel_rows), biases(e, layers, width),
                    kept ? kept->lengths : ""};
  for (size_t k = 0; k < first.state.size(); ++k) operands.push_back(initial_state(e, layers, k));
  return e.ops(first.lstm ? "LSTM" : "GRU", std::move(operands), std::move(attrs), first.lstm ? 3 : 2);
}

std::string backwards(Emitter& e, const std::string& sequence) {
  return e.op("Slice", {sequence, e.ints({-1}, "starts"), e.ints({std::numeric_limits<int64_t>::min() + 1}, "ends"), e.ints({1}, "axes"),
                        e.ints({-1}, "steps")});
}

std::optional<KeptSteps> kept_steps(Emitter& e, const Layer& layer) {
  return layer.mask ? std::optional(keep_steps(e, layer.x, *layer.mask)) : std::nullopt;
}

// ---- results as ONNX has them, which an imported file reads: values that stand for them are results of the node itself

// Forms of a layer's results besides its outputs: [time, batch, units]; Y; Y_h and Y_c; the same of both directions, with the layer that
// comes first in the graph.
constexpr uint32_t kTimeMajor = 1001, kWhole = 1002, kWholeState = 1003, kBoth = 1010, kBothStates = 1011;

// The layer whose sequence in the order of the input this is, with zeros behind the end.
std::optional<uint32_t> sequence_layer(const Emitter& e, Value v) {
  std::optional<Value> mask;
  if (e.is(v, op_select)) {
    const Value condition = e.node(v).inputs[0];
    if (!e.is(condition, op_reshape)) return std::nullopt;
    mask = e.node(condition).inputs[0];
    const auto inner = zeroed_by(e, v, *mask);
    if (!inner || e.shape(*mask).size() != 2 || !is_prefix_mask(e, *mask)) return std::nullopt;
    v = *inner;
  }
  const auto turned = reversed_in_time(e, v);
  if (turned) v = *turned;
  if (!is_recurrent(e.node(v)) || v.index != 0) return std::nullopt;
  const Layer layer = layer_of(e.node(v), v.node);
  return layer.reversed() == turned.has_value() && layer.mask == mask ? std::optional(v.node) : std::nullopt;
}

std::optional<uint32_t> time_major_layer(const Emitter& e, Value v) {
  const bool swaps = e.is(v, op_transpose) && e.node(v).attrs.integers("perm") == Ints{1, 0, 2};
  return swaps ? sequence_layer(e, e.node(v).inputs[0]) : std::nullopt;
}

std::optional<uint32_t> whole_layer(const Emitter& e, Value v) {
  if (!e.is(v, op_reshape)) return std::nullopt;
  const Value x = e.node(v).inputs[0];
  const Shape& from = e.shape(x);
  if (from.size() != 3 || e.shape(v) != Shape{from[0], Dim(1), from[1], from[2]}) return std::nullopt;
  return time_major_layer(e, x);
}

// The layer whose last state this is as [1, batch, units]; the state's number is that of the output.
std::optional<Value> state_layer(const Emitter& e, Value v) {
  if (!e.is(v, op_reshape)) return std::nullopt;
  const Value x = e.node(v).inputs[0];
  if (!is_recurrent(e.node(x)) || x.index == 0 || x.index > 2) return std::nullopt;
  const Layer layer = layer_of(e.node(x), x.node);
  if (layer.mask && e.number(layer.state[x.index - 1]) != 0) return std::nullopt;
  const Shape& from = e.shape(x);
  return e.shape(v) == Shape{Dim(1), from[0], from[1]} ? std::optional(x) : std::nullopt;
}

bool same_form(const Layer& a, const Layer& b) {
  Attrs attrs = b.node.attrs;
  attrs.set("reversed", int64_t{0});
  return a.node.op == b.node.op && a.x == b.x && a.mask == b.mask && a.node.attrs == attrs && b.reversed() && a.index != b.index;
}

// The other direction of a layer: the first one behind it with which it makes a node of both. Forwards first.
std::optional<std::vector<Layer>> both_directions(const Emitter& e, uint32_t first) {
  const Layer one = layer_of(e.graph().node(first), first);
  for (uint32_t n = first + 1; n < e.graph().size(); ++n) {
    if (!is_recurrent(e.graph().node(n))) continue;
    const Layer other = layer_of(e.graph().node(n), n);
    if (e.shape(one.recurrent) != e.shape(other.recurrent)) continue;
    if (same_form(one, other)) return std::vector<Layer>{one, other};
    if (same_form(other, one)) return std::vector<Layer>{other, one};
  }
  return std::nullopt;
}

// The first of two layers that are the directions of one node, in this order; `form` of it is then the value asked for.
std::optional<Value> joint_value(const Emitter& e, uint32_t forward, uint32_t backward, uint32_t form) {
  const uint32_t first = std::min(forward, backward);
  const auto layers = both_directions(e, first);
  const bool same = layers && (*layers)[0].index == forward && (*layers)[1].index == backward;
  return same ? std::optional(Value{first, form}) : std::nullopt;
}

std::optional<Value> joint_form(const Emitter& e, const Node& concat) {
  if (concat.inputs.size() != 2) return std::nullopt;
  const int64_t axis = concat.attrs.integer("axis");
  if (axis == 1) {
    const auto a = whole_layer(e, concat.inputs[0]), b = whole_layer(e, concat.inputs[1]);
    return a && b ? joint_value(e, *a, *b, kBoth) : std::nullopt;
  }
  const auto a = state_layer(e, concat.inputs[0]), b = state_layer(e, concat.inputs[1]);
  return axis == 0 && a && b && a->index == b->index ? joint_value(e, a->node, b->node, kBothStates + a->index - 1) : std::nullopt;
}

// A value of an imported file as a form of its layer, nullopt for something else.
std::optional<Value> recurrent_form(const Emitter& e, Value v) {
  if (e.is(v, op_concat)) return joint_form(e, e.node(v));
  if (const auto layer = time_major_layer(e, v)) return Value{*layer, kTimeMajor};
  if (const auto layer = whole_layer(e, v)) return Value{*layer, kWhole};
  if (const auto state = state_layer(e, v)) return Value{state->node, kWholeState + state->index - 1};
  return std::nullopt;
}

bool asked(const Emitter& e, uint32_t node, uint32_t form, uint32_t count) {
  for (uint32_t k = 0; k < count; ++k)
    if (e.needed({node, form + k})) return true;
  return false;
}

void emit_both(Emitter& e, uint32_t first) {
  const std::vector<Layer> layers = *both_directions(e, first);
  const auto kept = kept_steps(e, layers[0]);
  const Names out = emit_node(e, layers, kept ? &*kept : nullptr);
  e.result({first, kBoth}, out[0]);
  for (uint32_t k = 1; k < out.size(); ++k) e.result({first, kBothStates + k - 1}, out[k]);
}

// Y of one direction as [batch, time, units].
std::string natural_sequence(Emitter& e, const std::string& y) {
  return e.op("Squeeze", {e.op("Transpose", {y}, {{"perm", Ints{2, 0, 1, 3}}}), e.ints({2}, "axes")});
}

void emit_layer(Emitter& e, const Node& node, Value self) {
  const Layer layer = layer_of(node, self.node);
  if (asked(e, self.node, kBoth, 3)) emit_both(e, self.node);
  if (!asked(e, self.node, 0, static_cast<uint32_t>(node.types.size())) && !asked(e, self.node, kNaturalSequence, 5)) return;
  const auto kept = kept_steps(e, layer);
  const Names out = emit_node(e, {layer}, kept ? &*kept : nullptr);
  const auto value = [&](uint32_t index) { return Value{self.node, index}; };
  const auto initial = [&](size_t k) { return e.number(layer.state[k]) == 0 ? "" : e.use(layer.state[k]); };
  if (e.needed(value(0)) || e.needed(value(kNaturalSequence))) {
    std::string sequence = natural_sequence(e, out[0]);
    if (kept) sequence = spread_steps(e, *kept, sequence, node.types[0], layer.reversed(), initial(0));
    e.result(value(kNaturalSequence), sequence);
    if (e.needed(value(0))) e.result(value(0), layer.reversed() ? backwards(e, sequence) : sequence);
  }
  e.result(value(kWhole), out[0]);
  if (e.needed(value(kTimeMajor))) e.result(value(kTimeMajor), e.op("Squeeze", {out[0], e.ints({1}, "axes")}));
  const uint32_t states = layer.lstm ? 2 : 1;
  for (uint32_t k = 1; k <= states; ++k) e.result(value(kWholeState + k - 1), out[k]);
  for (uint32_t k = 1; k <= states; ++k)
    if (e.needed(value(k))) {
      const std::string state = e.op("Squeeze", {out[k], e.ints({0}, "axes")});
      e.result(value(k), kept ? last_state(e, *kept, state, initial(k - 1)) : state);
    }
  for (uint32_t k = states + 1; k < node.types.size(); ++k)
    if (e.needed(value(k))) e.fail("the values kept for training are no outputs in ONNX");
}

const std::vector<Row> kRecurrentRows = {{&op_lstm, emit_layer, refuse}, {&op_gru, emit_layer, refuse}};

// The mask of the recurrent node whose sequence this is, with zeros at the masked steps.
std::optional<Value> mask_behind(const Emitter& e, Value v) {
  if (!e.is(v, op_select)) return std::nullopt;
  const Value sequence = e.node(v).inputs[1];
  return is_recurrent(e.node(sequence)) ? layer_of(e.node(sequence), sequence.node).mask : std::nullopt;
}

// The value as an output of a recurrent node that nothing else reads.
std::optional<Value> only_reader(const Emitter& e, Value v, uint32_t index) {
  return v.index == index && is_recurrent(e.node(v)) && e.users(v) == 1 ? std::optional(v) : std::nullopt;
}

}  // namespace

bool emit_recurrent_form(Emitter& e, Value self) {
  const auto form = recurrent_form(e, self);
  if (form) e.result(self, e.use(*form));
  return form.has_value();
}

bool emit_natural_sequence(Emitter& e, const Node& slice, Value self) {
  const Value x = slice.inputs[0];
  if (x.index != 0 || !is_recurrent(e.node(x)) || !e.node(x).attrs.flag("reversed") || !reversed_in_time(e, self)) return false;
  e.result(self, e.use({x.node, kNaturalSequence}));
  return true;
}

bool emit_bidirectional(Emitter& e, const Node& concat, Value self) {
  if (concat.inputs.size() != 2 || static_cast<size_t>(concat.attrs.integer("axis")) + 1 != e.shape(self).size()) return false;
  Value first = concat.inputs[0], second = concat.inputs[1];
  const bool sequences = e.shape(self).size() == 3;
  std::optional<Value> mask;
  if (sequences) {
    const auto turned = e.users(second) == 1 ? reversed_in_time(e, second) : std::nullopt;
    if (!turned) return false;
    second = *turned;
    mask = mask_behind(e, first);
    if (mask) {
      const auto a = e.users(first) == 1 ? zeroed_by(e, first, *mask) : std::nullopt;
      const auto b = e.users(second) == 1 ? zeroed_by(e, second, *mask) : std::nullopt;
      if (!a || !b) return false;
      first = *a, second = *b;
    }
  }
  const uint32_t index = sequences ? 0 : 1;
  const auto a = only_reader(e, first, index), b = only_reader(e, second, index);
  if (!a || !b) return false;
  const Layer forward = layer_of(e.node(*a), a->node), backward = layer_of(e.node(*b), b->node);
  if (!same_form(forward, backward) || e.shape(forward.recurrent) != e.shape(backward.recurrent)) return false;
  if (sequences && forward.mask != mask) return false;
  // A sequence that has no step keeps its initial state, which ONNX does not say.
  if (!sequences && forward.mask && (e.number(forward.state[0]) != 0 || e.number(backward.state[0]) != 0)) return false;
  for (const Layer* layer : {&forward, &backward})
    if (!refuse({layer->node, e.graph(), e.constants(), e.opset()}).empty()) return false;
  const auto kept = kept_steps(e, forward);
  const Names out = emit_node(e, {forward, backward}, kept ? &*kept : nullptr);
  const int64_t width = 2 * e.shape(forward.recurrent)[0].value();
  if (!sequences) {
    e.result(self, e.op("Flatten", {e.op("Transpose", {out[1]}, {{"perm", Ints{1, 0, 2}}})}, {{"axis", int64_t{1}}}));
    return true;
  }
  const std::string both = e.op("Reshape", {e.op("Transpose", {out[0]}, {{"perm", Ints{2, 0, 1, 3}}}), e.ints({0, 0, width}, "shape")});
  e.result(self, kept ? spread_with_zeros(e, *kept, both, e.type(self)) : both);
  return true;
}

std::span<const Row> recurrent_rows() { return kRecurrentRows; }

}  // namespace dl::onnx_export
