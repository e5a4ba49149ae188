#include "ops/hash.h"

#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {

const OpDef op_hash_bucket = {
    .name = "hash_bucket",
    .min_inputs = 1,
    .max_inputs = -1,
    .attrs = {{"buckets", int64_t{1}, true}, {"key", std::vector<int64_t>{}}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const size_t keys = call.attrs.integers("key").size();
      if (call.attrs.integer("buckets") < 1) infer_error(call, "buckets must be 1 or more");
      if (keys != 0 && keys != 2) infer_error(call, "the key has two halves");
      if (keys == 2 && call.inputs.size() > 1) infer_error(call, "combinations are hashed without a key");
      for (const TensorType& x : call.inputs) {
        if (x.dtype != DType::kInt64) infer_error(call, std::string("takes int64, not ") + name_of(x.dtype));
        if (x.shape != call.inputs[0].shape)
          infer_error(call, "operands must have one shape, not " + to_string(call.inputs[0].shape) + " and " + to_string(x.shape));
      }
      return {call.inputs[0]};
    },
    .no_gradient = "a hash",
    .flops =
        [](const CostCall& call) {
          return 60.0 * static_cast<double>(call.inputs.size()) * static_cast<double>(element_count(call.inputs[0].shape).value());
        },
    .samples = []() -> std::vector<Sample> {
      const DType i = DType::kInt64;
      const auto attrs = [](int64_t buckets, std::vector<int64_t> key) { return Attrs{{"buckets", buckets}, {"key", std::move(key)}}; };
      return {{{{i, {7}}}, attrs(10, {}), -1000, 1000},
              {{{i, {2, 3}}}, attrs(97, {133, 137}), -1e12, 1e12},
              {{{i, {4}}, {i, {4}}}, attrs(5, {}), -50, 50},
              {{{i, {0}}}, attrs(1, {})},
              {{{i, {}}, {i, {}}, {i, {}}}, attrs(3, {}), -5, 5}};
    },
};

Var hash_bucket(Var x, int64_t buckets, const std::vector<int64_t>& key) {
  return add_op(op_hash_bucket, {x}, {{"buckets", buckets}, {"key", key}});
}

Var hash_crossing(std::span<const Var> values, int64_t buckets) {
  return add_op(op_hash_bucket, std::vector<Var>(values.begin(), values.end()), {{"buckets", buckets}, {"key", std::vector<int64_t>{}}});
}

}  // namespace dl
