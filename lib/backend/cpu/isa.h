// Files named *_isa.cpp are compiled once per instruction set (cmake/isa.cmake): DL_ISA is then avx2 or avx512, else baseline.
// Such a file puts everything into namespace dl::cpu::DL_ISA and anonymous namespaces, includes no header with inline functions of
// external linkage (the linker keeps one copy of those, perhaps one the processor cannot run), and exports a table of functions.
// for_active_isa picks among the tables.
#pragma once

#include "base/cpu_info.h"

#ifndef DL_ISA
#define DL_ISA baseline
#endif

namespace dl::cpu {

template <class F>
F* for_active_isa(F* baseline, F* avx2, F* avx512) {
  const Isa isa = active_isa();
  return isa >= Isa::kAvx512 ? avx512 : isa >= Isa::kAvx2 ? avx2 : baseline;
}

}  // namespace dl::cpu
