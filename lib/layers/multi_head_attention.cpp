#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "layers/einsum.h"
#include "layers/heads.h"
#include "layers/noise.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// The axes of the inputs to attend over; none given: all between batch and features.
std::vector<int64_t> attention_axes(const Config& config, int64_t rank) {
  std::vector<int64_t> axes;
  if (config.given("attention_axes")) {
    for (int64_t axis : config.integers("attention_axes")) axes.push_back(axis < 0 ? axis + rank : axis);
    for (int64_t axis : axes)
      if (axis < 1 || axis >= rank - 1)
        throw UserError(fmt::format("attention_axes must lie between the batch and the features of {} axes, from 1 to {}", rank, rank - 2));
    return axes;
  }
  for (int64_t axis = 1; axis < rank - 1; ++axis) axes.push_back(axis);
  return axes;
}

// Keras's equations: q, k, v are [batch, free and attended axes, heads, size]; scores are [batch, free, heads, query, key].
struct Equations {
  std::string query, source, scores;
};

Equations equations_for(int64_t rank, const std::vector<int64_t>& axes) {
  Equations e;
  for (int64_t i = 0; i < rank; ++i) {
    const bool attended = std::find(axes.begin(), axes.end(), i) != axes.end();
    e.query += static_cast<char>('a' + i);
    e.source += static_cast<char>((attended ? 'A' : 'a') + i);
    if (!attended && i < rank - 1) e.scores += e.query.back();
  }
  for (int64_t axis : axes) e.scores += e.query[static_cast<size_t>(axis)];
  for (int64_t axis : axes) e.scores += e.source[static_cast<size_t>(axis)];
  return e;
}

// Softmax over the last `count` axes.
Var softmax_last(Var x, int64_t count) {
  Shape flat(x.shape().begin(), x.shape().end() - count);
  flat.push_back(element_count(Shape(x.shape().end() - count, x.shape().end())));
  return count == 1 ? softmax(x) : reshape(softmax(reshape(x, flat)), x.shape());
}

// Attention over any axes; q, k, v as in Equations.
Attended attend_axes(LayerContext& context, Var q, Var k, Var v, Var mask, double scale, const std::vector<int64_t>& axes) {
  const Equations e = equations_for(q.rank(), axes);
  const auto count = static_cast<int64_t>(axes.size());
  Var scores = einsum(k, e.source, q * scale, e.query, e.scores);
  if (mask.valid()) {
    mask = spread_mask(mask, scores.rank(), 2 * count);
    scores = select(mask, scores, -1e9);
  }
  Var weights = softmax_last(scores, count);
  if (mask.valid()) weights = select(mask, weights, 0.0);
  const Var used = drop_elements(context, weights, weights.shape(), context.config().real("dropout"));
  return {einsum(used, e.scores, v, e.source, e.query), weights};
}

Var heads_first(Var x) { return transpose(x, {0, 2, 1, 3}); }

Shape output_sizes(const Config& config, Var query) {
  if (!config.given("output_shape")) return {query.dim(-1)};
  Shape sizes;
  for (int64_t size : config.integers("output_shape")) sizes.push_back(Dim(size));
  return sizes;
}

std::vector<MaskedVar> build_multi_head_attention(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const Var query = context.to_compute(inputs[0].value), value = context.to_compute(inputs[inputs.size() > 1 ? 1 : 0].value);
  const Var key = inputs.size() > 2 ? context.to_compute(inputs[2].value) : value;
  for (Var x : {query, value, key})
    if (x.rank() < 3 || x.rank() != query.rank())
      throw UserError("MultiHeadAttention needs inputs of equal rank [batch, time, ..., features], got " + to_string(x.shape()));
  const Dim heads(config.integer("num_heads")), key_dim(config.integer("key_dim"));
  const Dim value_dim = config.given("value_dim") ? Dim(config.integer("value_dim")) : key_dim;
  const Var q = project(context, "query", "query_dense", query, {query.dim(-1), heads, key_dim});
  const Var k = project(context, "key", "key_dense", key, {key.dim(-1), heads, key_dim});
  // Keras keeps the gate under its private name.
  const Var gate = config.flag("use_gate") ? project(context, "gate", "_gate_dense", query, {query.dim(-1), heads, value_dim}) : Var();
  const Var v = project(context, "value", "value_dense", value, {value.dim(-1), heads, value_dim});
  const Var mask = attention_mask(context, inputs);
  const double scale = 1 / std::sqrt(static_cast<double>(key_dim.value()));
  const std::vector<int64_t> axes = attention_axes(config, query.rank());
  Attended attended;
  if (query.rank() == 3) {
    attended = attend_heads(context, heads_first(q), heads_first(k), heads_first(v), mask, scale);
    attended.result = heads_first(attended.result);
  } else {
    if (mask.valid() && inputs.size() < 4 && axes != std::vector<int64_t>{1})
      throw UserError("masks need attention over axis 1 alone: set attention_axes to 1");
    attended = attend_axes(context, q, k, v, mask, scale, axes);
  }
  const Var gated = gate.valid() ? attended.result * sigmoid(gate) : attended.result;
  Shape shape = {heads, value_dim};
  const Shape out = output_sizes(config, query);
  shape.insert(shape.end(), out.begin(), out.end());
  std::vector<MaskedVar> outputs = {{project(context, "attention_output", "output_dense", gated, shape, 2), inputs[0].mask}};
  if (config.flag("return_attention_scores")) outputs.push_back({attended.weights, {}});
  return outputs;
}

}  // namespace

const LayerDef layer_multi_head_attention = {
    .class_name = "MultiHeadAttention",
    .summary =
        "Attention of a query to a value sequence; inputs [query, value], [query, value, key] or [query, value, key, attention mask], one "
        "input "
        "attends to itself.",
    .max_inputs = 4,
    .masking = Masking::kOwn,
    .keys = join_keys({int_key("num_heads", 1), int_key("key_dim", 1), int_key("value_dim", spec::Node(), 1), ints_key("output_shape"),
                       ints_key("attention_axes")},
                      head_keys()),
    .build = build_multi_head_attention,
};

}  // namespace dl
