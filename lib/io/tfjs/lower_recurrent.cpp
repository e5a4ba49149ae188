// Recurrent layers. TF.js has SimpleRNN, LSTM, GRU without reset_after, and Bidirectional of one layer and its mirror image.
//
// GRU with reset_after becomes an LSTM whose activation is linear, so that every gate can be a factor. Each step x is given three times;
// the states are [h, q, s], and in each phase one of them changes while the others are kept (forget gate 1, input gate 0):
//   q = r * (h Rh + br)         (input gate r, forget gate 0)
//   s = sigmoid(2 (x Kh + b + q))  = (tanh + 1) / 2
//   h = h + (1 - z) * (2 s - 1 - h)
// A gate of +-kFar is exactly 0 or 1 in float32.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "io/tfjs/lowerings.h"

namespace dl::tfjs {
namespace {

using spec::Node;

constexpr float kFar = 1000;
constexpr double kHardSigmoid = 5.0 / 6.0;  // Keras 3's is Keras 2's of an input scaled so

bool is_cell_class(const std::string& name, const char* family) { return name == family || name == std::string(family) + "Cell"; }

// The recurrent layer to write for a layer or a cell.
struct Plan {
  const Call& c;
  std::string class_name;  // LSTM
  bool sequences, states, backwards;
  std::string activation, gate;
  int64_t units;
  bool bias;

  Plan(const Call& call, const Config& walk)
      : c(call),
        sequences(walk.flag("return_sequences")),
        states(walk.flag("return_state")),
        backwards(walk.flag("go_backwards")),
        activation(call.config().text("activation")),
        units(call.config().integer("units")),
        bias(call.config().flag("use_bias")) {
    const std::string given = call.layer.def->class_name;
    for (const char* family : {"LSTM", "GRU", "SimpleRNN"})
      if (is_cell_class(given, family)) class_name = family;
    if (class_name.empty()) throw UserError(fmt::format("has a cell of class {}, which cannot be written for TF.js", given));
    if (class_name != "SimpleRNN") gate = call.config().text("recurrent_activation");
  }
  bool resets_after() const { return class_name == "GRU" && c.config().flag("reset_after"); }
  size_t state_count() const { return class_name == "LSTM" ? 2 : 1; }
  // Blocks of `units` columns, and whether a block is a gate's.
  size_t blocks() const { return class_name == "LSTM" ? 4 : class_name == "GRU" ? 3 : 1; }
  bool is_gate(size_t block) const { return class_name == "LSTM" ? block != 2 : class_name == "GRU" && block < 2; }
};

// Columns of gates scaled, where the gates are Keras 3's hard_sigmoid.
OutWeight scaled_gates(const Plan& plan, std::string_view leaf) {
  OutWeight weight = plan.c.as_is(leaf);
  const bool all = plan.class_name == "SimpleRNN";
  if ((all ? plan.activation : plan.gate) != "hard_sigmoid") return weight;
  std::vector<bool> scaled;
  for (size_t b = 0; b < plan.blocks(); ++b) scaled.push_back(all || plan.is_gate(b));
  weight.make = [make = weight.make, scaled, units = plan.units] {
    Tensor t = make().clone();
    const auto width = static_cast<int64_t>(scaled.size()) * units;
    for (int64_t i = 0; i < t.size(); ++i)
      if (scaled[static_cast<size_t>(i % width / units)]) t.set(i, t.at(i) * kHardSigmoid);
    return t;
  };
  return weight;
}

std::string written_activation(const std::string& name, bool gate) {
  const std::string native = name == "hard_sigmoid" && gate ? "hard_sigmoid" : native_activation(name);
  if (native.empty()) throw UserError(fmt::format("its activation '{}' is not known to TF.js inside of recurrent layers", name));
  return native;
}

Node layer_config(const Plan& plan) {
  const bool simple = plan.class_name == "SimpleRNN";
  Node config = plan.c.keys({"units", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer", "unit_forget_bias",
                             "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer", "dropout",
                             "recurrent_dropout"});
  config.set("activation", Node::string(written_activation(plan.activation, simple)));
  if (!simple) config.set("recurrent_activation", Node::string(written_activation(plan.gate, true)));
  if (plan.class_name == "GRU") config.set("reset_after", Node::boolean(false));
  config.set("return_sequences", Node::boolean(plan.sequences));
  config.set("return_state", Node::boolean(plan.states));
  config.set("go_backwards", Node::boolean(plan.backwards));
  config.set("stateful", Node::boolean(false));
  config.set("unroll", Node::boolean(false));
  return config;
}

std::vector<OutWeight> layer_weights(const Plan& plan) {
  std::vector<OutWeight> weights = {scaled_gates(plan, "kernel"), scaled_gates(plan, "recurrent_kernel")};
  if (plan.bias) weights.push_back(scaled_gates(plan, "bias"));
  return weights;
}

std::vector<Shape> result_shapes(const Plan& plan, const Ref& x, Dim steps) {
  std::vector<Shape> shapes = {plan.sequences ? Shape{x.shape[0], steps, Dim(plan.units)} : Shape{x.shape[0], Dim(plan.units)}};
  if (plan.states) shapes.insert(shapes.end(), plan.state_count(), {x.shape[0], Dim(plan.units)});
  return shapes;
}

// ---- GRU with reset_after

enum Slot { kH, kQ, kS };                                        // of the states
enum Phase { kPhaseQ, kPhaseS, kPhaseH };                        // in the order they run
enum Gate { kInput, kForget, kCandidate, kOutput, kGates = 4 };  // of the LSTM

// Matrices of the LSTM, built column by column.
struct Phased {
  int64_t features, units;  // the features with that of the mask
  Tensor kernel, recurrent, bias;

  Phased(int64_t features_, int64_t units_)
      : features(features_),
        units(units_),
        kernel(DType::kFloat32, {features_ + 3, 12 * units_}),
        recurrent(DType::kFloat32, {3 * units_, 12 * units_}),
        bias(DType::kFloat32, {12 * units_}) {}

  int64_t column(Gate gate, Slot slot, int64_t unit) const { return (gate * 3 + slot) * units + unit; }
  float& from_input(int64_t feature, int64_t column) { return kernel.data<float>()[feature * 12 * units + column]; }
  float& from_phase(Phase phase, int64_t column) { return from_input(features + phase, column); }
  float& from_state(Slot slot, int64_t unit, int64_t column) {
    return recurrent.data<float>()[(slot * units + unit) * 12 * units + column];
  }
};

// Columns of gate `block` (z, r, h) of the GRU into a gate of the LSTM, times `factor`.
struct GruWeights {
  Tensor kernel, recurrent, bias;
  int64_t units;

  explicit GruWeights(const Plan& plan) : kernel(plan.c.weight("kernel")), recurrent(plan.c.weight("recurrent_kernel")), units(plan.units) {
    bias = plan.bias ? plan.c.weight("bias") : Tensor(DType::kFloat32, {2, 3 * plan.units});
  }
  float k(int64_t feature, int64_t block, int64_t unit) const { return kernel.data<float>()[(feature * 3 + block) * units + unit]; }
  float r(int64_t state, int64_t block, int64_t unit) const { return recurrent.data<float>()[(state * 3 + block) * units + unit]; }
  float b(int64_t side, int64_t block, int64_t unit) const { return bias.data<float>()[(side * 3 + block) * units + unit]; }
};

Phased phased_weights(const Plan& plan, bool masked) {
  constexpr int64_t kZ = 0, kR = 1, kNew = 2;
  const GruWeights gru(plan);
  const int64_t features = gru.kernel.dims()[0];
  Phased p(features + (masked ? 1 : 0), plan.units);
  const auto only_in = [&](Phase phase, int64_t column) {  // the gate is 0 in the other phases
    for (const Phase other : {kPhaseQ, kPhaseS, kPhaseH})
      if (other != phase) p.from_phase(other, column) = -kFar;
  };
  for (int64_t u = 0; u < plan.units; ++u) {
    for (const Slot slot : {kH, kQ, kS}) p.bias.data<float>()[p.column(kOutput, slot, u)] = kFar;
    // q = r * (h R + br), anew
    const int64_t qi = p.column(kInput, kQ, u), qc = p.column(kCandidate, kQ, u), qf = p.column(kForget, kQ, u);
    only_in(kPhaseQ, qi);
    p.from_phase(kPhaseQ, qf) = -kFar, p.from_phase(kPhaseS, qf) = kFar, p.from_phase(kPhaseH, qf) = kFar;
    p.bias.data<float>()[qi] = gru.b(0, kR, u) + gru.b(1, kR, u);
    p.bias.data<float>()[qc] = gru.b(1, kNew, u);
    // s = sigmoid(2 (x K + b + q)), anew
    const int64_t si = p.column(kInput, kS, u), sc = p.column(kCandidate, kS, u), sf = p.column(kForget, kS, u);
    only_in(kPhaseS, si);
    p.from_phase(kPhaseQ, sf) = kFar, p.from_phase(kPhaseS, sf) = -kFar, p.from_phase(kPhaseH, sf) = kFar;
    p.bias.data<float>()[si] = 2 * gru.b(0, kNew, u);
    p.bias.data<float>()[sc] = 1;
    p.from_state(kQ, u, si) = 2;
    // h + (1 - z) (2 s - 1 - h)
    const int64_t hi = p.column(kInput, kH, u), hc = p.column(kCandidate, kH, u), hf = p.column(kForget, kH, u);
    only_in(kPhaseH, hi);
    p.bias.data<float>()[hi] = -(gru.b(0, kZ, u) + gru.b(1, kZ, u));
    p.bias.data<float>()[hc] = -1;
    p.bias.data<float>()[hf] = kFar;
    p.from_state(kS, u, hc) = 2;
    p.from_state(kH, u, hc) = -1;
    if (masked) p.from_input(features, hi) = -kFar;  // hidden steps keep h
    for (int64_t f = 0; f < features; ++f) {
      p.from_input(f, qi) = gru.k(f, kR, u);
      p.from_input(f, si) = 2 * gru.k(f, kNew, u);
      p.from_input(f, hi) = -gru.k(f, kZ, u);
    }
    for (int64_t v = 0; v < plan.units; ++v) {
      p.from_state(kH, v, qi) = gru.r(v, kR, u);
      p.from_state(kH, v, qc) = gru.r(v, kNew, u);
      p.from_state(kH, v, hi) = -gru.r(v, kZ, u);
    }
  }
  return p;
}

// x three times, each time with a mark of the phase behind it.
Ref repeat_steps(const Plan& plan, const Ref& x) {
  const int64_t features = known(x.shape[2], "the number of features"), width = features + 3;
  Tensor matrix(DType::kFloat32, {features, 3 * width}), marks(DType::kFloat32, {3 * width});
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t phase = plan.backwards ? 2 - i : i;
    marks.data<float>()[i * width + features + phase] = 1;
    for (int64_t f = 0; f < features; ++f) matrix.data<float>()[f * 3 * width + i * width + f] = 1;
  }
  return plan.c.reshape(plan.c.map_last(x, matrix, marks), {x.shape[0], x.shape[1] * Dim(3), Dim(width)});
}

// Of `blocks` blocks of `units` in the last axis the one at `block`.
Ref pick(const Call& c, const Ref& x, int64_t units, int64_t block, int64_t blocks) {
  Tensor matrix(DType::kFloat32, {blocks * units, units});
  for (int64_t u = 0; u < units; ++u) matrix.data<float>()[(block * units + u) * units + u] = 1;
  return c.map_last(x, matrix);
}

std::vector<Ref> write_reset_after(const Plan& plan, const std::vector<Ref>& in) {
  if (plan.gate != "sigmoid" || plan.activation != "tanh")
    throw UserError("has reset_after, which TF.js does not know and which can be rewritten for activations tanh and sigmoid only");
  const Call& c = plan.c;
  const int64_t units = plan.units, wide = 3 * units;
  const MaskSource* mask = c.emitter.mask_source();
  const Ref x = repeat_steps(plan, mask ? c.concat({in[0], c.hidden_steps(*mask)}, 2) : in[0]);
  std::vector<Ref> inputs = {x};
  if (in.size() > 1) {  // [h, 0, 0] as both states: the output is the cell's state
    Tensor matrix(DType::kFloat32, {units, wide});
    for (int64_t u = 0; u < units; ++u) matrix.data<float>()[u * wide + u] = 1;
    const Ref start = c.map_last(in[1], matrix);
    inputs.insert(inputs.end(), {start, start});
  }
  const Node config = Node::map({{"units", Node::integer(wide)},
                                 {"activation", Node::string("linear")},
                                 {"recurrent_activation", Node::string("sigmoid")},
                                 {"use_bias", Node::boolean(true)},
                                 {"unit_forget_bias", Node::boolean(false)},
                                 {"return_sequences", Node::boolean(plan.sequences)},
                                 {"return_state", Node::boolean(plan.states)},
                                 {"go_backwards", Node::boolean(plan.backwards)},
                                 {"stateful", Node::boolean(false)},
                                 {"unroll", Node::boolean(false)}});
  const auto built = std::make_shared<Phased>(phased_weights(plan, mask != nullptr));
  const int64_t features = built->features;
  std::vector<OutWeight> made = {{"kernel", {features + 3, 4 * wide}, [built] { return built->kernel; }},
                                 {"recurrent_kernel", {wide, 4 * wide}, [built] { return built->recurrent; }},
                                 {"bias", {4 * wide}, [built] { return built->bias; }}};
  std::vector<Shape> shapes = {plan.sequences ? Shape{x.shape[0], x.shape[1], Dim(wide)} : Shape{x.shape[0], Dim(wide)}};
  if (plan.states) shapes.insert(shapes.end(), 2, {x.shape[0], Dim(wide)});
  const std::vector<Ref> y = c.emitter.apply("", "LSTM", config, std::move(made), inputs, shapes);
  // h as it stands after the last phase of each step.
  std::vector<Ref> outputs = {plan.sequences ? pick(c, c.reshape(y[0], {x.shape[0], in[0].shape[1], Dim(3 * wide)}), units, 6 + kH, 9)
                                             : pick(c, y[0], units, kH, 3)};
  if (plan.states) outputs.push_back(plan.sequences ? pick(c, y[1], units, kH, 3) : outputs[0]);
  return outputs;
}

// ---- all of them

std::vector<Ref> write_recurrent(const Plan& plan, const std::vector<Ref>& in) {
  if (in.size() > 1 && plan.c.emitter.wrapped() > 0)
    throw UserError("is given its state inside of TimeDistributed, where TF.js cannot have it");
  if (plan.resets_after()) return write_reset_after(plan, in);
  std::vector<Ref> outputs =
      plan.c.emitter.apply("", plan.class_name, layer_config(plan), layer_weights(plan), in, result_shapes(plan, in[0], in[0].shape[1]));
  // TF.js gives one and the same tensor as last output and first state, and frees it when the first of the two has been used.
  if (plan.states && !plan.sequences) outputs[1] = outputs[0];
  return outputs;
}

// A walk from the end that gives back what it is given.
Ref reverse(const Call& c, const Ref& x) {
  const int64_t units = known(x.shape[2], "the number of features");
  const Node config = Node::map({{"units", Node::integer(units)},
                                 {"activation", Node::string("linear")},
                                 {"use_bias", Node::boolean(false)},
                                 {"return_sequences", Node::boolean(true)},
                                 {"return_state", Node::boolean(false)},
                                 {"go_backwards", Node::boolean(true)},
                                 {"stateful", Node::boolean(false)},
                                 {"unroll", Node::boolean(false)},
                                 {"trainable", Node::boolean(false)}});
  return c.add("reverse", "SimpleRNN", config,
               {Call::fixed("kernel", identity_matrix(units)), Call::fixed("recurrent_kernel", Tensor(DType::kFloat32, {units, units}))}, x,
               x.shape);
}

}  // namespace

std::vector<Ref> lower_recurrent(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  if (c.config().flag("zero_output_for_mask") && in[0].mask.kind != MaskState::kNone && c.config().flag("return_sequences"))
    throw UserError("gives zeros for masked steps, which TF.js does not");
  std::vector<Ref> outputs = write_recurrent(Plan(c, c.config()), in);
  const MaskSource* mask = c.emitter.mask_source();
  if (mask && c.config().flag("zero_output_for_mask") && c.config().flag("return_sequences")) {
    const bool backwards = c.config().flag("go_backwards");
    outputs[0] = c.without_hidden(backwards ? reverse(c, outputs[0]) : outputs[0], *mask);
    if (backwards) outputs[0] = reverse(c, outputs[0]);
  }
  return outputs;
}

// A cell, or cells on top of each other, as the layers of the same names.
std::vector<Ref> lower_rnn(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  if (c.config().flag("zero_output_for_mask") && in[0].mask.kind != MaskState::kNone && c.config().flag("return_sequences"))
    throw UserError("gives zeros for masked steps, which TF.js does not");
  const Layer& cell = *c.layer.children.at("cell");
  if (cell.children.empty()) {
    const Call inner = c.inner(cell, "cell");
    return write_recurrent(Plan(inner, c.config()), in);
  }
  if (in.size() > 1) throw UserError("is given the states of several cells, which cannot be written for TF.js");
  std::vector<Ref> states;
  Ref x = in[0];
  std::map<std::string, int> seen;
  for (size_t i = 0; i < cell.children.size(); ++i) {
    const Layer& part = *cell.children.at(fmt::format("cells{}", i));
    const std::string name = snake_case(part.def->class_name);
    const int number = seen[name]++;
    const Call inner = c.inner(part, "cell/cells/" + (number ? fmt::format("{}_{}", name, number) : name));
    Config walk = c.config();
    const bool last = i + 1 == cell.children.size();
    walk.set("return_sequences", Node::boolean(!last || c.config().flag("return_sequences")));
    walk.set("go_backwards", Node::boolean(i == 0 && c.config().flag("go_backwards")));
    if (i > 0 && c.config().flag("go_backwards") && x.mask.kind != MaskState::kNone)
      throw UserError("walks a masked sequence from the end over several cells");
    if (!part.children.empty()) throw UserError("has stacks of cells within each other, which cannot be written for TF.js");
    const std::vector<Ref> results = write_recurrent(Plan(inner, walk), {x});
    x = results[0];
    states.insert(states.end(), results.begin() + 1, results.end());
  }
  std::vector<Ref> outputs = {x};
  outputs.insert(outputs.end(), states.begin(), states.end());
  DL_CHECK(outputs.size() == out.size(), "cells have other states");
  return outputs;
}

namespace {

// Equal but for name and direction.
bool mirrored(const Layer& forward, const Layer& backward) {
  Config other = backward.config;
  other.set("go_backwards", forward.config.node("go_backwards"));
  return forward.def == backward.def && forward.config.values() == other.values() && !forward.config.flag("go_backwards");
}

bool is_plain(const Layer& layer) {
  const std::string name = layer.def->class_name;
  return name == "LSTM" || name == "SimpleRNN" || (name == "GRU" && !layer.config.flag("reset_after"));
}

Ref join(const Call& c, const std::string& mode, const Ref& forward, const Ref& backward) {
  if (mode == "sum") return c.sum({forward, backward});
  if (mode == "mul") return c.product({forward, backward});
  if (mode == "ave") return c.add("average", "Average", Node::map({}), {}, {forward, backward}, forward.shape);
  return c.concat({forward, backward}, static_cast<int64_t>(forward.shape.size()) - 1);
}

std::vector<Ref> write_bidirectional(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const Call forward = c.inner(*c.layer.children.at("forward_layer"), "forward_layer");
  const Call backward = c.inner(*c.layer.children.at("backward_layer"), "backward_layer");
  const auto part = [&](const Call& side, const char* prefix) {
    const Plan plan(side, side.config());
    std::vector<OutWeight> weights = layer_weights(plan);
    for (OutWeight& weight : weights) weight.leaf = fmt::format("{}/{}", prefix, weight.leaf);
    return weights;
  };
  const std::string name = "rnn", mode = c.config().text("merge_mode");
  std::vector<OutWeight> weights = part(forward, "forward_rnn");
  for (OutWeight& weight : part(backward, "backward_rnn")) weights.push_back(std::move(weight));
  const Plan plan(forward, forward.config());
  Node inner = layer_config(plan);
  inner.set("name", Node::string(name));
  inner.set("trainable", Node::boolean(true));
  const Node config = Node::map({{"layer", Node::map({{"class_name", Node::string(plan.class_name)}, {"config", inner}})},
                                 {"merge_mode", mode == "none" ? Node() : Node::string(mode)}});
  return c.emitter.apply("", "Bidirectional", config, std::move(weights), in, out);
}

}  // namespace

std::vector<Ref> lower_bidirectional(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const Layer &forward = *c.layer.children.at("forward_layer"), &backward = *c.layer.children.at("backward_layer");
  const bool sequences = forward.config.flag("return_sequences");
  if (sequences && in[0].mask.kind != MaskState::kNone) throw UserError("gives zeros for masked steps, which TF.js does not");
  if (in.size() == 1 && is_plain(forward) && mirrored(forward, backward) && c.emitter.wrapped() == 0)
    return write_bidirectional(c, in, out);
  if (in.size() > 1 && in.size() % 2 == 0) throw UserError("is given an odd number of states");
  const auto half = static_cast<std::ptrdiff_t>((in.size() - 1) / 2);
  std::vector<Ref> first = {in[0]}, second = {in[0]};
  first.insert(first.end(), in.begin() + 1, in.begin() + 1 + half);
  second.insert(second.end(), in.begin() + 1 + half, in.end());
  const auto write = [&](const Layer& layer, const char* object, const std::vector<Ref>& inputs) {
    const Call inner = c.inner(layer, object);
    return layer.def->class_name == std::string_view("RNN") ? lower_rnn(inner, inputs, std::vector<Shape>(out.size()))
                                                            : write_recurrent(Plan(inner, layer.config), inputs);
  };
  std::vector<Ref> y = write(forward, "forward_layer", first), z = write(backward, "backward_layer", second);
  if (sequences) z[0] = reverse(c, z[0]);
  // Keras gives zeros for masked steps of wrapped layers.
  if (const MaskSource* mask = c.emitter.mask_source(); mask && sequences) {
    y[0] = c.without_hidden(y[0], *mask);
    z[0] = c.without_hidden(z[0], *mask);
  }
  const std::string mode = c.config().text("merge_mode");
  std::vector<Ref> outputs;
  if (mode == "none")
    outputs = {y[0], z[0]};
  else
    outputs = {join(c, mode, y[0], z[0])};
  outputs.insert(outputs.end(), y.begin() + 1, y.end());
  outputs.insert(outputs.end(), z.begin() + 1, z.end());
  return outputs;
}

// Each piece of the layer inside gets a wrapper of its own.
std::vector<Ref> lower_time_distributed(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const Layer& child = *c.layer.children.at("layer");
  const Lower lower = find_lowering(child.def->class_name);
  if (!lower) throw UserError(fmt::format("wraps a {}, which TF.js does not have", child.def->class_name));
  const auto step = [](const Shape& shape) {
    Shape inner = shape;
    inner.erase(inner.begin() + 1);
    return inner;
  };
  Ref x = in[0];
  x.shape = step(x.shape);
  c.emitter.wrap();
  std::vector<Ref> y;
  try {
    y = lower(c.inner(child, "layer"), {x}, {step(out[0])});
  } catch (...) {
    c.emitter.unwrap();
    throw;
  }
  c.emitter.unwrap();
  if (y.size() != 1) throw UserError("wraps a layer with several outputs");
  y[0].shape = out[0];
  return y;
}

}  // namespace dl::tfjs
