// Matrix products of float32 on the calling thread alone, for fused kernels that cut their work themselves: the bits of a part then
// depend on its shape only.
#pragma once

#include <cstdint>

namespace dl::cpu {

// c [m, n] = op(a) [m, k] op(b) [k, n] + (accumulate ? c : 0), row-major; ld*: elements from one row to the next as stored.
void serial_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
                 int64_t ldb, bool accumulate, float* c, int64_t ldc);

// c [m, n] = a^T b for a [k, m], b [k, n]; columns of c are cut into parts of fixed width that run in parallel.
void gemm_over_rows(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc);

}  // namespace dl::cpu
