// Long short-term memory (Hochreiter and Schmidhuber, 1997) over a whole sequence, in Keras's form: gates i f c o,
// c = f c + i act(z_c), h = o act(c). The gradient is an operator of its own, so that time may stay symbolic.
#include "ops/builders.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/recurrent.h"

namespace dl {
namespace {

using namespace recurrent;
constexpr DType kF = DType::kFloat32;
using Ints = std::vector<int64_t>;

// Results. The last two are kept for the backward pass: gates [b, t, 4u] (see Activation::reserve), cell states [b, t, u].
enum Result : uint32_t { kSequence, kHidden, kCell, kGates, kCells, kResults };

std::vector<AttrSpec> attrs() {
  return {{"activation", std::string("tanh"), true},
          {"recurrent_activation", std::string("sigmoid"), true},
          {"reversed", int64_t{0}, true},
          {"bias", int64_t{0}, true},
          {"mask", int64_t{0}, true}};
}

std::vector<AttrSpec> grad_attrs() {
  std::vector<AttrSpec> list = attrs();
  list.push_back({"given", Ints{}, true});  // the results whose gradient is an operand
  return list;
}

// Of lstm: x, kernel, recurrent, [bias], h0, c0, [mask]. Of lstm_grad, which needs no bias, then the results
// kSequence, kGates and kCells and the gradients of `given`.
template <class T>
struct Split {
  T x, kernel, recurrent, bias{}, h0, c0, mask{};
  size_t used;
};
template <class T>
Split<T> split(std::span<const T> in, bool bias, bool mask) {
  Split<T> s{in[0], in[1], in[2], {}, {}, {}, {}, 3};
  if (bias) s.bias = in[s.used++];
  s.h0 = in[s.used++];
  s.c0 = in[s.used++];
  if (mask) s.mask = in[s.used++];
  return s;
}

std::vector<TensorType> result_types(const TensorType& x, Dim units) {
  const Dim b = x.shape[0], t = x.shape[1];
  return {
      {x.dtype, {b, t, units}}, {x.dtype, {b, units}}, {x.dtype, {b, units}}, {x.dtype, {b, t, Dim(4) * units}}, {x.dtype, {b, t, units}}};
}

// Checks operands 0 to split.used - 1; returns the number of units.
Dim check_operands(const InferCall& call, bool bias) {
  const bool mask = call.attrs.flag("mask");
  const Shape &x = call.inputs[0].shape, &recurrent = call.inputs[2].shape;
  if (x.size() != 3) infer_error(call, "the input needs the axes [batch, time, features]");
  if (recurrent.size() != 2) infer_error(call, "the recurrent kernel needs the axes [units, 4 units]");
  const Dim units = recurrent[0];
  const size_t state = bias ? 4 : 3;
  check_same_float(call, 0, state + 2);
  check_shape(call, 1, {x[2], Dim(4) * units}, "the kernel");
  check_shape(call, 2, {units, Dim(4) * units}, "the recurrent kernel");
  if (bias) check_shape(call, 3, {Dim(4) * units}, "the bias");
  check_shape(call, state, {x[0], units}, "the initial hidden state");
  check_shape(call, state + 1, {x[0], units}, "the initial cell state");
  if (mask) {
    if (call.inputs[state + 2].dtype != DType::kBool) infer_error(call, "the mask must be bool");
    check_shape(call, state + 2, {x[0], x[1]}, "the mask");
  }
  find_activation(call.op.name, call.attrs.text("activation"));
  find_activation(call.op.name, call.attrs.text("recurrent_activation"));
  return units;
}

std::vector<TensorType> infer(const InferCall& call) { return result_types(call.inputs[0], check_operands(call, call.attrs.flag("bias"))); }

std::vector<TensorType> infer_grad(const InferCall& call) {
  const Dim units = check_operands(call, false);
  const TensorType& x = call.inputs[0];
  const std::vector<TensorType> results = result_types(x, units);
  size_t next = split<TensorType>(call.inputs, false, call.attrs.flag("mask")).used;
  const auto expect = [&](int64_t result) {
    DL_CHECK(next < call.inputs.size() && call.inputs[next] == results[static_cast<size_t>(result)],
             "lstm_grad: an operand has a wrong type");
    ++next;
  };
  for (int64_t result : {kSequence, kGates, kCells}) expect(result);
  for (int64_t result : call.attrs.integers("given")) expect(result);
  DL_CHECK(next == call.inputs.size(), "lstm_grad: too many operands");
  std::vector<TensorType> types = {x, call.inputs[1], call.inputs[2]};
  if (call.attrs.flag("bias")) types.push_back({x.dtype, {Dim(4) * units}});
  types.insert(types.end(), 2, {x.dtype, {x.shape[0], units}});
  return types;
}

std::vector<Var> lower(const LowerCall& call) {
  const auto in = split<Var>(call.inputs, call.attrs.flag("bias"), call.attrs.flag("mask"));
  const Activation &act = find_activation("lstm", call.attrs.text("activation")),
                   &gate = find_activation("lstm", call.attrs.text("recurrent_activation"));
  const Steps steps("lstm", in.x.dim(1), call.attrs.flag("reversed"), in.mask);
  const Dim u = in.recurrent.dim(0);
  Var projected = matmul(in.x, in.kernel);
  if (in.bias.valid()) projected = projected + in.bias;
  Var h = in.h0, c = in.c0, out = zeros_like(h);
  std::vector<Var> sequence, gates, cells;
  for (int64_t s = 0; s < steps.count(); ++s) {
    const Var z = steps.input_at(projected, s) + matmul(h, in.recurrent);
    std::vector<Var> reserve, value;
    for (int64_t k = 0; k < 4; ++k) {
      const Activation& a = k == 2 ? act : gate;
      reserve.push_back(a.reserve(columns(z, k, u)));
      value.push_back(a.value_of_reserve(reserve.back()));
    }
    const Var c_new = value[1] * c + value[0] * value[2];
    const Var h_new = value[3] * act.value(c_new);
    c = steps.keep(s, c_new, c);
    h = steps.keep(s, h_new, h);
    out = steps.keep(s, h_new, out);
    sequence.push_back(out), gates.push_back(concat(reserve, -1)), cells.push_back(c);
  }
  return {Steps::stack(sequence, call.graph, call.types[kSequence]), h, c, Steps::stack(gates, call.graph, call.types[kGates]),
          Steps::stack(cells, call.graph, call.types[kCells])};
}

std::vector<Var> grad(const GradCall& call) {
  const auto in = split<Var>(call.inputs, call.attrs.flag("bias"), call.attrs.flag("mask"));
  std::vector<Var> operands = {in.x, in.kernel, in.recurrent, in.h0, in.c0};
  if (in.mask.valid()) operands.push_back(in.mask);
  for (uint32_t result : {kSequence, kGates, kCells}) operands.push_back(call.outputs[result]);
  Ints given;
  for (uint32_t result = 0; result < kResults; ++result) {
    if (!call.douts[result].valid()) continue;
    given.push_back(result);
    operands.push_back(call.douts[result]);
  }
  Attrs attributes = call.attrs;
  attributes.set("given", given);
  const Var first = add_op(op_lstm_grad, operands, attributes);
  std::vector<Var> gradients;
  for (uint32_t i = 0; i < call.inputs.size() - (in.mask.valid() ? 1 : 0); ++i) gradients.push_back(first.output(i));
  if (in.mask.valid()) gradients.push_back({});
  return gradients;
}

std::vector<Var> lower_grad(const LowerCall& call) {
  const auto in = split<Var>(call.inputs, false, call.attrs.flag("mask"));
  const Activation &act = find_activation("lstm", call.attrs.text("activation")),
                   &gate = find_activation("lstm", call.attrs.text("recurrent_activation"));
  const Steps steps("lstm", in.x.dim(1), call.attrs.flag("reversed"), in.mask);
  const Dim u = in.recurrent.dim(0);
  const Var sequence = call.inputs[in.used], gates = call.inputs[in.used + 1], cells = call.inputs[in.used + 2];
  Var given[kResults];
  size_t next = in.used + 3;
  for (int64_t result : call.attrs.integers("given")) given[result] = call.inputs[next++];
  const auto given_at = [&](Result result, int64_t s) { return given[result].valid() ? Steps::at(given[result], s) : Var{}; };

  const Var zero = zeros_like(in.h0);
  Var dh = sum_of(given[kHidden], zero), dc = sum_of(given[kCell], zero), dout_before = zero;
  const auto count = static_cast<size_t>(steps.count());
  std::vector<Var> dz(count), h_before(count);
  for (int64_t s = steps.count() - 1; s >= 0; --s) {
    const Var reserve = Steps::at(gates, s), dreserve = given_at(kGates, s), c = Steps::at(cells, s);
    const Var c_before = s > 0 ? Steps::at(cells, s - 1) : in.c0;
    h_before[static_cast<size_t>(s)] = steps.state_before(sequence, in.h0, s);
    Var value[4];
    for (int64_t k = 0; k < 4; ++k) value[k] = (k == 2 ? act : gate).value_of_reserve(columns(reserve, k, u));
    const Var dout = sum_of(dout_before, given_at(kSequence, s)), dh_new = dout + dh;
    dc = sum_of(dc, given_at(kCells, s));
    const Var act_c = act.value(c);
    const Var dc_new = dc + act.backward(act.reserve(c), dh_new * value[3]);
    const Var dvalue[4] = {dc_new * value[2], dc_new * c_before, dc_new * value[0], dh_new * act_c};
    std::vector<Var> parts;
    for (int64_t k = 0; k < 4; ++k)
      parts.push_back(
          (k == 2 ? act : gate)
              .backward_both(columns(reserve, k, u), steps.keep(s, dvalue[k], zero), dreserve.valid() ? columns(dreserve, k, u) : Var{}));
    const Var dz_step = concat(parts, -1);
    dz[static_cast<size_t>(s)] = dz_step;
    dh = matmul(dz_step, in.recurrent, false, true) + steps.keep(s, zero, dh);
    dc = steps.keep(s, dc_new * value[1], dc);
    dout_before = steps.keep(s, zero, dout);
  }
  const Var dz_all = Steps::stack(dz, call.graph, gates.type());
  const Var dz_input = call.attrs.flag("reversed") && count > 0 ? reverse(dz_all, 1) : dz_all;
  const Var h_all = Steps::stack(h_before, call.graph, sequence.type());
  std::vector<Var> results = {matmul(dz_input, in.kernel, false, true), product_over_time(in.x, dz_input),
                              product_over_time(h_all, dz_all)};
  if (call.attrs.flag("bias")) results.push_back(reduce_sum(dz_all, {0, 1}));
  results.push_back(dh), results.push_back(dc);
  return results;
}

double flops(const CostCall& call) {
  const Shape &x = call.inputs[0].shape, &recurrent = call.inputs[2].shape;
  const double rows = static_cast<double>((x[0] * x[1]).value()), u = static_cast<double>(recurrent[0].value());
  return rows * (8 * u * (static_cast<double>(x[2].value()) + u) + 30 * u);
}

Attrs sample_attrs(const char* activation, const char* gate, bool reversed, bool bias, bool mask) {
  return {{"activation", std::string(activation)},
          {"recurrent_activation", std::string(gate)},
          {"reversed", int64_t{reversed}},
          {"bias", int64_t{bias}},
          {"mask", int64_t{mask}}};
}

std::vector<TensorType> sample_inputs(int64_t b, int64_t t, int64_t n, int64_t u, bool bias, bool mask) {
  std::vector<TensorType> types = {{kF, {b, t, n}}, {kF, {n, 4 * u}}, {kF, {u, 4 * u}}};
  if (bias) types.push_back({kF, {4 * u}});
  types.insert(types.end(), 2, {kF, {b, u}});
  if (mask) types.push_back({DType::kBool, {b, t}});
  return types;
}

std::vector<Sample> samples() {
  std::vector<Sample> list;
  const auto add = [&](int64_t b, int64_t t, int64_t n, int64_t u, const char* act, const char* gate, bool reversed, bool bias, bool mask) {
    // Kinks of relu and hard_sigmoid lie where differences would be taken.
    const bool smooth = std::string_view(act) != "relu" && std::string_view(gate) != "hard_sigmoid";
    list.push_back({sample_inputs(b, t, n, u, bias, mask), sample_attrs(act, gate, reversed, bias, mask), -1, 1, {}, smooth});
  };
  add(2, 3, 4, 5, "tanh", "sigmoid", false, true, false);
  add(3, 4, 2, 3, "tanh", "sigmoid", true, true, true);
  add(2, 4, 3, 2, "tanh", "sigmoid", false, false, true);
  add(1, 1, 1, 1, "tanh", "sigmoid", false, true, false);
  add(2, 0, 3, 2, "tanh", "sigmoid", false, true, false);
  add(0, 2, 3, 2, "tanh", "sigmoid", false, true, false);
  add(35, 2, 3, 17, "tanh", "sigmoid", false, true, false);
  add(2, 2, 3, 4, "relu", "hard_sigmoid", false, true, false);
  add(2, 2, 3, 4, "linear", "sigmoid", true, true, false);
  add(2, 2, 3, 4, "softsign", "tanh", false, true, true);
  add(2, 2, 3, 4, "gelu", "sigmoid", false, true, false);
  add(2, 2, 3, 4, "elu", "softplus", false, true, false);
  return list;
}

std::vector<Sample> grad_samples() {
  std::vector<Sample> list;
  const std::vector<Ints> choices = {{kSequence}, {kHidden}, {kSequence, kHidden, kCell}, {kSequence, kHidden, kCell, kGates, kCells}};
  size_t choice = 0;
  for (const Sample& forward : samples()) {
    std::vector<TensorType> types = forward.inputs;
    if (forward.attrs.flag("bias")) types.erase(types.begin() + 3);
    const std::vector<TensorType> results = result_types(types[0], types[2].shape[0]);
    for (size_t result : {size_t{kSequence}, size_t{kGates}, size_t{kCells}}) types.push_back(results[result]);
    Attrs attributes = forward.attrs;
    const Ints& given = choices[choice++ % choices.size()];
    for (int64_t result : given) types.push_back(results[static_cast<size_t>(result)]);
    attributes.set("given", given);
    list.push_back({std::move(types), std::move(attributes), -0.9, 0.9, {}, forward.differentiable});
  }
  return list;
}

}  // namespace

const OpDef op_lstm = {
    .name = "lstm",
    .min_inputs = 5,
    .max_inputs = 7,
    .attrs = attrs(),
    .infer = infer,
    .grad = grad,
    .lower = lower,
    .flops = flops,
    .samples = samples,
};

// dx, dkernel, drecurrent, [dbias], dh0, dc0
const OpDef op_lstm_grad = {
    .name = "lstm_grad",
    .min_inputs = 8,
    .max_inputs = 14,
    .attrs = grad_attrs(),
    .infer = infer_grad,
    .lower = lower_grad,
    .flops = [](const CostCall& call) { return 2 * flops(call); },
    .samples = grad_samples,
};

Recurrent lstm(Var x, Var kernel, Var recurrent_kernel, Var bias, Var h0, Var c0, Var mask, const std::string& activation,
               const std::string& recurrent_activation, bool reversed) {
  if (x.rank() != 3) throw UserError("lstm: the input needs the axes [batch, time, features], not " + to_string(x.shape()));
  const TensorType state{x.dtype(), {x.dim(0), recurrent_kernel.dim(0)}};
  std::vector<Var> operands = {x, kernel, recurrent_kernel};
  if (bias.valid()) operands.push_back(bias);
  operands.push_back(h0.valid() ? h0 : full(*x.graph, state, 0));
  operands.push_back(c0.valid() ? c0 : full(*x.graph, state, 0));
  if (mask.valid()) operands.push_back(mask);
  const Var first = add_op(op_lstm, operands,
                           {{"activation", activation},
                            {"recurrent_activation", recurrent_activation},
                            {"reversed", int64_t{reversed}},
                            {"bias", int64_t{bias.valid()}},
                            {"mask", int64_t{mask.valid()}}});
  return {first, {first.output(kHidden), first.output(kCell)}};
}

}  // namespace dl
