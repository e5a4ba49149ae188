// The processor: which instruction sets kernels may use, and its name.
// Who uses it: the CPU backend chooses kernels by active_isa(), bench and version print it.
// active_isa() is what the processor and the system offer, capped by set_max_isa() and the environment variable
// DLTOOL_MAX_ISA (baseline, avx2, avx512, avx512_bf16, amx). The cap is read once; set it before making a backend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dl {

// Each level includes those before it.
enum class Isa : uint8_t {
  kBaseline,    // x86-64 with SSE2
  kAvx2,        // x86-64-v3: AVX2, FMA, BMI, F16C
  kAvx512,      // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
  kAvx512Bf16,  // + vdpbf16ps
  kAmx,         // + AMX tiles with bf16 and int8, allowed by the system
};

Isa detected_isa();
Isa active_isa();
void set_max_isa(Isa isa);
const char* name_of(Isa isa);  // "avx2"
std::optional<Isa> parse_isa(std::string_view name);
std::string cpu_name();  // "AMD EPYC"; "unknown" where the processor does not say

}  // namespace dl
