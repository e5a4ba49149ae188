// Compiles and plans as the CPU does, with its kernel rows and layouts, but owns no memory and runs nothing.
#include <cstdint>

#include "backend/backend.h"

namespace dl {
namespace {

class NullBackend final : public Backend {
 public:
  const char* name() const override { return "null"; }
  // Addresses that are aligned, distinct and never read.
  void* allocate(size_t bytes) override {
    void* const memory = reinterpret_cast<void*>(next_);
    next_ += (bytes + 4095) / 4096 * 4096 + 4096;
    return memory;
  }
  void free(void*) override {}
  void copy_to_device(void*, const void*, size_t) override {}
  void copy_to_host(void*, const void*, size_t) override {}
  void copy_on_device(void*, const void*, size_t) override {}
  void zero(void*, size_t) override {}
  void synchronize() override {}
  bool is_host() const override { return false; }
  std::span<const KernelRow> kernels(std::string_view op) const override { return cpu_->kernels(op); }
  LayoutTable& layouts() override { return cpu_->layouts(); }
  std::unique_ptr<Kernel> prepare_reorder(const OperandType& from, const OperandType& to) override {
    return cpu_->prepare_reorder(from, to);
  }
  std::string describe() const override { return "null: plans for " + cpu_->describe() + ", runs nothing"; }

 private:
  std::unique_ptr<Backend> cpu_ = make_cpu_backend();
  uintptr_t next_ = uintptr_t{1} << 44;
};

}  // namespace

std::unique_ptr<Backend> make_null_backend() { return std::make_unique<NullBackend>(); }

}  // namespace dl
