// The probability of a row of labels is a sum over all alignments with the steps in time: forward and backward variables over the
// labels with a blank before, between and after them (Graves et al., 2006), in logarithms.
#include "ops/ctc.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

constexpr double kNever = -1e30;  // the logarithm of 0, finite so that its derivatives are

void check_ctc(const InferCall& call) {
  const Shape &logits = call.inputs[0].shape, &labels = call.inputs[1].shape;
  if (!is_float(call.inputs[0].dtype) || logits.size() != 3) infer_error(call, "logits must be floats [batch, time, classes]");
  if (call.inputs[1].dtype != kI || labels.size() != 2) infer_error(call, "labels must be int64 [batch, length]");
  if (!(labels[0] == logits[0]))
    infer_error(call, "labels and logits must have the same batch: " + to_string(labels) + ", " + to_string(logits));
}

Var log_add(std::vector<Var> terms) {
  Var top = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) top = maximum(top, terms[i]);
  top = stop_gradient(top);
  Var sum = exp(terms[0] - top);
  for (size_t i = 1; i < terms.size(); ++i) sum = sum + exp(terms[i] - top);
  return log(sum) + top;
}

Var log_sum(Var x) {  // over the last axis
  const Var top = stop_gradient(reduce_max(x, {-1}, true));
  return log(reduce_sum(exp(x - top), {-1})) + squeeze(top, {-1});
}

// The recursions, step by step in small operators.
struct Alignments {
  std::vector<Var> log_p;  // [batch, states] of each step
  Var places;              // classes of the states, [batch, states]
  Var skips;               // whether a state may be reached from the one before the last
  Var ends;                // the states where an alignment may end
  Dim states;

  Alignments(Var logits, Var labels) {
    Graph& graph = *logits.graph;
    const Dim batch = logits.dim(0), length = labels.dim(1);
    if (!logits.dim(1).known() || !length.known())
      throw UserError("ctc_loss: the numbers of steps and labels must be known here, not " + to_string(logits.shape()) + ", " +
                      to_string(labels.shape()));
    states = length * Dim(2) + Dim(1);
    const Var blanks = full(graph, {kI, {batch, length}}, 0);
    const Var pairs = reshape(concat({expand_dims(blanks, 2), expand_dims(labels, 2)}, 2), {batch, length * Dim(2)});
    places = concat({pairs, full(graph, {kI, {batch, Dim(1)}}, 0)}, 1);
    const Var state = iota(graph, kI, {Dim(1), states}, 1);
    skips = logical_and(greater(state, 1.0), not_equal(places, shifted(places, 2, -1.0)));
    const Var last = expand_dims(reduce_sum(cast(not_equal(labels, 0.0), kI), {1}), 1) * scalar(graph, kI, 2);
    ends = logical_or(equal(state, last), equal(state, last - scalar(graph, kI, 1)));
    const Var all = gather_elements(log_softmax(logits), broadcast_to(expand_dims(places, 1), {batch, logits.dim(1), states}), 2);
    for (int64_t t = 0; t < logits.dim(1).value(); ++t) log_p.push_back(squeeze(slice_axis(all, 1, Dim(t), Dim(1)), {1}));
  }

  // x[s - by], and `value` where there is none.
  Var shifted(Var x, int64_t by, double value) const {
    const Dim count = states - Dim(std::abs(by)), zero(0);
    if (count.value() <= 0) return full(*x.graph, x.type(), value);
    const Var part = slice_axis(x, 1, by > 0 ? zero : Dim(-by), count);
    return pad(part, std::vector<int64_t>{0, std::max<int64_t>(by, 0)}, std::vector<int64_t>{0, std::max<int64_t>(-by, 0)}, value);
  }

  std::vector<Var> forward() const {
    const Var state = iota(*places.graph, kI, {Dim(1), states}, 1);
    std::vector<Var> alpha = {select(less(state, 2.0), log_p[0], kNever)};
    for (size_t t = 1; t < log_p.size(); ++t) {
      const Var a = alpha.back();
      alpha.push_back(log_add({a, shifted(a, 1, kNever), select(skips, shifted(a, 2, kNever), kNever)}) + log_p[t]);
    }
    return alpha;
  }

  std::vector<Var> backward() const {
    std::vector<Var> beta(log_p.size());
    beta.back() = select(ends, log_p.back(), kNever);
    for (size_t t = log_p.size() - 1; t-- > 0;) {
      const Var b = beta[t + 1];
      beta[t] = log_add({b, shifted(b, -1, kNever), shifted(select(skips, b, kNever), -2, kNever)}) + log_p[t];
    }
    return beta;
  }

  Var total(const std::vector<Var>& alpha) const { return log_sum(select(ends, alpha.back(), kNever)); }
};

Tensor labels(Dims dims, std::vector<int64_t> values) { return Tensor::from<int64_t>(std::move(dims), values); }

std::vector<Sample> ctc_samples(bool gradient) {
  std::vector<Sample> samples;
  const auto add = [&](Shape logits, Tensor given, double range) {
    const Shape batch = {logits[0]};
    Sample s{{{kF, std::move(logits)}, {kI, to_shape(given.dims())}}, {}, -range, range, {{}, std::move(given)}};
    if (gradient) {
      s.inputs.push_back({kF, batch});
      s.values.push_back({});
    }
    samples.push_back(std::move(s));
  };
  add({2, 5, 4}, labels({2, 2}, {1, 3, 2, 2}), 2);  // a repeated label needs a blank between
  add({3, 4, 3}, labels({3, 3}, {1, 0, 0, 2, 1, 0, 0, 0, 0}), 2);
  add({1, 1, 2}, labels({1, 1}, {1}), 2);
  add({2, 3, 3}, labels({2, 0}, {}), 2);
  add({0, 3, 3}, labels({0, 2}, {}), 2);
  add({1, 9, 5}, labels({1, 4}, {4, 4, 1, 2}), 20);
  return samples;
}

double ctc_cost(const CostCall& call) {
  return 20 * static_cast<double>(element_count(call.inputs[0].shape).value() +
                                  (call.inputs[0].shape[1] * element_count(call.inputs[1].shape)).value());
}

}  // namespace

const OpDef op_ctc_loss = {
    .name = "ctc_loss",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_ctc(call);
      return {{call.inputs[0].dtype, {call.inputs[0].shape[0]}}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {add_op(op_ctc_loss_grad, {call.inputs[0], call.inputs[1], call.douts[0]}), Var{}};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Alignments a(call.inputs[0], call.inputs[1]);
      const Var total = a.total(a.forward());
      return {select(less(total, kNever / 10), std::numeric_limits<double>::infinity(), -total)};
    },
    .flops = ctc_cost,
    .samples = [] { return ctc_samples(false); },
};

// (softmax - the probability that a step is aligned with the class) dy
const OpDef op_ctc_loss_grad = {
    .name = "ctc_loss_grad",
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_ctc(call);
      check_shape(call, 2, {call.inputs[0].shape[0]}, "dy");
      return {call.inputs[0]};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var logits = call.inputs[0];
      const Alignments a(logits, call.inputs[1]);
      const std::vector<Var> alpha = a.forward(), beta = a.backward();
      const Var total = expand_dims(a.total(alpha), 1);
      std::vector<Var> steps;
      for (size_t t = 0; t < alpha.size(); ++t) steps.push_back(expand_dims(exp(alpha[t] + beta[t] - a.log_p[t] - total), 1));
      const Var aligned = matmul(concat(steps, 1), one_hot(a.places, logits.dim(2), logits.dtype()));
      return {(softmax(logits) - aligned) * expand_dims(expand_dims(call.inputs[2], -1), -1)};
    },
    .flops = ctc_cost,
    .samples = [] { return ctc_samples(true); },
};

Var ctc_loss(Var logits, Var labels) { return add_op(op_ctc_loss, {logits, labels}); }

}  // namespace dl
