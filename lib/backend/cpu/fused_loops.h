// Inner loops of the fused kernels, over float rows that lie contiguously: one copy per instruction set, chosen at run time.
// Who uses it: fused_*.cpp. The bodies are in fused_loops_isa.cpp.
// No fused multiply-add and sums over 16 fixed lanes: every instruction set gives the same bits. Nothing here is threaded.
#pragma once

#include <cstdint>

namespace dl::cpu {

// Activations of recurrent cells that the loops know.
enum class CellActivation : uint8_t { kTanh, kSigmoid, kHardSigmoid, kRelu, kLinear };

struct SgdConstants {
  float learning_rate, momentum;
  bool nesterov;
};
struct AdamConstants {
  float alpha, learning_rate, one_minus_beta1, one_minus_beta2, epsilon, weight_decay;
};
struct RmspropConstants {
  float learning_rate, rho, one_minus_rho, momentum, epsilon;
};

struct FusedLoops {
  void (*softmax)(const float* x, float* y, int64_t n);
  void (*log_softmax)(const float* x, float* y, int64_t n);
  void (*softmax_grad)(const float* y, const float* dy, float* dx, int64_t n);
  // Of one sample. `target` has n probabilities.
  float (*cross_entropy)(const float* x, const float* target, int64_t n);
  float (*sparse_cross_entropy)(const float* x, int64_t target, int64_t n);
  void (*cross_entropy_grad)(const float* x, const float* target, float dy, float* dx, int64_t n);
  void (*sparse_cross_entropy_grad)(const float* x, int64_t target, float dy, float* dx, int64_t n);
  void (*sigmoid_cross_entropy)(const float* x, const float* target, float* y, int64_t n);

  void (*gelu)(const float* x, float* y, int64_t n);
  void (*gelu_tanh)(const float* x, float* y, int64_t n);
  void (*silu)(const float* x, float* y, int64_t n);
  void (*gelu_grad)(const float* x, const float* dy, float* dx, int64_t n);
  void (*gelu_tanh_grad)(const float* x, const float* dy, float* dx, int64_t n);
  void (*silu_grad)(const float* x, const float* dy, float* dx, int64_t n);

  // gamma and beta may be null. The gradient adds to dgamma and dbeta where they are not null.
  void (*layer_norm)(const float* x, const float* gamma, const float* beta, float epsilon, float* y, int64_t n);
  void (*layer_norm_grad)(const float* x, const float* gamma, const float* dy, float epsilon, float* dx, float* dgamma, float* dbeta,
                          int64_t n);

  // Results may lie over the operands. Null: the slot does not exist.
  void (*sgd)(const SgdConstants& k, const float* p, const float* g, const float* v, float* p_new, float* v_new, int64_t n);
  void (*adam)(const AdamConstants& k, const float* p, const float* g, const float* m, const float* v, float* p_new, float* m_new,
               float* v_new, int64_t n);
  void (*rmsprop)(const RmspropConstants& k, const float* p, const float* g, const float* v, const float* m, const float* a, float* p_new,
                  float* v_new, float* m_new, float* a_new, int64_t n);

  // z = activation(z), and d = d * activation' from the result y.
  void (*activate)(CellActivation kind, float* z, int64_t n);
  void (*multiply_slope)(CellActivation kind, const float* y, float* d, int64_t n);
  void (*add)(const float* x, float* y, int64_t n);  // y += x
  // gates: i f g o (values); c: cell state in and out; h: new output; scratch: n floats.
  void (*lstm_cell)(CellActivation activation, const float* gates, float* c, float* h, float* scratch, int64_t n);
  // c, c_before: cell states after and before; dh: of the output; dc: in and out; dgates: of the gates' values.
  void (*lstm_cell_grad)(CellActivation activation, const float* gates, const float* c, const float* c_before, const float* dh, float* dc,
                         float* dgates, float* scratch, int64_t n);
  void (*gru_mix)(const float* z, const float* candidate, float* h, int64_t n);  // h = z h + (1 - z) candidate
  // dz, dcandidate: of the values; dh: in of the new state, out what reaches the state before through z.
  void (*gru_mix_grad)(const float* z, const float* candidate, const float* h_before, float* dh, float* dz, float* dcandidate, int64_t n);
  void (*multiply_add)(const float* a, const float* b, float* y, int64_t n);  // y += a b
  void (*multiply)(const float* a, const float* b, float* y, int64_t n);      // y = a b
};

const FusedLoops& fused_loops();  // for active_isa()

namespace baseline {
extern const FusedLoops fused_loops;
}
namespace avx2 {
extern const FusedLoops fused_loops;
}
namespace avx512 {
extern const FusedLoops fused_loops;
}

}  // namespace dl::cpu
