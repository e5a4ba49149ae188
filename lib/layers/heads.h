// What MultiHeadAttention and GroupQueryAttention share: projections into heads, masks, attention over one time axis.
// Heads come before time here: [batch, heads, time, size].
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

// Keys of both, without those for sizes.
std::vector<ConfigKey> head_keys();

// A dense layer from the last axes of x to new ones, with weights of Keras's shapes: kernel `shape`, of which the first
// `in_axes` axes are contracted, and a bias. `name` is the sublayer's, `object` its place in .weights.h5.
Var project(LayerContext& context, const char* name, const char* object, Var x, const Shape& shape, int64_t in_axes = 1);

// Which steps may attend to which, from the masks of query and value (and key), the keys use_causal_mask and sliding_window, and a
// fourth input, Keras's attention_mask: bool, broadcastable to [batch, query time, value time], or what the fourth input alone has of
// axes for heads and others between batch and time; invalid: all.
Var attention_mask(LayerContext& context, std::span<const MaskedVar> inputs);

// The mask with axes of one before its last `count`, until it has the scores' rank.
Var spread_mask(Var mask, int64_t rank, int64_t count);

// Result and weights of attention, [batch, heads, query time, size]; the weights only where they are asked for.
// k and v have as many heads as q.
struct Attended {
  Var result, weights;
};
Attended attend_heads(LayerContext& context, Var q, Var k, Var v, Var mask, double scale);

}  // namespace dl
