// Threads for compute kernels. One pool (OpenMP's, which oneDNN shares) per calling thread.
// Work is cut into parts by index only, so a result depends on the part count a kernel asks for, never on timing.
#pragma once

#include <cstdint>

namespace dl {

// Non-owning reference to a callable (int64_t begin, int64_t end): no allocation, unlike std::function.
class RangeFunction {
 public:
  template <class F>
  RangeFunction(const F& f)  // NOLINT(google-explicit-constructor): used like a lambda parameter
      : object_(&f), call_([](const void* o, int64_t b, int64_t e) { (*static_cast<const F*>(o))(b, e); }) {}
  void operator()(int64_t begin, int64_t end) const { call_(object_, begin, end); }

 private:
  const void* object_;
  void (*call_)(const void*, int64_t, int64_t);
};

// Threads this calling thread's kernels may use (default: all cores the process may run on).
int thread_count();
void set_thread_count(int count);

// Calls `body` on disjoint ranges covering [0, n). At most thread_count() ranges, each at least `grain` long
// (the last may be shorter). Ranges start at multiples of `grain`, so cache-line alignment can be kept.
void parallel_for(int64_t n, int64_t grain, RangeFunction body);

}  // namespace dl
