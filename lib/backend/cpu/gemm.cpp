#include "backend/cpu/gemm.h"

#include <dnnl.h>

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kColumns = 64;

// oneDNN uses as many threads as the calling thread may.
class OneThread {
 public:
  OneThread() : saved_(thread_count()) {
    if (saved_ != 1) set_thread_count(1);
  }
  ~OneThread() {
    if (saved_ != 1) set_thread_count(saved_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_;
};

}  // namespace

void serial_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
                 int64_t ldb, bool accumulate, float* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; !accumulate && i < m; ++i) std::fill(c + i * ldc, c + i * ldc + n, 0.0f);
    return;
  }
  const OneThread one;
  const dnnl_status_t status =
      dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, accumulate ? 1.0f : 0.0f, c, ldc);
  DL_CHECK(status == dnnl_success, "dnnl_sgemm failed");
}

void gemm_over_rows(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc) {
  const int64_t parts = (n + kColumns - 1) / kColumns;
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part * kColumns, width = std::min(kColumns, n - first);
      serial_gemm(true, false, m, width, k, a, lda, b + first, ldb, false, c + first, ldc);
    }
  });
}

}  // namespace dl::cpu
