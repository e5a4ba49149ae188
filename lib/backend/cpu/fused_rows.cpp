#include "backend/cpu/fused.h"

namespace dl::cpu {

std::span<const KernelRow> fused_rows() {
  static const std::vector<KernelRow> rows = [] {
    std::vector<KernelRow> all;
    for (const auto& part : {fused_softmax_rows(), fused_activation_rows(), fused_layer_norm_rows(), fused_optimizer_rows(),
                             fused_lstm_rows(), fused_gru_rows()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return rows;
}

}  // namespace dl::cpu
