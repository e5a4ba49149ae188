#include "backend/cpu/onednn_rows.h"

#include "backend/cpu/rows.h"

namespace dl::cpu {

std::span<const KernelRow> onednn_rows() {
  static const std::vector<KernelRow> rows = [] {
    std::vector<KernelRow> all;
    append_small_matmul(all);
    append_onednn_matmul(all);
    append_onednn_conv(all);
    append_pool(all);
    append_batch_norm(all);
    return all;
  }();
  return rows;
}

}  // namespace dl::cpu
