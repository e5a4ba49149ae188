#include "backend/cpu/fused_loops.h"

#include "backend/cpu/isa.h"

namespace dl::cpu {

const FusedLoops& fused_loops() { return *for_active_isa(&baseline::fused_loops, &avx2::fused_loops, &avx512::fused_loops); }

}  // namespace dl::cpu
