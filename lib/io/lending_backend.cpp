#include "io/lending_backend.h"

#include <utility>

namespace dl {

void* LendingBackend::allocate(size_t bytes) {
  if (next_.bytes() == 0 || next_.bytes() != bytes) return cpu_->allocate(bytes);
  void* memory = next_.raw();
  lent_.emplace(memory, std::exchange(next_, {}));
  return memory;
}

void LendingBackend::free(void* memory) {
  const auto lent = lent_.find(memory);
  if (lent == lent_.end()) return cpu_->free(memory);
  lent_.erase(lent);
}

void LendingBackend::copy_to_device(void* dst, const void* src, size_t bytes) {
  if (dst != src) cpu_->copy_to_device(dst, src, bytes);
}

}  // namespace dl
