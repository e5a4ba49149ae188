#include "backend/cpu/loops.h"

#include "backend/cpu/rows.h"

namespace dl::cpu {

std::span<const KernelRow> loop_rows() {
  static const std::vector<KernelRow> rows = [] {
    std::vector<KernelRow> all;
    append_move_loops(all);
    append_gather_loops(all);
    append_reduce_loops(all);
    append_random_loops(all);
    return all;
  }();
  return rows;
}

}  // namespace dl::cpu
