// One step of an optimizer on one parameter. Formulas and slot meanings of Keras 3 (SGD, Adam, AdamW, RMSprop).
// Operands: parameter, gradient, slots..., scalars (rank 0). Results: the new parameter, the new slots.
#include "ops/builders.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

// `slots` tensors like the parameter follow the gradient; the rest are scalars.
std::vector<TensorType> infer_update(const InferCall& call, size_t slots) {
  check_same_float(call, 0, call.inputs.size());
  for (size_t i = 1; i < call.inputs.size(); ++i)
    check_shape(call, i, i < 2 + slots ? call.inputs[0].shape : Shape{}, i == 1 ? "the gradient" : i < 2 + slots ? "a slot" : "a scalar");
  return std::vector<TensorType>(1 + slots, call.inputs[0]);
}

Var optional_output(Var first, uint32_t index, bool present) { return present ? first.output(index) : Var{}; }

double parameter_count(const CostCall& call) { return static_cast<double>(element_count(call.inputs[0].shape).value()); }

// Slots are squares in places, so samples stay positive.
std::vector<Sample> update_samples(size_t slots, size_t scalars, const Attrs& attrs) {
  std::vector<Sample> samples;
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 0}, Shape{5, 67}}) {
    std::vector<TensorType> types(2 + slots, {kF, shape});
    types.insert(types.end(), scalars, {kF, {}});
    samples.push_back({std::move(types), attrs, 0.1, 0.9});
  }
  return samples;
}

void append(std::vector<Sample>& samples, std::vector<Sample> more) { samples.insert(samples.end(), more.begin(), more.end()); }

Attrs sgd_attrs(double momentum, bool nesterov) { return {{"momentum", momentum}, {"nesterov", int64_t{nesterov}}}; }
Attrs adam_attrs(double beta1, double beta2, double epsilon, double weight_decay) {
  return {{"beta1", beta1}, {"beta2", beta2}, {"epsilon", epsilon}, {"weight_decay", weight_decay}};
}
Attrs rmsprop_attrs(double rho, double momentum, double epsilon, bool centered) {
  return {{"rho", rho}, {"momentum", momentum}, {"epsilon", epsilon}, {"centered", int64_t{centered}}};
}

size_t sgd_slots(const Attrs& attrs) { return attrs.real("momentum") != 0 ? 1 : 0; }
size_t rmsprop_slots(const Attrs& attrs) { return 1 + (attrs.real("momentum") > 0 ? 1 : 0) + (attrs.flag("centered") ? 1 : 0); }

}  // namespace

// parameter, gradient, [velocity], learning_rate
const OpDef op_sgd_update = {
    .name = "sgd_update",
    .min_inputs = 3,
    .max_inputs = 4,
    .attrs = {{"momentum", 0.0, true}, {"nesterov", int64_t{0}, true}},
    .infer = [](const InferCall& call) { return infer_update(call, sgd_slots(call.attrs)); },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var p = call.inputs[0], step = call.inputs[1] * call.inputs.back();
      const double momentum = call.attrs.real("momentum");
      if (momentum == 0) return {p - step};
      const Var velocity = call.inputs[2] * momentum - step;
      return {p + (call.attrs.flag("nesterov") ? velocity * momentum - step : velocity), velocity};
    },
    .flops = [](const CostCall& call) { return 6 * parameter_count(call); },
    .samples = []() -> std::vector<Sample> {
      std::vector<Sample> samples = update_samples(0, 1, sgd_attrs(0, false));
      append(samples, update_samples(1, 1, sgd_attrs(0.9, false)));
      append(samples, update_samples(1, 1, sgd_attrs(0.9, true)));
      return samples;
    },
};

SgdUpdate sgd_update(Var parameter, Var gradient, Var velocity, Var learning_rate, double momentum, bool nesterov) {
  DL_CHECK(velocity.valid() == (momentum != 0), "SGD has a velocity exactly when it has momentum");
  std::vector<Var> operands = {parameter, gradient};
  if (velocity.valid()) operands.push_back(velocity);
  operands.push_back(learning_rate);
  const Var first = add_op(op_sgd_update, operands, sgd_attrs(momentum, nesterov));
  return {first, optional_output(first, 1, velocity.valid())};
}

// parameter, gradient, m, v, alpha, learning_rate
const OpDef op_adam_update = {
    .name = "adam_update",
    .min_inputs = 6,
    .max_inputs = 6,
    .attrs = {{"beta1", 0.9, true}, {"beta2", 0.999, true}, {"epsilon", 1e-7, true}, {"weight_decay", 0.0}},
    .infer = [](const InferCall& call) { return infer_update(call, 2); },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var g = call.inputs[1], alpha = call.inputs[4], learning_rate = call.inputs[5];
      const double decay = call.attrs.real("weight_decay");
      Var p = call.inputs[0];
      if (decay > 0) p = p - p * decay * learning_rate;
      const Var m = call.inputs[2] + (g - call.inputs[2]) * (1 - call.attrs.real("beta1"));
      const Var v = call.inputs[3] + (g * g - call.inputs[3]) * (1 - call.attrs.real("beta2"));
      return {p - m * alpha / (sqrt(v) + call.attrs.real("epsilon")), m, v};
    },
    .flops = [](const CostCall& call) { return 14 * parameter_count(call); },
    .samples = []() -> std::vector<Sample> {
      std::vector<Sample> samples = update_samples(2, 2, adam_attrs(0.9, 0.999, 1e-7, 0));
      append(samples, update_samples(2, 2, adam_attrs(0.5, 0.9, 1e-3, 0.1)));
      return samples;
    },
};

AdamUpdate adam_update(Var parameter, Var gradient, Var m, Var v, Var alpha, Var learning_rate, double beta1, double beta2, double epsilon,
                       double weight_decay) {
  const Var first =
      add_op(op_adam_update, {parameter, gradient, m, v, alpha, learning_rate}, adam_attrs(beta1, beta2, epsilon, weight_decay));
  return {first, first.output(1), first.output(2)};
}

// parameter, gradient, velocity, [momentum], [average], learning_rate
const OpDef op_rmsprop_update = {
    .name = "rmsprop_update",
    .min_inputs = 4,
    .max_inputs = 6,
    .attrs = {{"rho", 0.9, true}, {"momentum", 0.0, true}, {"epsilon", 1e-7, true}, {"centered", int64_t{0}, true}},
    .infer = [](const InferCall& call) { return infer_update(call, rmsprop_slots(call.attrs)); },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var p = call.inputs[0], g = call.inputs[1], learning_rate = call.inputs.back();
      const double rho = call.attrs.real("rho"), factor = call.attrs.real("momentum");
      const bool centered = call.attrs.flag("centered");
      const Var velocity = rho * call.inputs[2] + (1 - rho) * (g * g);
      Var average, denominator = velocity;
      if (centered) {
        average = rho * call.inputs[factor > 0 ? 4 : 3] + (1 - rho) * g;
        denominator = velocity - average * average;
      }
      const Var increment = learning_rate * g / sqrt(denominator + call.attrs.real("epsilon"));
      std::vector<Var> results = {p - increment, velocity};
      if (factor > 0) {
        const Var momentum = factor * call.inputs[3] + increment;
        results = {p - momentum, velocity, momentum};
      }
      if (centered) results.push_back(average);
      return results;
    },
    .flops = [](const CostCall& call) { return 14 * parameter_count(call); },
    .samples = []() -> std::vector<Sample> {
      std::vector<Sample> samples = update_samples(1, 1, rmsprop_attrs(0.9, 0, 1e-7, false));
      append(samples, update_samples(2, 1, rmsprop_attrs(0.9, 0.8, 1e-7, false)));
      // A centred second moment is a variance; samples are no history, so epsilon keeps the root real.
      append(samples, update_samples(2, 1, rmsprop_attrs(0.9, 0, 1, true)));
      append(samples, update_samples(3, 1, rmsprop_attrs(0.9, 0.8, 1, true)));
      return samples;
    },
};

RmspropUpdate rmsprop_update(Var parameter, Var gradient, Var velocity, Var momentum, Var average, Var learning_rate, double rho,
                             double momentum_factor, double epsilon, bool centered) {
  DL_CHECK(momentum.valid() == (momentum_factor > 0) && average.valid() == centered, "RMSprop: slots do not fit momentum and centered");
  std::vector<Var> operands = {parameter, gradient, velocity};
  if (momentum.valid()) operands.push_back(momentum);
  if (average.valid()) operands.push_back(average);
  operands.push_back(learning_rate);
  const Var first = add_op(op_rmsprop_update, operands, rmsprop_attrs(rho, momentum_factor, epsilon, centered));
  return {first, first.output(1), optional_output(first, 2, momentum.valid()), optional_output(first, momentum.valid() ? 3 : 2, centered)};
}

}  // namespace dl
