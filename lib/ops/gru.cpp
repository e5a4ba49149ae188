// Gated recurrent unit (Cho et al., 2014) over a whole sequence, in Keras's form: gates z r h, h = z h + (1 - z) act(z_h).
// reset_after: the reset gate multiplies the recurrent product (cuDNN's variant); else the state before the product.
// The gradient is an operator of its own, so that time may stay symbolic.
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

// Results. kGates is kept for the backward pass: z, r, h (see Activation::reserve), and with reset_after the recurrent
// product of h before the reset; [b, t, 3u or 4u].
enum Result : uint32_t { kSequence, kHidden, kGates, kResults };

std::vector<AttrSpec> attrs() {
  return {{"activation", std::string("tanh"), true},
          {"recurrent_activation", std::string("sigmoid"), true},
          {"reset_after", int64_t{1}, true},
          {"reversed", int64_t{0}, true},
          {"bias", int64_t{0}, true},
          {"mask", int64_t{0}, true}};
}

std::vector<AttrSpec> grad_attrs() {
  std::vector<AttrSpec> list = attrs();
  list.push_back({"given", Ints{}, true});  // the results whose gradient is an operand
  return list;
}

// Of gru: x, kernel, recurrent, [bias], h0, [mask]. Of gru_grad, which needs no bias, then the results kSequence and
// kGates and the gradients of `given`.
template <class T>
struct Split {
  T x, kernel, recurrent, bias{}, h0, mask{};
  size_t used;
};
template <class T>
Split<T> split(std::span<const T> in, bool bias, bool mask) {
  Split<T> s{in[0], in[1], in[2], {}, {}, {}, 3};
  if (bias) s.bias = in[s.used++];
  s.h0 = in[s.used++];
  if (mask) s.mask = in[s.used++];
  return s;
}

std::vector<TensorType> result_types(const TensorType& x, Dim units, bool reset_after) {
  const Dim b = x.shape[0], t = x.shape[1];
  return {{x.dtype, {b, t, units}}, {x.dtype, {b, units}}, {x.dtype, {b, t, Dim(reset_after ? 4 : 3) * units}}};
}

Shape bias_shape(Dim units, bool reset_after) { return reset_after ? Shape{2, Dim(3) * units} : Shape{Dim(3) * units}; }

// Checks operands 0 to split.used - 1; returns the number of units.
Dim check_operands(const InferCall& call, bool bias) {
  const Shape &x = call.inputs[0].shape, &recurrent = call.inputs[2].shape;
  if (x.size() != 3) infer_error(call, "the input needs the axes [batch, time, features]");
  if (recurrent.size() != 2) infer_error(call, "the recurrent kernel needs the axes [units, 3 units]");
  const Dim units = recurrent[0];
  const size_t state = bias ? 4 : 3;
  check_same_float(call, 0, state + 1);
  check_shape(call, 1, {x[2], Dim(3) * units}, "the kernel");
  check_shape(call, 2, {units, Dim(3) * units}, "the recurrent kernel");
  if (bias) check_shape(call, 3, bias_shape(units, call.attrs.flag("reset_after")), "the bias");
  check_shape(call, state, {x[0], units}, "the initial state");
  if (call.attrs.flag("mask")) {
    if (call.inputs[state + 1].dtype != DType::kBool) infer_error(call, "the mask must be bool");
    check_shape(call, state + 1, {x[0], x[1]}, "the mask");
  }
  find_activation(call.op.name, call.attrs.text("activation"));
  find_activation(call.op.name, call.attrs.text("recurrent_activation"));
  return units;
}

std::vector<TensorType> infer(const InferCall& call) {
  return result_types(call.inputs[0], check_operands(call, call.attrs.flag("bias")), call.attrs.flag("reset_after"));
}

std::vector<TensorType> infer_grad(const InferCall& call) {
  const Dim units = check_operands(call, false);
  const TensorType& x = call.inputs[0];
  const std::vector<TensorType> results = result_types(x, units, call.attrs.flag("reset_after"));
  size_t next = split<TensorType>(call.inputs, false, call.attrs.flag("mask")).used;
  const auto expect = [&](int64_t result) {
    DL_CHECK(next < call.inputs.size() && call.inputs[next] == results[static_cast<size_t>(result)],
             "gru_grad: an operand has a wrong type");
    ++next;
  };
  for (int64_t result : {kSequence, kGates}) expect(result);
  for (int64_t result : call.attrs.integers("given")) expect(result);
  DL_CHECK(next == call.inputs.size(), "gru_grad: too many operands");
  std::vector<TensorType> types = {x, call.inputs[1], call.inputs[2]};
  if (call.attrs.flag("bias")) types.push_back({x.dtype, bias_shape(units, call.attrs.flag("reset_after"))});
  types.push_back({x.dtype, {x.shape[0], units}});
  return types;
}

std::vector<Var> lower(const LowerCall& call) {
  const auto in = split<Var>(call.inputs, call.attrs.flag("bias"), call.attrs.flag("mask"));
  const Activation &act = find_activation("gru", call.attrs.text("activation")),
                   &gate = find_activation("gru", call.attrs.text("recurrent_activation"));
  const bool after = call.attrs.flag("reset_after");
  const Steps steps("gru", in.x.dim(1), call.attrs.flag("reversed"), in.mask);
  const Dim u = in.recurrent.dim(0);
  Var projected = matmul(in.x, in.kernel), recurrent_bias;
  if (in.bias.valid()) {
    projected = projected + (after ? squeeze(slice_axis(in.bias, 0, 0, 1), {0}) : in.bias);
    if (after) recurrent_bias = squeeze(slice_axis(in.bias, 0, 1, 1), {0});
  }
  const Var recurrent_zr = slice_axis(in.recurrent, 1, 0, Dim(2) * u), recurrent_h = columns(in.recurrent, 2, u);
  Var h = in.h0, out = zeros_like(h);
  std::vector<Var> sequence, gates;
  for (int64_t s = 0; s < steps.count(); ++s) {
    const Var p = steps.input_at(projected, s);
    const Var inner = after ? sum_of(matmul(h, in.recurrent), recurrent_bias) : matmul(h, recurrent_zr);
    const Var z_reserve = gate.reserve(columns(p, 0, u) + columns(inner, 0, u)),
              r_reserve = gate.reserve(columns(p, 1, u) + columns(inner, 1, u));
    const Var z = gate.value_of_reserve(z_reserve), r = gate.value_of_reserve(r_reserve);
    const Var inner_h = after ? columns(inner, 2, u) : Var{};
    const Var h_reserve = act.reserve(columns(p, 2, u) + (after ? r * inner_h : matmul(r * h, recurrent_h)));
    const Var h_new = z * h + (1.0 - z) * act.value_of_reserve(h_reserve);
    h = steps.keep(s, h_new, h);
    out = steps.keep(s, h_new, out);
    sequence.push_back(out);
    gates.push_back(after ? concat({z_reserve, r_reserve, h_reserve, inner_h}, -1) : concat({z_reserve, r_reserve, h_reserve}, -1));
  }
  return {Steps::stack(sequence, call.graph, call.types[kSequence]), h, Steps::stack(gates, call.graph, call.types[kGates])};
}

std::vector<Var> grad(const GradCall& call) {
  const auto in = split<Var>(call.inputs, call.attrs.flag("bias"), call.attrs.flag("mask"));
  std::vector<Var> operands = {in.x, in.kernel, in.recurrent, in.h0};
  if (in.mask.valid()) operands.push_back(in.mask);
  for (uint32_t result : {kSequence, kGates}) operands.push_back(call.outputs[result]);
  Ints given;
  for (uint32_t result = 0; result < kResults; ++result) {
    if (!call.douts[result].valid()) continue;
    given.push_back(result);
    operands.push_back(call.douts[result]);
  }
  Attrs attributes = call.attrs;
  attributes.set("given", given);
  const Var first = add_op(op_gru_grad, operands, attributes);
  std::vector<Var> gradients;
  for (uint32_t i = 0; i < call.inputs.size() - (in.mask.valid() ? 1 : 0); ++i) gradients.push_back(first.output(i));
  if (in.mask.valid()) gradients.push_back({});
  return gradients;
}

std::vector<Var> lower_grad(const LowerCall& call) {
  const auto in = split<Var>(call.inputs, false, call.attrs.flag("mask"));
  const Activation &act = find_activation("gru", call.attrs.text("activation")),
                   &gate = find_activation("gru", call.attrs.text("recurrent_activation"));
  const bool after = call.attrs.flag("reset_after");
  const Steps steps("gru", in.x.dim(1), call.attrs.flag("reversed"), in.mask);
  const Dim u = in.recurrent.dim(0);
  const Var sequence = call.inputs[in.used], gates = call.inputs[in.used + 1];
  Var given[kResults];
  size_t next = in.used + 2;
  for (int64_t result : call.attrs.integers("given")) given[result] = call.inputs[next++];
  const auto given_at = [&](Result result, int64_t s) { return given[result].valid() ? Steps::at(given[result], s) : Var{}; };

  const Var recurrent_zr = slice_axis(in.recurrent, 1, 0, Dim(2) * u), recurrent_h = columns(in.recurrent, 2, u);
  const Var zero = zeros_like(in.h0);
  Var dh = sum_of(given[kHidden], zero), dout_before = zero;
  const auto count = static_cast<size_t>(steps.count());
  // Gradients of the gates' arguments (input side, recurrent side), and what the recurrent kernel's columns multiplied.
  std::vector<Var> dinput(count), drecurrent(count), h_before(count), reset_h(count);
  for (int64_t s = steps.count() - 1; s >= 0; --s) {
    const auto i = static_cast<size_t>(s);
    const Var reserve = Steps::at(gates, s), dreserve = given_at(kGates, s);
    const auto dreserve_of = [&](int64_t k) { return dreserve.valid() ? columns(dreserve, k, u) : Var{}; };
    const Var z = gate.value_of_reserve(columns(reserve, 0, u)), r = gate.value_of_reserve(columns(reserve, 1, u));
    const Var candidate = act.value_of_reserve(columns(reserve, 2, u));
    const Var before = h_before[i] = steps.state_before(sequence, in.h0, s);
    const Var dout = sum_of(dout_before, given_at(kSequence, s)), dh_new = steps.keep(s, dout + dh, zero);
    const Var dz = gate.backward_both(columns(reserve, 0, u), dh_new * (before - candidate), dreserve_of(0));
    const Var dcandidate = act.backward_both(columns(reserve, 2, u), dh_new * (1.0 - z), dreserve_of(2));
    Var dbefore = dh_new * z;
    if (after) {
      const Var dr = gate.backward_both(columns(reserve, 1, u), dcandidate * columns(reserve, 3, u), dreserve_of(1));
      dinput[i] = concat({dz, dr, dcandidate}, -1);
      drecurrent[i] = concat({dz, dr, sum_of(dcandidate * r, dreserve_of(3))}, -1);
      dbefore = dbefore + matmul(drecurrent[i], in.recurrent, false, true);
    } else {
      const Var dreset = matmul(dcandidate, recurrent_h, false, true);
      const Var dr = gate.backward_both(columns(reserve, 1, u), dreset * before, dreserve_of(1));
      dinput[i] = concat({dz, dr, dcandidate}, -1);
      drecurrent[i] = concat({dz, dr}, -1);
      reset_h[i] = r * before;
      dbefore = dbefore + dreset * r + matmul(drecurrent[i], recurrent_zr, false, true);
    }
    dh = dbefore + steps.keep(s, zero, dh);
    dout_before = steps.keep(s, zero, dout);
  }
  const Shape& seq = sequence.shape();
  const TensorType three{sequence.dtype(), {seq[0], seq[1], Dim(3) * u}}, two{sequence.dtype(), {seq[0], seq[1], Dim(2) * u}};
  const Var walked = Steps::stack(dinput, call.graph, three), recurrent_side = Steps::stack(drecurrent, call.graph, after ? three : two);
  const Var input_side = call.attrs.flag("reversed") && count > 0 ? reverse(walked, 1) : walked;
  Var dkernel_recurrent = product_over_time(Steps::stack(h_before, call.graph, sequence.type()), recurrent_side);
  if (!after) {
    const Var dcandidates = columns(walked, 2, u);
    dkernel_recurrent = concat({dkernel_recurrent, product_over_time(Steps::stack(reset_h, call.graph, sequence.type()), dcandidates)}, 1);
  }
  std::vector<Var> results = {matmul(input_side, in.kernel, false, true), product_over_time(in.x, input_side), dkernel_recurrent};
  if (call.attrs.flag("bias")) {
    const Var dbias = reduce_sum(walked, {0, 1});
    results.push_back(after ? concat({expand_dims(dbias, 0), expand_dims(reduce_sum(recurrent_side, {0, 1}), 0)}, 0) : dbias);
  }
  results.push_back(dh);
  return results;
}

double flops(const CostCall& call) {
  const Shape &x = call.inputs[0].shape, &recurrent = call.inputs[2].shape;
  const double rows = static_cast<double>((x[0] * x[1]).value()), u = static_cast<double>(recurrent[0].value());
  return rows * (6 * u * (static_cast<double>(x[2].value()) + u) + 30 * u);
}

struct Case {
  int64_t b, t, n, u;
  const char *activation, *gate;
  bool after, reversed, bias, mask;
};

Sample make_sample(const Case& c) {
  const Attrs attributes = {{"activation", std::string(c.activation)},
                            {"recurrent_activation", std::string(c.gate)},
                            {"reset_after", int64_t{c.after}},
                            {"reversed", int64_t{c.reversed}},
                            {"bias", int64_t{c.bias}},
                            {"mask", int64_t{c.mask}}};
  std::vector<TensorType> types = {{kF, {c.b, c.t, c.n}}, {kF, {c.n, 3 * c.u}}, {kF, {c.u, 3 * c.u}}};
  if (c.bias) types.push_back({kF, bias_shape(c.u, c.after)});
  types.push_back({kF, {c.b, c.u}});
  if (c.mask) types.push_back({DType::kBool, {c.b, c.t}});
  // Kinks of relu and hard_sigmoid lie where differences would be taken.
  const bool smooth = std::string_view(c.activation) != "relu" && std::string_view(c.gate) != "hard_sigmoid";
  return {std::move(types), attributes, -1, 1, {}, smooth};
}

std::vector<Sample> samples() {
  std::vector<Sample> list;
  for (bool after : {true, false}) {
    for (const Case& c :
         {Case{2, 3, 4, 5, "tanh", "sigmoid", after, false, true, false}, Case{3, 4, 2, 3, "tanh", "sigmoid", after, true, true, true},
          Case{2, 4, 3, 2, "tanh", "sigmoid", after, false, false, true}, Case{1, 1, 1, 1, "tanh", "sigmoid", after, false, true, false},
          Case{2, 0, 3, 2, "tanh", "sigmoid", after, false, true, false}, Case{0, 2, 3, 2, "tanh", "sigmoid", after, true, true, false},
          Case{35, 2, 3, 17, "tanh", "sigmoid", after, false, true, false},
          Case{2, 2, 3, 4, "relu", "hard_sigmoid", after, false, true, false},
          Case{2, 2, 3, 4, "linear", "sigmoid", after, true, true, false}, Case{2, 2, 3, 4, "silu", "tanh", after, false, true, true}})
      list.push_back(make_sample(c));
  }
  return list;
}

std::vector<Sample> grad_samples() {
  std::vector<Sample> list;
  const std::vector<Ints> choices = {{kSequence}, {kHidden}, {kSequence, kHidden, kGates}};
  size_t choice = 0;
  for (const Sample& forward : samples()) {
    std::vector<TensorType> types = forward.inputs;
    if (forward.attrs.flag("bias")) types.erase(types.begin() + 3);
    const std::vector<TensorType> results = result_types(types[0], types[2].shape[0], forward.attrs.flag("reset_after"));
    types.push_back(results[kSequence]), types.push_back(results[kGates]);
    Attrs attributes = forward.attrs;
    const Ints& given = choices[choice++ % choices.size()];
    for (int64_t result : given) types.push_back(results[static_cast<size_t>(result)]);
    attributes.set("given", given);
    list.push_back({std::move(types), std::move(attributes), -0.9, 0.9, {}, forward.differentiable});
  }
  return list;
}

}  // namespace

const OpDef op_gru = {
    .name = "gru",
    .min_inputs = 4,
    .max_inputs = 6,
    .attrs = attrs(),
    .infer = infer,
    .grad = grad,
    .lower = lower,
    .flops = flops,
    .samples = samples,
};

// dx, dkernel, drecurrent, [dbias], dh0
const OpDef op_gru_grad = {
    .name = "gru_grad",
    .min_inputs = 6,
    .max_inputs = 10,
    .attrs = grad_attrs(),
    .infer = infer_grad,
    .lower = lower_grad,
    .flops = [](const CostCall& call) { return 2 * flops(call); },
    .samples = grad_samples,
};

Recurrent gru(Var x, Var kernel, Var recurrent_kernel, Var bias, Var h0, Var mask, const std::string& activation,
              const std::string& recurrent_activation, bool reset_after, bool reversed) {
  if (x.rank() != 3) throw UserError("gru: the input needs the axes [batch, time, features], not " + to_string(x.shape()));
  std::vector<Var> operands = {x, kernel, recurrent_kernel};
  if (bias.valid()) operands.push_back(bias);
  operands.push_back(h0.valid() ? h0 : full(*x.graph, {x.dtype(), {x.dim(0), recurrent_kernel.dim(0)}}, 0));
  if (mask.valid()) operands.push_back(mask);
  const Var first = add_op(op_gru, operands,
                           {{"activation", activation},
                            {"recurrent_activation", recurrent_activation},
                            {"reset_after", int64_t{reset_after}},
                            {"reversed", int64_t{reversed}},
                            {"bias", int64_t{bias.valid()}},
                            {"mask", int64_t{mask.valid()}}});
  return {first, {first.output(kHidden)}};
}

}  // namespace dl
