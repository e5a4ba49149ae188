#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {
namespace {

std::vector<Var> outputs_of(Var first, size_t count) {
  std::vector<Var> outputs;
  for (size_t i = 0; i < count; ++i) outputs.push_back(first.output(static_cast<uint32_t>(i)));
  return outputs;
}

}  // namespace

// Sum (or mean) over ranks of every operand. The operands of one node are one bucket: the planner lays them side by side,
// and the executor starts the exchange as soon as the last of them is there and waits before the first use of a result.
const OpDef op_all_reduce = {
    .name = "all_reduce",
    .min_inputs = 1,
    .max_inputs = -1,
    .attrs = {{"mean", int64_t{0}, true}, {"bucket", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      return {call.inputs.begin(), call.inputs.end()};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      std::vector<Var> douts;
      for (size_t i = 0; i < call.inputs.size(); ++i) douts.push_back(call.douts[i].valid() ? call.douts[i] : zeros_like(call.outputs[i]));
      return all_reduce(douts, call.attrs.flag("mean"), call.attrs.integer("bucket"));
    },
    .samples = []() -> std::vector<Sample> {
      return {{{{DType::kFloat32, {3}}, {DType::kFloat32, {2, 2}}}, {{"mean", int64_t{0}}, {"bucket", int64_t{0}}}}};
    },
};

std::vector<Var> all_reduce(std::span<const Var> values, bool mean, int64_t bucket) {
  return outputs_of(add_op(op_all_reduce, values, {{"mean", int64_t{mean}}, {"bucket", bucket}}), values.size());
}

}  // namespace dl
