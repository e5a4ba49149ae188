// If, Loop and Scan, written out: a branch is chosen, a body is imported once for each trip. Conditions and counts must be known.
#include <algorithm>

#include "io/onnx/import_util.h"
#include "io/onnx/importer.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

OnnxValues import_if(NodeCall& call) {
  if (const std::optional<Tensor> condition = call.try_concrete(0)) {
    if (condition->size() != 1) call.fail("the condition must be one boolean");
    return call.run_subgraph(condition->at(0) != 0 ? "then_branch" : "else_branch", {});
  }
  // Both are computed and one is taken, where they have the same types and the condition is a scalar; else its value has to be known.
  OnnxValues yes, no;
  try {
    yes = call.run_subgraph("then_branch", {}), no = call.run_subgraph("else_branch", {});
  } catch (NeedsInput&) {
    throw;
  } catch (FileError&) {
    yes.clear(), no.clear();
  }
  const Var condition = call.in(0);
  bool same = !yes.empty() && yes.size() == no.size() && element_count(condition.shape()) == Dim(1);
  OnnxValues outputs;
  for (size_t i = 0; same && i < yes.size(); ++i) {
    const Var a = call.importer().materialise(yes[i]), b = call.importer().materialise(no[i]);
    same = a.type() == b.type();
    if (same) outputs.emplace_back(select(reshape(condition, {}), a, b));
  }
  if (same) return outputs;
  call.concrete(0, "the branch of an If");
  return {};
}

// What the trips of a loop gave, side by side along a new axis.
Var stack(NodeCall& call, const OnnxValues& trips, int64_t axis, bool reversed) {
  std::vector<Var> parts;
  for (const OnnxValue& v : trips) {
    const Var part = call.importer().materialise(v);
    parts.push_back(expand_dims(part, normalize_axis(axis, part.rank() + 1, "axis")));
  }
  if (reversed) std::reverse(parts.begin(), parts.end());
  return concat(parts, axis);
}

bool is_true(NodeCall& call, const OnnxValue& value) {
  const Tensor t = call.importer().evaluate(value, "the condition of a loop");
  if (t.size() != 1) call.fail("the condition must be one boolean");
  return t.at(0) != 0;
}

OnnxValues import_loop(NodeCall& call) {
  constexpr const char* kCount =
      "the trip count of the loop, which is written out (a model exported with a fixed number of steps, or with LSTM, GRU and RNN nodes, "
      "has "
      "no need of it),";
  const int64_t limit = call.has(0) ? call.int_value(0, kCount) : -1;
  const bool counted = call.has(0);
  const size_t states = call.inputs() > 2 ? call.inputs() - 2 : 0, results = call.subgraph_outputs("body");
  if (results < 1 + states) call.fail("its body has too few outputs");
  if (call.subgraph_inputs("body") != states + 2) call.fail("its body has another number of inputs");
  OnnxValues state(call.values().begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(2, call.inputs())), call.values().end());
  std::vector<OnnxValues> scans(results - 1 - states);
  OnnxValue condition = call.has(1) ? call.value(1) : OnnxValue(Tensor::scalar(true));
  for (int64_t trip = 0; !counted || trip < limit; ++trip) {
    if (!is_true(call, condition)) break;
    if (trip >= kMaxUnrolledNodes) call.unsupported("a loop of that many trips");
    OnnxValues inputs = {OnnxValue(Tensor::scalar(trip)), condition};
    inputs.insert(inputs.end(), state.begin(), state.end());
    const OnnxValues outputs = call.run_subgraph("body", std::move(inputs));
    condition = outputs[0];
    for (size_t s = 0; s < states; ++s) state[s] = outputs[1 + s];
    for (size_t s = 0; s < scans.size(); ++s) scans[s].push_back(outputs[1 + states + s]);
  }
  OnnxValues outputs = state;
  for (const OnnxValues& scan : scans) {
    if (scan.empty()) call.unsupported("a loop without trips that collects values");
    outputs.emplace_back(stack(call, scan, 0, false));
  }
  return outputs;
}

// The body's operands: first `states` values that pass from trip to trip, then those whose slices the trips take.
struct ScanPlan {
  OnnxValues operands;
  size_t states;
  std::vector<int64_t> in_axes, in_reversed, out_axes, out_reversed;
};

OnnxValues run_scan(NodeCall& call, const ScanPlan& plan) {
  const size_t states = plan.states, collected = call.subgraph_outputs("body") - states;
  OnnxValues state(plan.operands.begin(), plan.operands.begin() + static_cast<std::ptrdiff_t>(states));
  std::vector<Var> inputs;
  std::vector<int64_t> axes;
  Dims lengths;
  for (size_t i = states; i < plan.operands.size(); ++i) {
    inputs.push_back(call.importer().materialise(plan.operands[i]));
    axes.push_back(checked_axis(call, plan.in_axes[i - states], inputs.back().rank()));
    lengths.push_back(known_shape(call, {inputs.back().dim(axes.back())}, "the trips of a scan")[0]);
    if (lengths[0] != lengths.back()) call.fail("scanned inputs have different lengths");
  }
  if (lengths[0] > kMaxUnrolledNodes) call.unsupported("a scan of that many trips");
  if (lengths[0] == 0 && collected > 0) call.unsupported("a scan without trips");
  std::vector<OnnxValues> scans(collected);
  for (int64_t trip = 0; trip < lengths[0]; ++trip) {
    OnnxValues given = state;
    for (size_t k = 0; k < inputs.size(); ++k) {
      const int64_t at = plan.in_reversed[k] ? lengths[0] - 1 - trip : trip;
      given.emplace_back(squeeze(slice_axis(inputs[k], axes[k], at, 1), {axes[k]}));
    }
    const OnnxValues outputs = call.run_subgraph("body", std::move(given));
    for (size_t s = 0; s < states; ++s) state[s] = outputs[s];
    for (size_t s = 0; s < collected; ++s) scans[s].push_back(outputs[states + s]);
  }
  for (size_t s = 0; s < collected; ++s) state.emplace_back(stack(call, scans[s], plan.out_axes[s], plan.out_reversed[s] != 0));
  return state;
}

// Reads the attributes; the operands begin with input `first`.
ScanPlan scan_plan(NodeCall& call, size_t first) {
  const auto scanned = call.integer("num_scan_inputs");
  if (scanned < 1 || scanned > static_cast<int64_t>(call.inputs()) - static_cast<int64_t>(first))
    call.fail("num_scan_inputs is not one of its inputs");
  const size_t states = call.inputs() - first - static_cast<size_t>(scanned), results = call.subgraph_outputs("body");
  if (results < states) call.fail("its body has too few outputs");
  const auto list = [&](const char* name, size_t count) {
    std::vector<int64_t> values = call.integers(name);
    if (values.empty()) values.assign(count, 0);
    if (values.size() != count) call.fail(std::string(name) + " has another length");
    return values;
  };
  const auto inputs = static_cast<size_t>(scanned);
  return {OnnxValues(call.values().begin() + static_cast<std::ptrdiff_t>(first), call.values().end()),
          states,
          list("scan_input_axes", inputs),
          list(first == 0 ? "scan_input_directions" : "directions", inputs),
          list("scan_output_axes", results - states),
          list("scan_output_directions", results - states)};
}

// Opset 8: every operand has an axis of samples first, each of which is scanned by itself.
OnnxValues scan_samples(NodeCall& call) {
  if (call.has(0)) call.unsupported("a scan whose samples have lengths of their own");
  ScanPlan plan = scan_plan(call, 1);
  std::vector<Var> inputs;
  for (const OnnxValue& v : plan.operands) inputs.push_back(call.importer().materialise(v));
  if (inputs[0].rank() == 0) call.fail("its operands need an axis of samples");
  const int64_t samples = known_shape(call, {inputs[0].dim(0)}, "the samples of a scan")[0];
  if (samples < 1) call.unsupported("a scan without samples");
  std::vector<std::vector<Var>> parts;
  for (int64_t b = 0; b < samples; ++b) {
    for (size_t i = 0; i < inputs.size(); ++i) plan.operands[i] = squeeze(slice_axis(inputs[i], 0, b, 1), {0});
    const OnnxValues outputs = run_scan(call, plan);
    parts.resize(outputs.size());
    for (size_t o = 0; o < outputs.size(); ++o) parts[o].push_back(expand_dims(call.importer().materialise(outputs[o]), 0));
  }
  OnnxValues outputs;
  for (const std::vector<Var>& list : parts) outputs.emplace_back(concat(list, 0));
  return outputs;
}

OnnxValues import_scan(NodeCall& call) { return call.opset() < 9 ? scan_samples(call) : run_scan(call, scan_plan(call, 0)); }

constexpr OpRow kControlRows[] = {
    {"If", 1, import_if, kAnyType},
    {"Loop", 1, import_loop, kAnyType},
    {"Scan", 8, import_scan, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_control() { return kControlRows; }

}  // namespace dl::onnx
