#include "base/parallel.h"

#include <omp.h>

#include <algorithm>

namespace dl {

int thread_count() { return omp_get_max_threads(); }

void set_thread_count(int count) { omp_set_num_threads(std::max(1, count)); }

void parallel_for(int64_t n, int64_t grain, RangeFunction body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t blocks = (n + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<int64_t>(blocks, thread_count()));
  if (threads <= 1 || omp_in_parallel()) {
    body(0, n);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const int64_t part = omp_get_thread_num();
    const int64_t begin = blocks * part / threads * grain;
    const int64_t end = std::min(n, blocks * (part + 1) / threads * grain);
    if (begin < end) body(begin, end);
  }
}

}  // namespace dl
