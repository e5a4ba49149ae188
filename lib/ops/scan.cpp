#include "ops/scan.h"

#include <fmt/format.h>

#include "base/error.h"
#include "graph/program.h"
#include "ops/builders.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

// Where operands and results of a node lie.
struct ScanParts {
  size_t states, sequences, outputs;
  explicit ScanParts(const Attrs& attrs)
      : states(static_cast<size_t>(attrs.integer("states"))),
        sequences(attrs.integers("reversed").size()),
        outputs(attrs.integers("reversed_outputs").size()) {}
};

TensorType without_axis(TensorType type, size_t axis) {
  type.shape.erase(type.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return type;
}

TensorType with_axis(TensorType type, size_t axis, Dim size) {
  type.shape.insert(type.shape.begin() + static_cast<std::ptrdiff_t>(axis), size);
  return type;
}

std::vector<TensorType> scan_infer(const InferCall& call) {
  const Program& body = call.attrs.body("body");
  const ScanParts parts(call.attrs);
  const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
  if (parts.sequences == 0) infer_error(call, "needs a sequence to walk over");
  if (body.inputs.size() != call.inputs.size() || body.outputs.size() != parts.states + parts.outputs)
    infer_error(call, fmt::format("the body has {} inputs and {} outputs", body.inputs.size(), body.outputs.size()));
  const Dim steps = axis < call.inputs[parts.states].shape.size() ? call.inputs[parts.states].shape[axis] : Dim(0);
  for (size_t i = parts.states; i < parts.states + parts.sequences; ++i) {
    if (axis >= call.inputs[i].shape.size()) infer_error(call, fmt::format("operand {} has no axis {}", i, axis));
    if (call.inputs[i].shape[axis] != steps) infer_error(call, "the sequences have different lengths");
  }
  // The body written for these operands: its own input types only name them.
  Program step;
  std::vector<Value> operands;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const bool sequence = i >= parts.states && i < parts.states + parts.sequences;
    operands.push_back(input(step.graph, body.inputs[i].name, sequence ? without_axis(call.inputs[i], axis) : call.inputs[i]).value);
  }
  const std::vector<Value> results = inline_program(step.graph, body, operands);
  std::vector<TensorType> types;
  for (size_t i = 0; i < results.size(); ++i) {
    const TensorType& type = step.graph.type(results[i]);
    if (i < parts.states && type != call.inputs[i]) infer_error(call, fmt::format("state {} is {} after a step", i, to_string(type)));
    if (i >= parts.states && axis > type.shape.size()) infer_error(call, fmt::format("output {} has no place for axis {}", i, axis));
    types.push_back(i < parts.states ? type : with_axis(type, axis, steps));
  }
  return types;
}

std::vector<Var> scan_lower(const LowerCall& call) {
  const Program& body = call.attrs.body("body");
  const ScanParts parts(call.attrs);
  const int64_t axis = call.attrs.integer("axis");
  const Ints &reversed = call.attrs.integers("reversed"), &reversed_outputs = call.attrs.integers("reversed_outputs");
  const Dim steps = call.inputs[parts.states].dim(axis);
  if (!steps.known())
    throw UserError("scan: writing out the time steps needs a known number of them, not " + to_string(steps) +
                    "; give the time size in the input's shape");
  const int64_t count = steps.value();
  std::vector<Value> operands;
  for (const Var& v : call.inputs) operands.push_back(v.value);
  std::vector<std::vector<Var>> elements(parts.outputs);
  for (int64_t s = 0; s < count; ++s) {
    for (size_t i = 0; i < parts.sequences; ++i)
      operands[parts.states + i] =
          squeeze(slice_axis(call.inputs[parts.states + i], axis, reversed[i] ? count - 1 - s : s, 1), {axis}).value;
    const std::vector<Value> results = inline_program(call.graph, body, operands);
    std::copy_n(results.begin(), parts.states, operands.begin());
    for (size_t i = 0; i < parts.outputs; ++i) elements[i].push_back({&call.graph, results[parts.states + i]});
  }
  std::vector<Var> outputs;
  for (size_t i = 0; i < parts.states; ++i) outputs.push_back({&call.graph, operands[i]});
  for (size_t i = 0; i < parts.outputs; ++i) {
    std::vector<Var> rows;
    for (const Var& element : elements[i]) rows.push_back(expand_dims(element, axis));
    if (reversed_outputs[i]) std::reverse(rows.begin(), rows.end());
    outputs.push_back(rows.empty() ? full(call.graph, call.types[parts.states + i], 0) : concat(rows, axis));
  }
  return outputs;
}

double scan_flops(const CostCall& call) {
  const Program& body = call.attrs.body("body");
  double each = 0;
  for (uint32_t i = 0; i < body.graph.size(); ++i) {
    const Node& node = body.graph.node(i);
    std::vector<TensorType> inputs;
    for (Value v : node.inputs) inputs.push_back(body.graph.type(v));
    each += flops_of(*node.op, {node.attrs, inputs, node.types});
  }
  const Shape& sequence = call.inputs[ScanParts(call.attrs).states].shape;
  return each * static_cast<double>(sequence[static_cast<size_t>(call.attrs.integer("axis"))].value());
}

Var body_input(Program& body, const std::string& name, const TensorType& type) {
  const Var v = input(body.graph, name, type);
  body.inputs.push_back({name, v.value});
  return v;
}

// h = tanh(x w + sin(h)), giving every h; operands h, x, w.
Sample cell_sample(int64_t batch, int64_t steps, bool reversed) {
  Program body;
  const Var h = body_input(body, "h", {kF, {batch, 3}}), x = body_input(body, "x", {kF, {batch, 2}}),
            w = body_input(body, "w", {kF, {2, 3}});
  const Var next = tanh(matmul(x, w) + sin(h));
  body.outputs = {{"h", next.value}, {"y", next.value}};
  return {{{kF, {batch, 3}}, {kF, {batch, steps, 2}}, {kF, {2, 3}}},
          {{"body", Body(std::make_shared<const Program>(std::move(body)))},
           {"states", int64_t{1}},
           {"axis", int64_t{1}},
           {"reversed", Ints{reversed}},
           {"reversed_outputs", Ints{0}}}};
}

// Two states that feed each other, two sequences walked from both ends, two outputs written from both ends; along axis 0.
Sample both_ends_sample() {
  Program body;
  const Var a = body_input(body, "a", {kF, {2}}), b = body_input(body, "b", {kF, {2}});
  const Var x = body_input(body, "x", {kF, {2}}), y = body_input(body, "y", {kF, {1}});
  const Var next_a = sin(a * x) + b, next_b = b * y;
  body.outputs = {{"a", next_a.value}, {"b", next_b.value}, {"u", (next_a * x).value}, {"v", a.value}};
  return {{{kF, {2}}, {kF, {2}}, {kF, {4, 2}}, {kF, {4, 1}}},
          {{"body", Body(std::make_shared<const Program>(std::move(body)))},
           {"states", int64_t{2}},
           {"axis", int64_t{0}},
           {"reversed", Ints{0, 1}},
           {"reversed_outputs", Ints{1, 0}}}};
}

}  // namespace

const OpDef op_scan = {
    .name = "scan",
    .min_inputs = 1,
    .max_inputs = -1,
    .attrs = {{"body", Body(), true},
              {"states", int64_t{0}, true},
              {"axis", int64_t{0}, true},
              {"reversed", Ints{}, true},
              {"reversed_outputs", Ints{}, true}},
    .infer = scan_infer,
    .lower = scan_lower,
    .flops = scan_flops,
    .samples =
        [] {
          return std::vector<Sample>{cell_sample(2, 3, false), cell_sample(2, 4, true), cell_sample(1, 1, false), cell_sample(2, 0, false),
                                     both_ends_sample()};
        },
};

Scan add_scan(Program body, std::span<const Var> operands, size_t states, int64_t axis, Ints reversed, Ints reversed_outputs) {
  const size_t outputs = reversed_outputs.size();
  const Var first = add_op(op_scan, operands,
                           {{"body", Body(std::make_shared<const Program>(std::move(body)))},
                            {"states", static_cast<int64_t>(states)},
                            {"axis", axis},
                            {"reversed", std::move(reversed)},
                            {"reversed_outputs", std::move(reversed_outputs)}});
  Scan result;
  for (size_t i = 0; i < states + outputs; ++i)
    (i < states ? result.states : result.sequences).push_back(first.output(static_cast<uint32_t>(i)));
  return result;
}

Scan scan(std::span<const Var> states, std::span<const Var> sequences, std::span<const Var> constants, int64_t axis, bool reversed,
          const std::function<ScanStep(std::span<const Var>, std::span<const Var>, std::span<const Var>)>& step) {
  Program body;
  std::vector<Var> operands, inner[3];
  for (const Var& v : states) inner[0].push_back(body_input(body, fmt::format("state{}", inner[0].size()), v.type()));
  for (const Var& v : sequences) {
    const auto at = static_cast<size_t>(normalize_axis(axis, v.rank(), "scan"));
    inner[1].push_back(body_input(body, fmt::format("element{}", inner[1].size()), without_axis(v.type(), at)));
  }
  for (const Var& v : constants) inner[2].push_back(body_input(body, fmt::format("constant{}", inner[2].size()), v.type()));
  for (const auto& part : {states, sequences, constants}) operands.insert(operands.end(), part.begin(), part.end());
  const ScanStep result = step(inner[0], inner[1], inner[2]);
  DL_CHECK(result.states.size() == states.size(), "scan: a step must give every state");
  for (const Var& v : result.states) body.outputs.push_back({fmt::format("state{}", body.outputs.size()), v.value});
  for (const Var& v : result.outputs) body.outputs.push_back({fmt::format("output{}", body.outputs.size() - states.size()), v.value});
  return add_scan(std::move(body), operands, states.size(), axis, Ints(sequences.size(), reversed), Ints(result.outputs.size(), 0));
}

}  // namespace dl
