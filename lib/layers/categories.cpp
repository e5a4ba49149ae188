#include "layers/categories.h"

#include <fmt/format.h>

#include <bit>

#include "base/error.h"
#include "ops/builders.h"

namespace dl {

Var count_not_above(Var x, const Tensor& values) {
  const int64_t n = values.size();
  Var count = cast(zeros_like(x), DType::kInt32);
  if (n == 0) return count;
  const Var sorted = constant(*x.graph, values);
  for (auto step = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(n))); step > 0; step /= 2) {
    const Var probe = count + static_cast<double>(step);
    const Var value = gather(sorted, minimum(probe, static_cast<double>(n)) - 1.0, 0);
    count = select(logical_and(less_equal(probe, static_cast<double>(n)), logical_not(less(x, value))), probe, count);
  }
  return count;
}

Var to_indices(Var x) { return x.dtype() == DType::kInt32 || x.dtype() == DType::kInt64 ? x : cast(x, DType::kInt32); }

Var encode_categories(Var indices, const std::string& mode, int64_t depth, DType dtype, Var weights) {
  if (mode == "one_hot") {
    if (indices.rank() > 1 && indices.dim(-1) == Dim(1)) indices = squeeze(indices, {-1});
    return one_hot(indices, Dim(depth), dtype);
  }
  if (indices.rank() < 2)
    throw UserError(fmt::format("output_mode '{}' joins the integers of a sample and needs [batch, integers], got {}", mode,
                                to_string(indices.shape())));
  Var hot = one_hot(indices, Dim(depth), dtype);
  if (mode == "multi_hot") return reduce_max(hot, {1});
  if (weights.valid()) hot = hot * expand_dims(weights, -1);
  return reduce_sum(hot, {1});
}

void check_salt(Layer& layer, spec::Reader& reader) {
  if (!layer.config.given("salt")) return;
  const std::vector<int64_t> salt = layer.config.integers("salt");
  if (salt.size() == 1)
    layer.config.set("salt", spec::Node::list({spec::Node::integer(salt[0]), spec::Node::integer(salt[0])}));
  else if (salt.size() != 2)
    reader.report("salt", "must be an integer or a list of two");
}

std::vector<int64_t> salt_of(const Config& config) { return config.given("salt") ? config.integers("salt") : std::vector<int64_t>(); }

}  // namespace dl
