#include "autodiff/scan_gradient.h"

#include <fmt/format.h>

#include "autodiff/gradient.h"
#include "graph/program.h"
#include "ops/builders.h"
#include "ops/scan.h"

namespace dl {
namespace {

using Ints = std::vector<int64_t>;

Var add_input(Program& program, const char* kind, const TensorType& type) {
  const std::string name = fmt::format("{}{}", kind, program.inputs.size());
  const Var v = input(program.graph, name, type);
  program.inputs.push_back({name, v.value});
  return v;
}

void add_output(Program& program, Var v) { program.outputs.push_back({fmt::format("out{}", program.outputs.size()), v.value}); }

TensorType element_type(Var sequence, int64_t axis) {
  TensorType type = sequence.type();
  type.shape.erase(type.shape.begin() + axis);
  return type;
}

}  // namespace

std::vector<Var> differentiate_scan(const GradCall& call) {
  const Program& body = call.attrs.body("body");
  const auto states = static_cast<size_t>(call.attrs.integer("states"));
  const int64_t axis = call.attrs.integer("axis");
  const Ints &reversed = call.attrs.integers("reversed"), &reversed_outputs = call.attrs.integers("reversed_outputs");
  const size_t sequences = reversed.size(), count = call.inputs.size();
  const auto is_sequence = [&](size_t i) { return i >= states && i < states + sequences; };
  const auto has_gradient = [&](size_t i) { return is_float(call.inputs[i].dtype()); };

  // The forward scan once more, with the states before each step.
  Program recording = body;
  for (size_t i = 0; i < states; ++i) recording.outputs.push_back({fmt::format("before{}", i), body.inputs[i].value});
  Ints recorded_outputs = reversed_outputs;
  recorded_outputs.resize(reversed_outputs.size() + states, 0);
  const Scan recorded = add_scan(std::move(recording), call.inputs, states, axis, reversed, recorded_outputs);
  const std::span<const Var> before = std::span(recorded.sequences).last(states);

  // Operands of the backward scan: gradients of the states and sums of those of the constants; states before the step, elements and
  // gradients of the outputs; the constants. Its body takes them in the same order.
  Program back;
  std::vector<Var> operands, dstates(states), sums(count), inner(count), douts(reversed_outputs.size());
  Ints back_reversed;
  size_t carried = 0;
  for (size_t i = 0; i < count; ++i) {
    if (is_sequence(i) || !has_gradient(i)) continue;
    const bool state = i < states;
    operands.push_back(state && call.douts[i].valid() ? call.douts[i] : zeros_like(call.inputs[i]));
    (state ? dstates[i] : sums[i]) = add_input(back, state ? "dstate" : "sum", call.inputs[i].type());
    ++carried;
  }
  const auto walk = [&](Var sequence, bool from_end) {
    operands.push_back(sequence);
    back_reversed.push_back(from_end);
    return add_input(back, "element", element_type(sequence, axis));
  };
  for (size_t i = 0; i < states; ++i) inner[i] = walk(before[i], true);
  for (size_t i = 0; i < sequences; ++i) inner[states + i] = walk(call.inputs[states + i], !reversed[i]);
  for (size_t i = 0; i < douts.size(); ++i)
    if (const Var dout = call.douts[states + i]; dout.valid()) douts[i] = walk(dout, !reversed_outputs[i]);
  for (size_t i = states + sequences; i < count; ++i) {
    operands.push_back(call.inputs[i]);
    inner[i] = add_input(back, "constant", call.inputs[i].type());
  }

  // The body's gradient.
  std::vector<Value> values;
  for (const Var& v : inner) values.push_back(v.value);
  const std::vector<Value> results = inline_program(back.graph, body, values);
  std::vector<Var> total(count);
  for (size_t k = 0; k < results.size(); ++k) {
    const Var y{&back.graph, results[k]}, dy = k < states ? dstates[k] : douts[k - states];
    if (!dy.valid()) continue;
    const std::vector<Var> part = gradient(y, inner, dy);
    for (size_t i = 0; i < count; ++i)
      if (has_gradient(i)) total[i] = total[i].valid() ? total[i] + part[i] : part[i];
  }
  Ints back_outputs;
  const auto gradient_of = [&](size_t i) { return total[i].valid() ? total[i] : zeros_like(inner[i]); };
  for (size_t i = 0; i < count; ++i)
    if (!is_sequence(i) && has_gradient(i)) add_output(back, i < states ? gradient_of(i) : sums[i] + gradient_of(i));
  for (size_t i = states; i < states + sequences; ++i)
    if (has_gradient(i)) {
      add_output(back, gradient_of(i));
      back_outputs.push_back(!reversed[i - states]);
    }
  const Scan scanned = add_scan(std::move(back), operands, carried, axis, back_reversed, back_outputs);

  std::vector<Var> gradients(count);
  size_t state = 0, sequence = 0;
  for (size_t i = 0; i < count; ++i)
    if (has_gradient(i)) gradients[i] = is_sequence(i) ? scanned.sequences[sequence++] : scanned.states[state++];
  return gradients;
}

}  // namespace dl
