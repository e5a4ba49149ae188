#include "layers/activations.h"

#include <array>
#include <iterator>

#include "base/error.h"
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/nn.h"

// A select computes both sides, and a side that overflows would turn its zero gradient into NaN. So each side sees an
// argument clamped to the range in which it is chosen.
namespace dl {
namespace {

constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
constexpr double kSeluScale = 1.0507009873554804934193349852946;

Var negative_part(Var x) { return minimum(x, 0.0); }

Var relu6(Var x) { return clip(x, 0, 6); }
Var leaky_relu(Var x) { return select(less(x, 0.0), x * 0.2, x); }
Var elu(Var x) { return select(greater(x, 0.0), x, expm1(negative_part(x))); }
Var selu(Var x) { return kSeluScale * select(greater(x, 0.0), x, kSeluAlpha * expm1(negative_part(x))); }
Var celu(Var x) { return relu(x) + expm1(negative_part(x)); }
Var gelu_exact(Var x) { return gelu(x, false); }
Var softsign(Var x) { return x / (abs(x) + 1.0); }
Var softmax_last(Var x) { return softmax(x, -1); }
Var log_softmax_last(Var x) { return log_softmax(x, -1); }
Var hard_sigmoid(Var x) { return relu6(x + 3.0) / 6.0; }
Var hard_sigmoid_v2(Var x) { return clip(0.2 * x + 0.5, 0, 1); }  // of Keras 1 and 2
Var hard_silu(Var x) { return x * hard_sigmoid(x); }
Var hard_tanh(Var x) { return clip(x, -1, 1); }
Var hard_shrink(Var x) { return select(greater(abs(x), 0.5), x, 0.0); }
Var soft_shrink(Var x) { return select(greater(x, 0.5), x - 0.5, select(less(x, -0.5), x + 0.5, 0.0)); }
Var tanh_shrink(Var x) { return x - tanh(x); }
Var mish(Var x) { return x * tanh(softplus(x)); }
Var log_sigmoid(Var x) { return -softplus(-x); }
Var sparse_plus(Var x) { return select(less_equal(x, -1.0), 0.0, select(less(x, 1.0), 0.25 * square(clip(x, -1, 1) + 1.0), x)); }
Var sparse_sigmoid(Var x) { return clip(0.5 * (x + 1.0), 0, 1); }
// (x + sqrt(x^2 + 4)) / 2.
Var squareplus(Var x) { return 0.5 * (x + sqrt(square(x) + 4.0)); }
Var exponential(Var x) { return exp(x); }
Var linear(Var x) { return x; }

Var glu(Var x) {
  const Dim size = x.dim(-1);
  if (!size.known() || size.value() % 2 != 0)
    throw UserError("glu halves the last axis, whose size " + to_string(size) + " is not a known even number");
  const Dim half(size.value() / 2);
  return slice_axis(x, -1, 0, half) * sigmoid(slice_axis(x, -1, half, half));
}

// Keras's numbers: its threshold takes the sum of the running sums of what is above it, where the paper takes the last of them.
Var sparsemax(Var x) {
  if (x.rank() == 0) throw UserError("sparsemax needs a last axis");
  const int64_t axis = x.rank() - 1;
  const Var sorted = top_k(x, x.dim(axis), axis).values, sums = cumsum(sorted, axis);
  const Var places = iota(*x.graph, x.dtype(), {x.dim(axis)}, 0) + 1.0;
  const Var support = greater(sorted - (sums - 1.0) / places, 0.0);
  const Var count = reduce_sum(cast(support, x.dtype()), {axis}, true);
  return relu(x - (reduce_sum(select(support, sums, 0.0), {axis}, true) - 1.0) / count);
}

struct Row {
  std::string_view name;
  Var (*build)(Var);
};

constexpr Row kRows[] = {
    {"linear", linear},
    {"relu", relu},
    {"relu6", relu6},
    {"leaky_relu", leaky_relu},
    {"elu", elu},
    {"selu", selu},
    {"celu", celu},
    {"gelu", gelu_exact},
    {"silu", silu},
    {"swish", silu},
    {"softmax", softmax_last},
    {"log_softmax", log_softmax_last},
    {"sigmoid", sigmoid},
    {"tanh", tanh},
    {"softplus", softplus},
    {"softsign", softsign},
    {"hard_sigmoid", hard_sigmoid},
    {"hard_sigmoid_v2", hard_sigmoid_v2},
    {"hard_silu", hard_silu},
    {"hard_swish", hard_silu},
    {"hard_tanh", hard_tanh},
    {"hard_shrink", hard_shrink},
    {"soft_shrink", soft_shrink},
    {"tanh_shrink", tanh_shrink},
    {"mish", mish},
    {"glu", glu},
    {"log_sigmoid", log_sigmoid},
    {"sparse_plus", sparse_plus},
    {"sparse_sigmoid", sparse_sigmoid},
    {"sparsemax", sparsemax},
    {"squareplus", squareplus},
    {"exponential", exponential},
};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kRows)> names{};
  for (size_t i = 0; i < names.size(); ++i) names[i] = kRows[i].name;
  return names;
}();

}  // namespace

std::span<const std::string_view> activation_names() { return kNames; }

Var apply_activation(std::string_view name, Var x) {
  for (const Row& row : kRows)
    if (row.name == name) return row.build(x);
  DL_CHECK(false, "unknown activation " + std::string(name));
  return {};
}

}  // namespace dl
