// Random numbers. The generator is that of the whole program: the numbers depend on the seed and on the node's place in the graph alone,
// so a model gives the same ones each time it runs. The standard leaves the generator open.
#include <fmt/format.h>

#include <bit>
#include <numbers>

#include "io/onnx/import_util.h"
#include "ops/indexing.h"
#include "ops/nn.h"

namespace dl::onnx {
namespace {

constexpr int64_t kOnnxStream = 0x0A11;  // apart from the streams of layers

Var uniform(NodeCall& call, const Shape& shape, int64_t draw) {
  Graph& g = call.graph();
  const int64_t seed = call.has_attribute("seed") ? std::bit_cast<int32_t>(static_cast<float>(call.real("seed"))) : int64_t{g.size()};
  return random_uniform(scalar(g, DType::kInt64, 0), shape, DType::kFloat32, seed, kOnnxStream + draw);
}

// By Box and Muller; 1 - u is never 0.
Var normal(NodeCall& call, const Shape& shape) {
  const Var radius = sqrt(log(1.0 - uniform(call, shape, 0)) * -2.0);
  return radius * cos(uniform(call, shape, 1) * (2 * std::numbers::pi));
}

Var finish(NodeCall& call, Var x, DType fallback) {
  if (!call.has_attribute("dtype")) return cast(x, fallback);
  const std::optional<ElementType> type = element_type(static_cast<int32_t>(call.integer("dtype")));
  if (!type || type->narrow) call.unsupported("a result of type " + onnx_type_name(static_cast<int32_t>(call.integer("dtype"))));
  return cast(x, type->dtype);
}

Shape shape_attribute(NodeCall& call) {
  const std::vector<int64_t> sizes = call.integers("shape");
  double count = 1;
  for (const int64_t s : sizes) {
    count *= static_cast<double>(s);
    if (s < 0 || count > 1e9) call.fail("its shape is out of range");
  }
  return to_shape(sizes);
}

Var scaled_uniform(NodeCall& call, const Shape& shape) {
  const double low = call.real("low", 0), high = call.real("high", 1);
  return uniform(call, shape, 0) * (high - low) + low;
}
Var scaled_normal(NodeCall& call, const Shape& shape) { return normal(call, shape) * call.real("scale", 1) + call.real("mean", 0); }

template <Var (*draw)(NodeCall&, const Shape&)>
OnnxValues import_random(NodeCall& call) {
  return {finish(call, draw(call, shape_attribute(call)), DType::kFloat32)};
}
template <Var (*draw)(NodeCall&, const Shape&)>
OnnxValues import_random_like(NodeCall& call) {
  const Var like = call.in(0);
  return {finish(call, draw(call, like.shape()), is_float(like.dtype()) ? like.dtype() : DType::kFloat32)};
}

OnnxValues import_bernoulli(NodeCall& call) {
  const Var p = call.in(0);
  return {finish(call, less(uniform(call, p.shape(), 0), cast(p, DType::kFloat32)), p.dtype())};
}

// The class whose interval of the running sum of probabilities a random number lies in.
OnnxValues import_multinomial(NodeCall& call) {
  const Var scores = call.in(0);
  const int64_t samples = call.integer("sample_size", 1);
  if (scores.rank() != 2 || samples < 1 || samples > (int64_t{1} << 24))
    call.fail("takes scores [batch, classes] and a positive sample_size");
  const Var edges = expand_dims(cumsum(softmax(cast(scores, DType::kFloat32), 1), 1), 1);  // [batch, 1, classes]
  const Var u = uniform(call, {scores.dim(0), Dim(samples), Dim(1)}, 0);
  const Var passed = reduce_sum(cast(less_equal(edges, u), DType::kInt64), {2});
  const Var last = size_scalar(call.graph(), scores.dim(1), DType::kInt64) - 1.0;  // the sum may end below 1
  return {finish(call, minimum(passed, last), DType::kInt32)};
}

constexpr OpRow kRandomRows[] = {
    {"RandomUniform", 1, import_random<scaled_uniform>},
    {"RandomNormal", 1, import_random<scaled_normal>},
    {"RandomUniformLike", 1, import_random_like<scaled_uniform>, kAnyType},
    {"RandomNormalLike", 1, import_random_like<scaled_normal>, kAnyType},
    {"Bernoulli", 15, import_bernoulli, kAnyType},
    {"Multinomial", 7, import_multinomial, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_random() { return kRandomRows; }

}  // namespace dl::onnx
