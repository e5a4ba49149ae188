// Sun et al., "Circle Loss" (2020): embeddings of one class close, those of others far, each pair by how far it still has to go.
#include "base/error.h"
#include "layers/losses/common.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Where `kept`, along the last axis; the second is whether there is any.
std::pair<Var, Var> log_sum_exp(Var x, Var kept) {
  const Var any = greater(reduce_max(select(kept, ones_like(x), 0.0), {-1}), 0.0);
  const Var top = stop_gradient(select(any, reduce_max(select(kept, x, -3e38), {-1}), 0.0));
  const Var sum = reduce_sum(select(kept, exp(select(kept, x - expand_dims(top, -1), 0.0)), 0.0), {-1});
  return {select(any, log(select(any, sum, 1.0)) + top, 0.0), any};
}

Var circle(const LossCall& call) {
  const Var y = call.y_pred;
  if (y.rank() != 2) throw UserError("takes embeddings [batch, size], the model gives " + to_string(y.shape()));
  const double gamma = call.config.real("gamma"), margin = call.config.real("margin");
  const Var labels = call.y_true;
  const Dim samples = y.dim(0);
  Var same = equal(expand_dims(labels, 1), expand_dims(labels, 0));
  const Var other = logical_not(same);
  if (call.config.flag("remove_diagonal")) {
    const Var row = iota(*y.graph, DType::kInt64, {samples, Dim(1)}, 0), column = iota(*y.graph, DType::kInt64, {Dim(1), samples}, 1);
    same = logical_and(same, not_equal(row, column));
  }
  const Var distance = maximum(1.0 - matmul(y, y, false, true), 0.0);
  const Var near = maximum(margin + distance, 0.0) * (margin - distance) * -gamma;
  const Var far = maximum(1 + margin - distance, 0.0) * (1 - margin - distance) * gamma;
  const auto [positive, has_positive] = log_sum_exp(near, same);
  const auto [negative, has_negative] = log_sum_exp(far, other);
  const Var both = logical_and(has_positive, has_negative);
  const Var loss = select(both, softplus(select(both, positive + negative, 0.0)), 0.0);
  *call.mask = greater(loss, 0.0);
  return loss;
}

}  // namespace

const LossDef loss_circle = {.name = "circle",
                             .class_name = "Circle",
                             .keys = {float_key("gamma", 80, 0), float_key("margin", 0.4, 0, 1), bool_key("remove_diagonal", true)},
                             .target = LossTarget::kGroup,
                             .build = circle};

}  // namespace dl
