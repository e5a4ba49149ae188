#include "ops/recurrent.h"

#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::recurrent {
namespace {

constexpr double kSeluAlpha = 1.6732632423543772848170429916717, kSeluScale = 1.0507009873554804934193349852946;
constexpr double kLeakySlope = 0.2;

Var between(Var y, double low, double high, Var dy) { return select(logical_and(greater(y, low), less(y, high)), dy, 0.0); }

const Activation kActivations[] = {
    {"tanh", [](Var z) { return tanh(z); }, [](Var y, Var dy) { return dy * (1.0 - y * y); }},
    {"sigmoid", [](Var z) { return sigmoid(z); }, [](Var y, Var dy) { return dy * y * (1.0 - y); }},
    {"hard_sigmoid", [](Var z) { return clip(z + 3.0, 0, 6) / 6.0; }, [](Var y, Var dy) { return between(y, 0, 1, dy / 6.0); }},
    {"hard_sigmoid_v2", [](Var z) { return clip(0.2 * z + 0.5, 0, 1); }, [](Var y, Var dy) { return between(y, 0, 1, dy * 0.2); }},
    {"relu", [](Var z) { return relu(z); }, [](Var y, Var dy) { return select(greater(y, 0.0), dy, 0.0); }},
    {"linear", [](Var z) { return z; }, [](Var, Var dy) { return dy; }},
    {"elu", [](Var z) { return select(greater(z, 0.0), z, expm1(minimum(z, 0.0))); },
     [](Var y, Var dy) { return select(greater(y, 0.0), dy, dy * (y + 1.0)); }},
    {"selu", [](Var z) { return kSeluScale * select(greater(z, 0.0), z, kSeluAlpha * expm1(minimum(z, 0.0))); },
     [](Var y, Var dy) { return select(greater(y, 0.0), dy * kSeluScale, dy * (y + kSeluScale * kSeluAlpha)); }},
    {"softsign", [](Var z) { return z / (1.0 + abs(z)); }, [](Var y, Var dy) { return dy * square(1.0 - abs(y)); }},
    {"softplus", [](Var z) { return softplus(z); }, [](Var y, Var dy) { return dy * -expm1(-y); }},
    {"exponential", [](Var z) { return exp(z); }, [](Var y, Var dy) { return dy * y; }},
    {"relu6", [](Var z) { return clip(z, 0, 6); }, [](Var y, Var dy) { return between(y, 0, 6, dy); }},
    {"leaky_relu", [](Var z) { return select(greater(z, 0.0), z, z * kLeakySlope); },
     [](Var y, Var dy) { return select(greater(y, 0.0), dy, dy * kLeakySlope); }},
    {"gelu", [](Var z) { return gelu(z, false); },
     [](Var z, Var dy) {
       return add_op(op_gelu_grad, {z, dy}, {{"approximate", int64_t{0}}});
     },
     true},
    {"silu", [](Var z) { return silu(z); },
     [](Var z, Var dy) {
       return add_op(op_silu_grad, {z, dy});
     },
     true},
    {"swish", [](Var z) { return silu(z); },
     [](Var z, Var dy) {
       return add_op(op_silu_grad, {z, dy});
     },
     true},
};

}  // namespace

Var Activation::backward_both(Var r, Var dvalue, Var dreserve) const {
  if (reserves_argument) return sum_of(dvalue.valid() ? backward(r, dvalue) : Var{}, dreserve);
  return backward(r, sum_of(dvalue, dreserve));
}

const Activation& find_activation(const std::string& op, const std::string& name) {
  std::string names;
  for (const Activation& a : kActivations) {
    if (name == a.name) return a;
    names += std::string(names.empty() ? "" : ", ") + a.name;
  }
  throw UserError(op + ": activation '" + name + "' is not available in a recurrent layer; use one of " + names);
}

Var sum_of(Var a, Var b) { return !a.valid() ? b : !b.valid() ? a : a + b; }

Steps::Steps(const char* op, Dim steps, bool reversed, Var mask) : reversed_(reversed), mask_(mask) {
  if (!steps.known())
    throw UserError(std::string(op) + ": writing out the time steps (for a second derivative) needs a known number of them, not " +
                    to_string(steps) + "; give the time size in the input's shape");
  count_ = steps.value();
}

Var Steps::at(Var walked, int64_t step) { return squeeze(slice_axis(walked, 1, step, 1), {1}); }
Var Steps::input_at(Var x, int64_t step) const { return at(x, reversed_ ? count_ - 1 - step : step); }
Var Steps::mask_at(int64_t step) const { return mask_.valid() ? slice_axis(mask_, 1, reversed_ ? count_ - 1 - step : step, 1) : Var{}; }

Var Steps::keep(int64_t step, Var taken, Var otherwise) const { return mask_.valid() ? select(mask_at(step), taken, otherwise) : taken; }

Var Steps::state_before(Var sequence, Var h0, int64_t step) const {
  if (step == 0) return h0;
  const Var previous = at(sequence, step - 1);
  if (!mask_.valid()) return previous;
  Var started = mask_at(0);
  for (int64_t s = 1; s < step; ++s) started = logical_or(started, mask_at(s));
  return select(started, previous, h0);
}

Var Steps::stack(const std::vector<Var>& values, Graph& graph, const TensorType& type) {
  if (values.empty()) return full(graph, type, 0);
  std::vector<Var> rows;
  for (const Var& v : values) rows.push_back(expand_dims(v, 1));
  return concat(rows, 1);
}

Var columns(Var v, int64_t block, Dim width) { return slice_axis(v, -1, Dim(block) * width, width); }

Var product_over_time(Var a, Var b) {
  const auto flat = [](Var v) { return reshape(v, {v.dim(0) * v.dim(1), v.dim(2)}); };
  return matmul(flat(a), flat(b), true, false);
}

}  // namespace dl::recurrent
