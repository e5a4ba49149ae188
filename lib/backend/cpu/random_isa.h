// random_uniform's inner loop, per instruction set: blocks [begin, end) of four words each (random_uniform.h defines the numbers).
#pragma once

#include <cstdint>

namespace dl::cpu {

using UniformLoop = void (*)(uint64_t seed, uint64_t stream, int64_t step, int64_t begin, int64_t end, uint32_t* words);

namespace baseline {
UniformLoop uniform_loop();
}
namespace avx2 {
UniformLoop uniform_loop();
}
namespace avx512 {
UniformLoop uniform_loop();
}

}  // namespace dl::cpu
