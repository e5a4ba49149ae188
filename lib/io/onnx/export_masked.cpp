#include "io/onnx/export_masked.h"

#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

std::string wide(Emitter& e, const std::string& steps) { return e.op("Unsqueeze", {steps, e.ints({2}, "axes")}); }
std::string integer(Emitter& e, int64_t value) { return e.scalar(DType::kInt64, static_cast<double>(value)); }
// One index for each step, for all of the `features` there.
std::string for_all(Emitter& e, const std::string& steps, Dim features) {
  return e.op("Expand", {wide(e, steps), e.sizes({Dim(1), Dim(1), features}, {})});
}
std::string cast(Emitter& e, const std::string& x, DType type) { return e.op("Cast", {x}, {{"to", int64_t{onnx_type(type)}}}); }

Value without_reshapes(const Emitter& e, Value v) {
  while (e.is(v, op_reshape) || e.is(v, op_broadcast_to)) v = e.node(v).inputs[0];
  return v;
}

// The lengths in the mask "place < length", as sequences with lengths give it.
std::optional<Value> lengths_of(const Emitter& e, Value mask) {
  if (!e.is(mask, op_less)) return std::nullopt;
  const Value place = without_reshapes(e, e.node(mask).inputs[0]);
  Value length = without_reshapes(e, e.node(mask).inputs[1]);
  if (e.is(length, op_cast) && e.type(e.node(length).inputs[0]).dtype == DType::kInt32) length = e.node(length).inputs[0];
  const Shape& steps = e.shape(mask);
  const bool counts = e.is(place, op_iota) && e.shape(place).back() == steps[1] &&
                      e.node(place).attrs.integer("axis") + 1 == static_cast<int64_t>(e.shape(place).size());
  return counts && e.shape(length) == Shape{steps[0]} ? std::optional(length) : std::nullopt;
}

}  // namespace

bool is_prefix_mask(const Emitter& e, Value mask) { return lengths_of(e, mask).has_value(); }

KeptSteps keep_steps(Emitter& e, Value x, Value mask) {
  KeptSteps steps{mask, "", "", "", ""};
  if (const auto lengths = lengths_of(e, mask)) {
    steps.lengths = e.type(*lengths).dtype == DType::kInt32 ? e.use(*lengths) : cast(e, e.use(*lengths), DType::kInt32);
    return steps;
  }
  const std::string axis = integer(e, 1);
  steps.kept = cast(e, e.use(mask), DType::kInt64);
  steps.counts = e.op("CumSum", {steps.kept, axis});
  const std::string total = e.op("ReduceSum", {steps.kept, e.ints({1}, "axes")});  // [batch, 1]
  steps.lengths = cast(e, e.op("Squeeze", {total, e.ints({1}, "axes")}), DType::kInt32);
  // Where each step goes: its number among the kept ones, or behind them its number among the others.
  const std::string others = e.op("CumSum", {e.op("Sub", {integer(e, 1), steps.kept}), axis});
  const std::string place = e.op("Where", {e.use(mask), steps.counts, e.op("Add", {total, others})});
  const std::string operand = e.use(x), indices = for_all(e, e.op("Sub", {place, integer(e, 1)}), e.shape(x)[2]);
  steps.x = e.op("ScatterElements", {operand, indices, operand}, {{"axis", int64_t{1}}});
  return steps;
}

std::string spread_steps(Emitter& e, const KeptSteps& steps, const std::string& sequence, const TensorType& type, bool reversed,
                         const std::string& initial) {
  const std::string kept = steps.kept.empty() ? cast(e, e.use(steps.mask), DType::kInt64) : steps.kept;
  const std::string counts = steps.counts.empty() ? e.op("CumSum", {kept, integer(e, 1)}) : steps.counts;
  // Forwards the last kept step up to here, backwards the first one from here.
  const std::string place = reversed ? e.op("Sub", {counts, kept}) : e.op("Sub", {counts, integer(e, 1)});
  const auto total = [&] { return e.op("Unsqueeze", {cast(e, steps.lengths, DType::kInt64), e.ints({1}, "axes")}); };
  const std::string there = reversed ? e.op("Less", {place, total()}) : e.op("Less", {integer(e, -1), place});
  const std::string states = e.op("GatherElements", {sequence, for_all(e, place, type.shape[2])}, {{"axis", int64_t{1}}});
  const std::string before = initial.empty() ? e.scalar(type.dtype, 0) : e.op("Unsqueeze", {initial, e.ints({1}, "axes")});
  return e.op("Where", {wide(e, there), states, before});
}

std::string spread_with_zeros(Emitter& e, const KeptSteps& steps, const std::string& sequence, const TensorType& type) {
  if (steps.counts.empty()) return sequence;  // ONNX gives zeros behind the end
  const std::string place = e.op("Sub", {steps.counts, integer(e, 1)});
  const std::string states = e.op("GatherElements", {sequence, for_all(e, place, type.shape[2])}, {{"axis", int64_t{1}}});
  return e.op("Where", {wide(e, e.use(steps.mask)), states, e.scalar(type.dtype, 0)});
}

std::string last_state(Emitter& e, const KeptSteps& steps, const std::string& state, const std::string& initial) {
  if (initial.empty()) return state;
  const std::string total = e.op("Unsqueeze", {cast(e, steps.lengths, DType::kInt64), e.ints({1}, "axes")});
  return e.op("Where", {e.op("Less", {integer(e, 0), total}), state, initial});
}

std::optional<Value> zeroed_by(const Emitter& e, Value v, Value mask) {
  if (!e.is(v, op_select) || e.shape(v).size() != 3 || e.number(e.node(v).inputs[2]) != 0) return std::nullopt;
  const Value condition = e.node(v).inputs[0], sequence = e.node(v).inputs[1];
  if (e.shape(condition).size() != 3 || !(e.shape(condition)[2] == Dim(1)) || e.shape(sequence) != e.shape(v)) return std::nullopt;
  Value given = without_reshapes(e, condition);
  if (const auto turned = reversed_in_time(e, given)) given = *turned;  // with the sequence of a reversed layer
  return given == mask ? std::optional(sequence) : std::nullopt;
}

std::optional<Value> reversed_in_time(const Emitter& e, Value v) {
  if (!e.is(v, op_slice)) return std::nullopt;
  const Node& slice = e.node(v);
  const Value x = slice.inputs[0];
  const Shape& in = e.shape(x);
  if (in.size() < 2 || in.size() > 3 || slice.attrs.shape("sizes") != in) return std::nullopt;
  Ints steps(in.size(), 1);
  Shape starts(in.size(), Dim(0));
  steps[1] = -1, starts[1] = in[1] - Dim(1);
  return slice.attrs.integers("steps") == steps && slice.attrs.shape("starts") == starts ? std::optional(x) : std::nullopt;
}

}  // namespace dl::onnx_export
