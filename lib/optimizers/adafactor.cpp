#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

// Second moments of a matrix are kept as those of its rows and columns.
std::vector<SlotSpec> adafactor_slots(const Config&, const WeightInfo& weight) {
  const SlotSpec velocity = {.name = "v", .keras_name = "velocity", .keras2_name = "v"};
  if (weight.shape.size() < 2)
    return {{.name = "", .keras_name = "r", .shape = Shape{}}, {.name = "", .keras_name = "c", .shape = Shape{}}, velocity};
  Shape rows = weight.shape, columns = weight.shape;
  rows.pop_back();
  columns.erase(columns.end() - 2);
  return {{.name = "r", .keras_name = "r", .shape = rows}, {.name = "c", .keras_name = "c", .shape = columns}, velocity};
}

Var root_mean_square(Var x) { return sqrt(reduce_mean(square(x))); }

Var adafactor_update(const OptimizerCall& call) {
  const Var p = decayed(call), g = call.gradient, step = call.step;
  const Var rho = minimum(call.learning_rate, 1.0 / sqrt(step));
  const Var alpha = maximum(root_mean_square(p), call.config.real("epsilon_2")) * rho;
  const Var squares = square(g) + call.config.real("epsilon_1");
  const Var beta = 1.0 - pow(step, call.config.real("beta_2_decay"));
  Var v;
  if (p.rank() < 2) {
    v = beta * call.slot("v") + (1.0 - beta) * squares;
  } else {
    const Var r = beta * call.slot("r") + (1.0 - beta) * reduce_mean(squares, {-1});
    const Var c = beta * call.slot("c") + (1.0 - beta) * reduce_mean(squares, {-2});
    call.set_slot("r", r);
    call.set_slot("c", c);
    v = expand_dims(r / reduce_mean(r, {-1}, true), -1) * expand_dims(c, -2);
  }
  call.set_slot("v", v);
  const Var u = g / sqrt(v);
  return p - alpha * (u / maximum(root_mean_square(u) / call.config.real("clip_threshold"), 1.0));
}

ConfigKey positive(const char* name, double fallback) { return float_key(name, fallback, 0); }

}  // namespace

extern const OptimizerDef optimizer_adafactor;
const OptimizerDef optimizer_adafactor = {
    .class_name = "Adafactor",
    .summary = "Adaptive steps whose second moments are kept by rows and columns.",
    .keys = {float_key("beta_2_decay", -0.8, -10, 0), positive("epsilon_1", 1e-30), positive("epsilon_2", 1e-3),
             positive("clip_threshold", 1), bool_key("relative_step", true)},
    .slots = adafactor_slots,
    .update = adafactor_update,
};

}  // namespace dl
