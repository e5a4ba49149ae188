// RNN, GRU and LSTM. The usual forms are the graph's own operators (Keras's gate orders; sequence lengths are masks); the others, with
// clipping, peepholes or odd activations, are written out step by step, which needs a known number of steps.
#include <algorithm>
#include <optional>

#include "io/onnx/importer.h"
#include "io/onnx/windows.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

struct Function {
  std::string name;
  double alpha, beta;
};

Var apply(NodeCall& call, const Function& f, Var x) {
  if (f.name == "Sigmoid") return sigmoid(x);
  if (f.name == "Tanh") return tanh(x);
  if (f.name == "Relu") return relu(x);
  if (f.name == "Affine") return x * f.alpha + f.beta;
  if (f.name == "LeakyRelu") return select(less(x, 0.0), x * f.alpha, x);
  if (f.name == "ThresholdedRelu") return select(greater(x, f.alpha), x, 0.0);
  if (f.name == "ScaledTanh") return tanh(x * f.beta) * f.alpha;
  if (f.name == "HardSigmoid") return clip(x * f.alpha + f.beta, 0, 1);
  if (f.name == "Elu") return relu(x) + expm1(minimum(x, 0.0)) * f.alpha;
  if (f.name == "Softsign") return x / (abs(x) + 1.0);
  if (f.name == "Softplus") return softplus(x);
  call.fail("the activation '" + f.name.substr(0, 40) + "' is not known");
}

// The same function as an activation of the graph's lstm and gru, "" where there is none.
std::string own_name(const Function& f) {
  const auto is = [](double value, float wanted) { return static_cast<float>(value) == wanted; };
  if (f.name == "Sigmoid") return "sigmoid";
  if (f.name == "Tanh") return "tanh";
  if (f.name == "Relu") return "relu";
  if (f.name == "Softsign") return "softsign";
  if (f.name == "Softplus") return "softplus";
  if (f.name == "Affine" && is(f.alpha, 1) && is(f.beta, 0)) return "linear";
  if (f.name == "Elu" && is(f.alpha, 1)) return "elu";
  if (f.name == "LeakyRelu" && is(f.alpha, 0.2F)) return "leaky_relu";
  if (f.name == "HardSigmoid" && is(f.alpha, 1.0F / 6) && is(f.beta, 0.5F)) return "hard_sigmoid";
  if (f.name == "HardSigmoid" && is(f.alpha, 0.2F) && is(f.beta, 0.5F)) return "hard_sigmoid_v2";
  return "";
}

// What all three have in common. X is [time, batch, in] from here on.
struct Cell {
  NodeCall& call;
  int64_t gates;  // rows of W per unit
  size_t functions;
  Var x, lengths;  // lengths: invalid where every sequence is whole
  int64_t directions, units;
  bool batch_first, reversed_alone;
  double clip_at;
  bool coupled = false;  // input_forget of an LSTM
  bool linear_before_reset = false;
  std::vector<Function> names;

  Cell(NodeCall& c, int64_t gate_count, const std::vector<std::string>& defaults) : call(c), gates(gate_count), functions(defaults.size()) {
    x = call.in(0);
    batch_first = call.integer("layout", 0) != 0;
    if (x.rank() != 3) call.fail("X needs three axes");
    if (batch_first) x = transpose(x, {1, 0, 2});
    const std::string direction = call.text("direction", "forward");
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional") call.fail("direction is '" + direction + "'");
    directions = direction == "bidirectional" ? 2 : 1;
    reversed_alone = direction == "reverse";
    const Var r = call.in(2);
    if (r.rank() != 3 || !r.dim(2).known()) call.fail("R needs three axes");
    units = r.dim(2).value();
    if (const int64_t hidden = call.integer("hidden_size", units); hidden != units) call.fail("hidden_size is not that of R");
    const Var w = call.in(1);
    if (w.rank() != 3 || !(w.dim(0) == Dim(directions)) || !(w.dim(1) == Dim(gates * units)) || !(r.dim(0) == Dim(directions)) ||
        !(r.dim(1) == Dim(gates * units)))
      call.fail("W and R do not fit directions and hidden_size");
    clip_at = call.real("clip", 0);
    if (call.has(4)) lengths = cast(call.in(4), DType::kInt64);
    std::vector<std::string> given = call.texts("activations");
    if (given.empty())
      for (int64_t d = 0; d < directions; ++d) given.insert(given.end(), defaults.begin(), defaults.end());
    if (given.size() != functions * static_cast<size_t>(directions))
      call.fail("activations need " + std::to_string(functions) + " per direction");
    const std::vector<double> alphas = call.floats("activation_alpha"), betas = call.floats("activation_beta");
    size_t alpha = 0, beta = 0;
    for (const std::string& name : given) {
      Function f{name, 1, 0};
      if (name == "LeakyRelu") f.alpha = 0.01f;
      if (name == "HardSigmoid") f.alpha = 0.2f, f.beta = 0.5;
      if (name == "Affine" || name == "ScaledTanh") f.alpha = f.beta = 1, f.beta = name == "Affine" ? 0 : 1;
      const bool takes_alpha = name == "LeakyRelu" || name == "HardSigmoid" || name == "Affine" || name == "ScaledTanh" || name == "Elu" ||
                               name == "ThresholdedRelu";
      const bool takes_beta = name == "HardSigmoid" || name == "Affine" || name == "ScaledTanh";
      if (takes_alpha && alpha < alphas.size()) f.alpha = alphas[alpha++];
      if (takes_beta && beta < betas.size()) f.beta = betas[beta++];
      names.push_back(f);
    }
  }

  Graph& graph() const { return call.graph(); }
  bool is_reversed(int64_t d) const { return directions == 2 ? d == 1 : reversed_alone; }
  const Function& function(int64_t d, size_t k) const { return names[static_cast<size_t>(d) * functions + k]; }
  // Row d of an operand [directions, ...].
  Var row(size_t i, int64_t d) const { return squeeze(slice_axis(call.in(i), 0, d, 1), {0}); }
  // Initial state [batch, units] of operand i.
  Var start(size_t i, int64_t d) const {
    if (!call.has(i)) return full(graph(), {x.dtype(), {x.dim(1), units}}, 0);
    return squeeze(slice_axis(call.in(i), batch_first ? 1 : 0, d, 1), {batch_first ? 1 : 0});
  }
  Var limit(Var v) const { return clip_at > 0 ? clip(v, -clip_at, clip_at) : v; }
  // Gate k of [.., gates * units].
  Var gate(Var v, int64_t k) const { return slice_axis(v, -1, k * units, units); }
  // The activations of the graph's own operators: of the gates, of the rest. Nullopt where these have no such form.
  struct Names {
    std::string gates, rest;
  };
  std::optional<Names> plain(int64_t d) const {
    if (clip_at > 0 || coupled) return std::nullopt;
    Names result{own_name(function(d, 0)), own_name(function(d, 1))};
    for (size_t k = 2; k < functions; ++k)
      if (own_name(function(d, k)) != result.rest) return std::nullopt;
    return result.gates.empty() || result.rest.empty() ? std::nullopt : std::optional(result);
  }
  // bool [batch, time]; invalid where every sequence is whole.
  Var mask() const {
    if (!lengths.valid()) return {};
    return less(iota(graph(), DType::kInt64, {Dim(1), x.dim(0)}, 1), expand_dims(lengths, 1));
  }
};

struct Direction {
  Var sequence;            // [time, batch, units]
  std::vector<Var> state;  // [batch, units] each
};

// Steps written out: `step(x_t [batch, gates * units] with W and b applied, state) -> state`.
template <class Step>
Direction unroll(const Cell& cell, int64_t d, Var projected, std::vector<Var> state, Step step) {
  const int64_t steps = known_size(cell.call, cell.x.dim(0), "the number of steps");
  if (steps > 10000) cell.call.unsupported("that many steps written out");
  std::vector<Var> outputs(static_cast<size_t>(steps));
  Graph& g = cell.graph();
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = cell.is_reversed(d) ? steps - 1 - i : i;
    const Var now = squeeze(slice_axis(projected, 0, t, 1), {0});
    std::vector<Var> next = step(now, state);
    Var y = next[0];
    if (cell.lengths.valid()) {  // past its end a sequence keeps its state and gives 0
      const Var inside = expand_dims(greater(cell.lengths, scalar(g, DType::kInt64, static_cast<double>(t))), 1);
      for (size_t k = 0; k < next.size(); ++k) next[k] = select(inside, next[k], state[k]);
      y = select(inside, y, 0.0);
    }
    outputs[static_cast<size_t>(t)] = expand_dims(y, 0);
    state = std::move(next);
  }
  if (outputs.empty()) return {full(g, {cell.x.dtype(), {Dim(0), cell.x.dim(1), cell.units}}, 0), state};
  return {concat(outputs, 0), state};
}

// The graph's own operator gives a reversed sequence in the order walked, and behind the end of a sequence its last state.
Direction from_keras(const Cell& cell, int64_t d, const Recurrent& result) {
  Var y = result.sequence;
  if (cell.is_reversed(d)) y = reverse(y, 1);
  if (const Var mask = cell.mask(); mask.valid()) y = select(expand_dims(mask, 2), y, 0.0);
  return {transpose(y, {1, 0, 2}), result.state};
}

// Columns of gates in another order: [.., gates * units].
Var reorder(const Cell& cell, Var v, const Ints& order) {
  std::vector<Var> parts;
  for (int64_t k : order) parts.push_back(cell.gate(v, k));
  return concat(parts, -1);
}

Var kernel(const Cell& cell, size_t i, int64_t d) { return transpose(cell.row(i, d), {1, 0}); }  // [in, gates * units]

OnnxValues outputs_of(const Cell& cell, std::vector<Direction> results) {
  std::vector<Var> sequences;
  for (const Direction& r : results) sequences.push_back(expand_dims(r.sequence, 1));
  Var y = concat(sequences, 1);  // [time, directions, batch, units]
  if (cell.batch_first) y = transpose(y, {2, 0, 1, 3});
  OnnxValues outputs = {y};
  for (size_t k = 0; k < results[0].state.size(); ++k) {
    std::vector<Var> states;
    for (const Direction& r : results) states.push_back(expand_dims(r.state[k], cell.batch_first ? 1 : 0));
    outputs.emplace_back(concat(states, cell.batch_first ? 1 : 0));
  }
  return outputs;
}

// W X + the bias of W, for every step: [time, batch, gates * units].
Var project(const Cell& cell, int64_t d, Var bias) {
  Var p = matmul(cell.x, kernel(cell, 1, d));
  return bias.valid() ? p + bias : p;
}

struct Bias {
  Var input, recurrent;  // [gates * units], invalid where there is none
};
Bias bias_of(const Cell& cell, int64_t d) {
  if (!cell.call.has(3)) return {};
  const Var b = cell.row(3, d);
  const int64_t n = cell.gates * cell.units;
  return {slice_axis(b, 0, 0, n), slice_axis(b, 0, n, n)};
}
Var sum_of_bias(const Bias& b) { return b.input.valid() ? b.input + b.recurrent : Var(); }

OnnxValues import_rnn(NodeCall& call) {
  const Cell cell(call, 1, {"Tanh"});
  std::vector<Direction> results;
  for (int64_t d = 0; d < cell.directions; ++d) {
    const Var r = kernel(cell, 2, d);
    results.push_back(unroll(cell, d, project(cell, d, sum_of_bias(bias_of(cell, d))), {cell.start(5, d)},
                             [&](Var now, const std::vector<Var>& state) -> std::vector<Var> {
                               return {apply(call, cell.function(d, 0), cell.limit(now + matmul(state[0], r)))};
                             }));
  }
  return outputs_of(cell, std::move(results));
}

// Gates z r h in both.
OnnxValues import_gru(NodeCall& call) {
  Cell cell(call, 3, {"Sigmoid", "Tanh"});
  cell.linear_before_reset = call.integer("linear_before_reset", 0) != 0;
  std::vector<Direction> results;
  for (int64_t d = 0; d < cell.directions; ++d) {
    const Bias bias = bias_of(cell, d);
    const Var r = kernel(cell, 2, d);
    if (const auto names = cell.plain(d)) {
      Var joint;
      if (bias.input.valid())
        joint = cell.linear_before_reset ? concat({expand_dims(bias.input, 0), expand_dims(bias.recurrent, 0)}, 0) : sum_of_bias(bias);
      results.push_back(from_keras(cell, d,
                                   gru(transpose(cell.x, {1, 0, 2}), kernel(cell, 1, d), r, joint, cell.start(5, d), cell.mask(),
                                       names->rest, names->gates, cell.linear_before_reset, cell.is_reversed(d))));
      continue;
    }
    const Var recurrent_bias = bias.recurrent;
    // The bias of R belongs inside of the reset where that comes after the product.
    const Var projected = project(cell, d, cell.linear_before_reset ? bias.input : sum_of_bias(bias));
    const auto &f = cell.function(d, 0), &g = cell.function(d, 1);
    results.push_back(unroll(cell, d, projected, {cell.start(5, d)}, [&](Var now, const std::vector<Var>& state) -> std::vector<Var> {
      const Var h = state[0];
      Var product = matmul(h, r);
      if (cell.linear_before_reset && recurrent_bias.valid()) product = product + recurrent_bias;
      const Var z = apply(call, f, cell.limit(cell.gate(now, 0) + cell.gate(product, 0)));
      const Var reset = apply(call, f, cell.limit(cell.gate(now, 1) + cell.gate(product, 1)));
      const Var inner = cell.linear_before_reset ? reset * cell.gate(product, 2) : matmul(reset * h, cell.gate(r, 2));
      const Var candidate = apply(call, g, cell.limit(cell.gate(now, 2) + inner));
      return {(1.0 - z) * candidate + z * h};
    }));
  }
  return outputs_of(cell, std::move(results));
}

// Gates i o f c here, i f c o in the graph's operator.
OnnxValues import_lstm(NodeCall& call) {
  Cell cell(call, 4, {"Sigmoid", "Tanh", "Tanh"});
  cell.coupled = call.integer("input_forget", 0) != 0;
  const Ints order = {0, 2, 3, 1};
  std::vector<Direction> results;
  for (int64_t d = 0; d < cell.directions; ++d) {
    const Bias bias = bias_of(cell, d);
    const Var r = kernel(cell, 2, d), total = sum_of_bias(bias);
    if (const auto names = cell.plain(d); names && !call.has(7)) {
      results.push_back(from_keras(cell, d,
                                   lstm(transpose(cell.x, {1, 0, 2}), reorder(cell, kernel(cell, 1, d), order), reorder(cell, r, order),
                                        total.valid() ? reorder(cell, total, order) : Var(), cell.start(5, d), cell.start(6, d),
                                        cell.mask(), names->rest, names->gates, cell.is_reversed(d))));
      continue;
    }
    const Var peepholes = call.has(7) ? cell.row(7, d) : Var();  // i o f
    const auto peep = [&](int64_t k, Var c) {
      return peepholes.valid() ? slice_axis(peepholes, 0, k * cell.units, cell.units) * c : Var();
    };
    const auto plus = [](Var a, Var b) { return b.valid() ? a + b : a; };
    const auto &f = cell.function(d, 0), &g = cell.function(d, 1), &h = cell.function(d, 2);
    results.push_back(unroll(cell, d, project(cell, d, total), {cell.start(5, d), cell.start(6, d)},
                             [&](Var now, const std::vector<Var>& state) -> std::vector<Var> {
                               const Var sums = now + matmul(state[0], r), c = state[1];
                               const Var i = apply(call, f, cell.limit(plus(cell.gate(sums, 0), peep(0, c))));
                               const Var forget = cell.coupled ? 1.0 - i : apply(call, f, cell.limit(plus(cell.gate(sums, 2), peep(2, c))));
                               const Var next = forget * c + i * apply(call, g, cell.limit(cell.gate(sums, 3)));
                               const Var o = apply(call, f, cell.limit(plus(cell.gate(sums, 1), peep(1, next))));
                               return {o * apply(call, h, next), next};
                             }));
  }
  return outputs_of(cell, std::move(results));
}

constexpr OpRow kRecurrentRows[] = {
    {"RNN", 7, import_rnn},
    {"GRU", 7, import_gru},
    {"LSTM", 7, import_lstm},
};

}  // namespace

std::span<const OpRow> onnx_rows_recurrent() { return kRecurrentRows; }

}  // namespace dl::onnx
