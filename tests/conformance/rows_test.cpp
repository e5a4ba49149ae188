// Every kernel row that accepts a sample, against the operator's reference in double; in place; with two threads.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/parallel.h"
#include "base/philox.h"
#include "conformance/cases.h"
#include "ops/ops.h"

using namespace dl;
using namespace dl::conformance;

namespace {

Backend& cpu() {
  static const std::unique_ptr<Backend> backend = make_cpu_backend();
  return *backend;
}

// Operators that no kernel computes: the executor itself does.
const std::set<std::string_view> kExecutorOps = {"all_reduce"};

// The rounding of one operation relative to its result.
double epsilon_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return 0x1p-53;
    case DType::kFloat32:
      return 0x1p-24;
    case DType::kBFloat16:
      return 0x1p-9;
    default:
      return 0x1p-12;
  }
}

std::vector<Tensor> evaluate_in_double(Case& c, std::span<const Tensor> values) {
  Evaluator evaluator(cpu(), c.graph);
  for (size_t i = 0; i < c.inputs.size(); ++i) evaluator.feed(c.inputs[i].value, values[i]);
  std::vector<Tensor> results;
  const size_t count = c.graph.node(c.node).types.size();
  for (uint32_t k = 0; k < count; ++k) results.push_back(evaluator.evaluate({c.node.node, k}));
  return results;
}

// The truth for a sample: its results in double; how far one rounding of the operands, all relative changes of size 1, moves each
// element (a sum of n terms: about its terms' root mean square times sqrt(n)); and for composed operators, by how much their definition
// goes wrong when every operator of it rounds to float32.
struct Truth {
  std::vector<Tensor> results;
  std::vector<Tensor> sensitivity;
  std::vector<double> definition_error;

  Truth(const OpDef& op, const Sample& sample, size_t index) {
    Case wide(op, sample, index, DType::kFloat64);
    results = evaluate_in_double(wide, wide.values);
    for (const Tensor& r : results) sensitivity.push_back(Tensor(DType::kFloat64, r.dims()));
    if (op.kind != OpKind::kRandom)
      for (uint64_t trial = 0; trial < 6; ++trial) disturb(wide, trial);
    definition_error.assign(results.size(), 0);
    if (op.lower) measure_definition(op, sample, index);
  }

 private:
  void disturb(Case& wide, uint64_t trial) {
    constexpr double kStep = 0x1p-24;
    RandomSequence random(trial, 77);
    std::vector<Tensor> moved = wide.values;
    for (Tensor& v : moved) {
      if (!is_float(v.dtype())) continue;
      v = v.clone();
      for (int64_t i = 0; i < v.size(); ++i) v.set(i, v.at(i) * (1 + (random.next_u32() & 1 ? kStep : -kStep)));
    }
    const std::vector<Tensor> there = evaluate_in_double(wide, moved);
    for (size_t k = 0; k < results.size(); ++k)
      for (int64_t i = 0; i < results[k].size(); ++i) {
        const double change = std::abs(there[k].at(i) - results[k].at(i)) / kStep;
        if (change > sensitivity[k].at(i)) sensitivity[k].set(i, change);
      }
  }
  void measure_definition(const OpDef& op, const Sample& sample, size_t index) {
    Case narrow(op, sample, index, DType::kFloat32);
    const std::vector<TensorType> types = narrow.graph.node(narrow.node).types;
    const Attrs attrs = narrow.graph.node(narrow.node).attrs;
    const std::vector<Var> lowered = op.lower({narrow.graph, attrs, narrow.inputs, types});
    Evaluator evaluator(cpu(), narrow.graph);
    for (size_t i = 0; i < narrow.inputs.size(); ++i) evaluator.feed(narrow.inputs[i].value, narrow.values[i]);
    for (size_t k = 0; k < results.size(); ++k) {
      const Tensor got = evaluator.evaluate(lowered[k].value);
      for (int64_t i = 0; i < got.size(); ++i)
        if (const double error = std::abs(got.at(i) - results[k].at(i)); error > definition_error[k]) definition_error[k] = error;
    }
  }
};

// Empty when equal within a few roundings of the result and of the operands.
std::string compare(const Tensor& got, const Tensor& want, const Tensor& sensitivity, double own, double operand, double absolute) {
  const double epsilon = epsilon_of(got.dtype());
  for (int64_t i = 0; i < got.size(); ++i) {
    const double x = got.at(i), y = want.at(i);
    if (x == y || (x != x && y != y)) continue;
    if (!is_float(got.dtype())) return fmt::format("element {}: {} instead of {}", i, x, y);
    const double limit = epsilon * (own * std::abs(y) + operand * sensitivity.at(i)) + absolute + 0x1p-142;  // the last: subnormal floats
    if (!(std::abs(x - y) <= limit))
      return fmt::format("element {}: {:.9g} instead of {:.9g}, off by {:.3g}, allowed {:.3g}", i, x, y, std::abs(x - y), limit);
  }
  return {};
}

std::string compare_bits(std::span<const Tensor> a, std::span<const Tensor> b) {
  for (size_t k = 0; k < a.size(); ++k)
    for (int64_t i = 0; i < a[k].size(); ++i) {
      const auto size = size_of(a[k].dtype());
      const auto at = [&](const Tensor& t) { return static_cast<const std::byte*>(t.raw()) + static_cast<size_t>(i) * size; };
      if (std::memcmp(at(a[k]), at(b[k]), size) != 0)
        return fmt::format("result {} element {}: {:.17g} against {:.17g}", k, i, a[k].at(i), b[k].at(i));
    }
  return {};
}

void check(const std::string& error, const std::string& what) {
  if (!error.empty()) FAIL_CHECK((what + ": " + error));
}

void check_types(const BoundNode& node, std::span<const Tensor> results, const std::string& what) {
  for (size_t k = 0; k < results.size(); ++k) {
    const bool same = results[k].dtype() == node.outputs[k].dtype && results[k].dims() == node.outputs[k].dims;
    if (!same) FAIL_CHECK((what + ": result " + std::to_string(k) + " is not of the inferred type"));
  }
}

// True when the row accepts the sample.
bool check_row(const KernelRow& row, const OpDef& op, Case& c, const BoundNode& node, const Truth& truth) {
  const std::string what = fmt::format("{}, row '{}'", c.name, row.name);
  const auto kernel = prepare(cpu(), row, node);
  if (!kernel) return false;
  set_thread_count(1);
  const std::vector<Tensor> results = run(cpu(), *kernel, node, c.values);
  check_types(node, results, what);
  if (op.kind == OpKind::kRandom) {  // exact: the numbers are defined bit by bit, per type
    const auto reference = prepare(cpu(), *find_reference(cpu(), op), node);
    check(compare_bits(results, run(cpu(), *reference, node, c.values)), what);
  } else {
    for (size_t k = 0; k < results.size(); ++k)
      check(compare(results[k], truth.results[k], truth.sensitivity[k], 4, 12,
                    results[k].dtype() == DType::kFloat32 ? 2 * truth.definition_error[k] : 0),
            fmt::format("{} result {}", what, k));
  }
  for (const auto& pair : kernel->in_place) {
    const std::vector<Tensor> over = run(cpu(), *kernel, node, c.values, pair);
    check(compare_bits(results, over), fmt::format("{}, result {} over operand {}", what, pair.first, pair.second));
  }
  if (row.thread_invariant) {
    set_thread_count(2);
    const auto again = prepare(cpu(), row, node);  // a kernel may decide by thread count when it is prepared
    check(compare_bits(results, run(cpu(), *again, node, c.values)), what + ", one against two threads");
    set_thread_count(1);
  }
  return true;
}

// Rows times types that accept the sample.
int check_sample(const OpDef& op, const Sample& sample, size_t index) {
  std::vector<DType> types = {DType::kFloat32};
  if (is_float_sample(op, sample)) types = {DType::kFloat32, DType::kFloat64, DType::kBFloat16};
  const Truth truth(op, sample, index);
  int accepted = 0;
  for (DType dtype : types) {
    Case c(op, sample, index, dtype);
    const BoundNode node(c.graph, c.node.node);
    for (const KernelRow& row : cpu().kernels(op.name)) accepted += check_row(row, op, c, node, truth);
  }
  return accepted;
}

}  // namespace

TEST_CASE("every operator has a reference: a scalar kernel or a lowering") {
  for (const OpDef* op : all_ops()) {
    if (op->kind == OpKind::kSource || kExecutorOps.count(op->name)) continue;
    CAPTURE(std::string(op->name));
    CHECK((find_reference(cpu(), *op) || op->lower));
    CHECK_FALSE(samples_of(*op).empty());
  }
}

TEST_CASE("every kernel row agrees with the reference in double") {
  for (const OpDef* op : all_ops()) {
    if (op->kind == OpKind::kSource || kExecutorOps.count(op->name)) continue;
    const std::vector<Sample> own = samples_of(*op), large = large_samples_of(*op);
    // What no row accepts runs as its lowering.
    for (size_t i = 0; i < own.size(); ++i)
      CHECK_MESSAGE((check_sample(*op, own[i], i) > 0 || op->lower), std::string(op->name) << " sample " << i << ": no row accepts it");
    for (size_t i = 0; i < large.size(); ++i)
      CHECK_MESSAGE(check_sample(*op, large[i], 1000 + i) > 0, std::string(op->name) << " large sample " << i << ": no row accepts it");
  }
}

TEST_CASE("an operator with a scalar kernel and a lowering computes the same by both") {
  for (const OpDef* op : all_ops()) {
    const KernelRow* reference = op->lower ? find_reference(cpu(), *op) : nullptr;
    if (!reference) continue;
    const std::vector<Sample> own = samples_of(*op);
    for (size_t i = 0; i < own.size(); ++i) {
      Case c(*op, own[i], i, DType::kFloat64);
      const BoundNode node(c.graph, c.node.node);
      const std::vector<Tensor> direct = run(cpu(), *prepare(cpu(), *reference, node), node, c.values);
      std::vector<TensorType> types = c.graph.node(c.node).types;
      const Attrs attrs = c.graph.node(c.node).attrs;
      const std::vector<Var> lowered = op->lower({c.graph, attrs, c.inputs, types});
      Evaluator evaluator(cpu(), c.graph);
      for (size_t k = 0; k < c.inputs.size(); ++k) evaluator.feed(c.inputs[k].value, c.values[k]);
      const Truth truth(*op, own[i], i);
      for (size_t k = 0; k < direct.size(); ++k) {
        // Shares of paths are exponentials of sums of logarithms, which lose as many roundings as the sums are large: some tens.
        double absolute = 0;
        if (op == &op_ctc_loss_grad)
          for (int64_t j = 0; j < direct[k].size(); ++j)
            absolute = std::max(absolute, 512 * epsilon_of(DType::kFloat64) * std::abs(direct[k].at(j)));
        check(compare(evaluator.evaluate(lowered[k].value), direct[k], truth.sensitivity[k], 8, 16, absolute), c.name + ", lowering");
      }
    }
  }
}
