// Losses over class numbers: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
#include <fmt/format.h>

#include "io/onnx/import_util.h"
#include "ops/indexing.h"
#include "ops/nn.h"

namespace dl::onnx {
namespace {

// log_p [n, classes, places...], labels [n, places...].
Var likelihood_loss(NodeCall& call, Var log_p) {
  const Var given = call.in(1);
  if (log_p.rank() < 2 || given.rank() != log_p.rank() - 1) call.fail("the labels do not fit the scores");
  const std::string reduction = call.text("reduction", "mean");
  if (reduction != "mean" && reduction != "sum" && reduction != "none") call.fail(fmt::format("reduction '{}' is not known", reduction));
  const bool ignores = call.has_attribute("ignore_index");
  const double ignored = static_cast<double>(call.integer("ignore_index", 0));
  const Var skip = ignores ? equal(given, ignored) : Var{};
  const Var labels = ignores ? select(skip, 0.0, given) : given;
  Var loss = -squeeze(gather_elements(log_p, expand_dims(labels, 1), 1), {1});
  Var weight;
  if (call.has(2)) weight = gather(cast(call.in(2), loss.dtype()), labels, 0);
  if (ignores) weight = weight.valid() ? select(skip, 0.0, weight) : cast(logical_not(skip), loss.dtype());
  // An ignored place does not count even where its loss is not finite.
  if (weight.valid()) loss = ignores ? select(skip, 0.0, loss * weight) : loss * weight;
  if (reduction == "none") return loss;
  if (reduction == "sum") return reduce_sum(loss);
  return weight.valid() ? reduce_sum(loss) / reduce_sum(weight) : reduce_mean(loss);
}

OnnxValues import_nll_loss(NodeCall& call) { return {likelihood_loss(call, call.in(0))}; }

OnnxValues import_cross_entropy(NodeCall& call) {
  const Var scores = call.in(0);
  if (scores.rank() < 2) call.fail("takes scores [batch, classes, ...]");
  const Var log_p = log_softmax(scores, 1);
  return {likelihood_loss(call, log_p), log_p};
}

constexpr OpRow kLossRows[] = {
    {"NegativeLogLikelihoodLoss", 12, import_nll_loss},
    {"SoftmaxCrossEntropyLoss", 12, import_cross_entropy},
};

}  // namespace

std::span<const OpRow> onnx_rows_loss() { return kLossRows; }

}  // namespace dl::onnx
