// Builders of the neural-network operators (convolution, pooling, normalisation, recurrence, losses, optimizer updates).
// Logical layout is channels-last unless `channels_first`. Each operator is one file of ops/ with its gradient or lowering.
#pragma once

#include <string>
#include <vector>

#include "graph/var.h"

namespace dl {

// Geometry of convolution and pooling over 1 to 3 spatial axes. Empty vectors: all ones (strides, dilations) or zeros (pads).
struct Window {
  std::vector<int64_t> size = {};  // pooling only; a convolution takes it from its kernel
  std::vector<int64_t> strides = {}, dilations = {}, pads_begin = {}, pads_end = {};
  bool channels_first = false;  // x is [N, C, spatial...] instead of [N, spatial..., C]
};

// ---- convolution (ops/conv.cpp). Kernel [spatial..., in / groups, out], Keras's layout.
Var conv(Var x, Var kernel, const Window& window, int64_t groups = 1);
// d conv / d x contracted with dy: x has `x_shape`. Also transposed convolution.
Var conv_input_grad(Var dy, Var kernel, Shape x_shape, const Window& window, int64_t groups = 1);
Var conv_weight_grad(Var x, Var dy, Shape kernel_shape, const Window& window, int64_t groups = 1);

// ---- pooling (ops/pool.cpp). Padding never wins a maximum; an average divides by the cells that exist unless count_padding.
Var max_pool(Var x, const Window& window);
Var avg_pool(Var x, const Window& window, bool count_padding = false);

// ---- normalisation. `axes`: the axes that keep their own statistics (batch_norm) or are normalised over (layer_norm).
struct BatchNorm {
  Var y, mean, variance;  // batch statistics, population variance, shape [channels]
};
BatchNorm batch_norm_train(Var x, Var gamma, Var beta, int64_t axis, double epsilon);
Var batch_norm_infer(Var x, Var gamma, Var beta, Var mean, Var variance, int64_t axis, double epsilon);
Var layer_norm(Var x, Var gamma, Var beta, std::vector<int64_t> axes, double epsilon);  // gamma, beta: shape of those axes; may be invalid

// ---- activations that are compositions or library operators; the others are rows of ops/elementwise.def
Var softmax(Var x, int64_t axis = -1);
Var log_softmax(Var x, int64_t axis = -1);
Var gelu(Var x, bool approximate);
Var silu(Var x);

// ---- losses per sample, fused with their softmax or sigmoid; the result lacks the class axis (last)
Var softmax_cross_entropy(Var logits, Var target_probabilities);
Var sparse_softmax_cross_entropy(Var logits, Var target_indices);  // int32 or int64; out of range gives NaN
Var sigmoid_cross_entropy(Var logits, Var targets);                // elementwise, same shape

// ---- recurrence over time, x [batch, time, in]; Keras's gate orders (LSTM i f c o, GRU z r h) and kernel layouts
struct Recurrent {
  Var sequence;            // [batch, time, units]; when reversed: in the order walked, last input first (Keras go_backwards)
  std::vector<Var> state;  // final h (and c), [batch, units]
};
// bias [4u] or invalid; mask bool [batch, time] or invalid: a masked step repeats the state and the previous output.
Recurrent lstm(Var x, Var kernel, Var recurrent_kernel, Var bias, Var h0, Var c0, Var mask, const std::string& activation,
               const std::string& recurrent_activation, bool reversed);
// bias [2, 3u] when reset_after, else [3u]; or invalid.
Recurrent gru(Var x, Var kernel, Var recurrent_kernel, Var bias, Var h0, Var mask, const std::string& activation,
              const std::string& recurrent_activation, bool reset_after, bool reversed);

// ---- attention: q [b, heads, tq, d], k, v [b, heads, tk, d]; mask bool broadcastable to [b, heads, tq, tk] or invalid
Var attention(Var q, Var k, Var v, Var mask, double scale);

// ---- optimizer updates, one pass over the parameter. Formulas as in Keras 3; scalars are rank-0 of the parameter's type.
struct SgdUpdate {
  Var parameter, velocity;
};  // velocity invalid without momentum
SgdUpdate sgd_update(Var parameter, Var gradient, Var velocity, Var learning_rate, double momentum, bool nesterov);
struct AdamUpdate {
  Var parameter, m, v;
};
// `alpha` = lr * sqrt(1 - beta2^t) / (1 - beta1^t); weight_decay > 0: parameter -= parameter * weight_decay * lr first (AdamW).
AdamUpdate adam_update(Var parameter, Var gradient, Var m, Var v, Var alpha, Var learning_rate, double beta1, double beta2, double epsilon,
                       double weight_decay);
struct RmspropUpdate {
  Var parameter, velocity, momentum, average;
};  // momentum / average invalid when unused
RmspropUpdate rmsprop_update(Var parameter, Var gradient, Var velocity, Var momentum, Var average, Var learning_rate, double rho,
                             double momentum_factor, double epsilon, bool centered);

}  // namespace dl
