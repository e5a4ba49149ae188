// First and second gradients against central differences in double.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autodiff/gradient.h"
#include "base/philox.h"
#include "conformance/cases.h"
#include "ops/builders.h"
#include "ops/ops.h"

using namespace dl;
using namespace dl::conformance;

namespace {

constexpr double kStep = 1e-5;
constexpr double kTolerance = 2e-6;  // of the values in play: steps of 1e-5 leave 1e-10 of curvature and as much of rounding

Backend& cpu() {
  static const std::unique_ptr<Backend> backend = make_cpu_backend();
  return *backend;
}

// The sum of all elements of all float values, each with its own random weight.
Var project(Graph& graph, std::span<const Var> values, RandomSequence& random) {
  Var total = scalar(graph, DType::kFloat64, 0);
  for (const Var& v : values) {
    if (!v.valid() || v.dtype() != DType::kFloat64) continue;
    Tensor weights(DType::kFloat64, known_dims(v.shape()));
    for (int64_t i = 0; i < weights.size(); ++i) weights.set(i, 0.5 + random.next_unit());
    const Var product = v * constant(graph, weights);
    total = total + (product.rank() ? reduce_sum(product) : product);
  }
  return total;
}

struct Function {
  Case& c;
  std::vector<size_t> wrt;  // float operands

  Tensor at(Var y, std::span<const Tensor> values) const {
    Evaluator evaluator(cpu(), c.graph);
    for (size_t i = 0; i < c.inputs.size(); ++i) evaluator.feed(c.inputs[i].value, values[i]);
    return evaluator.evaluate(y.value);
  }
  double difference(Var y, const std::vector<Tensor>& direction) const {
    double value[2];
    for (int side = 0; side < 2; ++side) {
      std::vector<Tensor> moved = c.values;
      for (size_t k = 0; k < wrt.size(); ++k) {
        Tensor& t = moved[wrt[k]] = c.values[wrt[k]].clone();
        for (int64_t i = 0; i < t.size(); ++i) t.set(i, t.at(i) + (side ? kStep : -kStep) * direction[k].at(i));
      }
      value[side] = at(y, moved).at(0);
    }
    return (value[1] - value[0]) / (2 * kStep);
  }
};

void check_directions(const Function& f, Var y, std::span<const Var> gradients, int64_t limit, const std::string& what,
                      RandomSequence& random) {
  std::vector<Tensor> slopes, zero;
  int64_t elements = 0;
  for (size_t k = 0; k < f.wrt.size(); ++k) {
    slopes.push_back(f.at(gradients[k], f.c.values));
    zero.push_back(Tensor(DType::kFloat64, slopes[k].dims()));
    elements += slopes[k].size();
  }
  const double scale = std::max(1.0, std::abs(f.at(y, f.c.values).at(0)));
  // Single elements, all where they are few; then directions through all of them.
  for (size_t k = 0; k < f.wrt.size(); ++k) {
    const int64_t size = slopes[k].size(),
                  step = std::max<int64_t>(1, elements > limit ? size * static_cast<int64_t>(f.wrt.size()) / limit : 1);
    for (int64_t i = 0; i < size; i += step) {
      std::vector<Tensor> direction = zero;
      direction[k] = zero[k].clone();
      direction[k].set(i, 1);
      const double want = f.difference(y, direction), got = slopes[k].at(i);
      if (!(std::abs(got - want) <= kTolerance * std::max({scale, std::abs(want)})))
        FAIL_CHECK(fmt::format("{}: operand {} element {}: {:.10g}, by differences {:.10g}", what, f.wrt[k], i, got, want));
    }
  }
  for (int trial = 0; elements > limit && trial < 3; ++trial) {
    std::vector<Tensor> direction;
    double got = 0;
    for (size_t k = 0; k < f.wrt.size(); ++k) {
      direction.push_back(zero[k].clone());
      for (int64_t i = 0; i < zero[k].size(); ++i)
        direction[k].set(i, random.next_unit() - 0.5), got += direction[k].at(i) * slopes[k].at(i);
    }
    const double want = f.difference(y, direction);
    if (!(std::abs(got - want) <= kTolerance * std::max({scale, std::abs(want)})))
      FAIL_CHECK(fmt::format("{}: along direction {}: {:.10g}, by differences {:.10g}", what, trial, got, want));
  }
}

void check_gradients(const OpDef& op, const Sample& sample, size_t index) {
  Case c(op, sample, index, DType::kFloat64, false);
  Function f{c, {}};
  std::vector<Var> wrt, outputs;
  for (size_t i = 0; i < c.inputs.size(); ++i)
    if (c.inputs[i].dtype() == DType::kFloat64) f.wrt.push_back(i), wrt.push_back(c.inputs[i]);
  const size_t count = c.graph.node(c.node).types.size();
  for (uint32_t k = 0; k < count; ++k) outputs.push_back({&c.graph, {c.node.node, k}});
  if (wrt.empty()) return;
  RandomSequence random(index, 5);
  const Var y = project(c.graph, outputs, random);
  const std::vector<Var> first = gradient(y, wrt);
  for (size_t k = 0; k < wrt.size(); ++k) CHECK_MESSAGE(first[k].type() == wrt[k].type(), c.name);
  check_directions(f, y, first, 24, c.name + " gradient", random);
  const Var z = project(c.graph, first, random);
  check_directions(f, z, gradient(z, wrt), 8, c.name + " second gradient", random);
}

}  // namespace

TEST_CASE("first and second gradients equal central differences") {
  for (const OpDef* op : all_ops()) {
    if (op->kind == OpKind::kSource || (!op->grad && op->no_gradient)) continue;
    const std::vector<Sample> samples = samples_of(*op);
    for (size_t i = 0; i < samples.size(); ++i) {
      if (!samples[i].differentiable) continue;
      CAPTURE(std::string(op->name));
      CAPTURE(i);
      CHECK_NOTHROW(check_gradients(*op, samples[i], i));
    }
  }
}
