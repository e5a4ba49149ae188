// LendingBackend: the CPU, with the model's own tensors as its parameters instead of copies of them, so that a model is in memory once
// while it runs. For inference only: nothing may write to a parameter.
// Who uses it: run_model (parity.h). One at a time: lend() a tensor, then ParameterStore::set() it.
#pragma once

#include <map>
#include <memory>
#include <string_view>

#include "backend/backend.h"
#include "tensor/tensor.h"

namespace dl {

class LendingBackend : public Backend {
 public:
  LendingBackend() : cpu_(make_cpu_backend()) {}

  // The next allocate() of its size gives the memory of the tensor, which is kept alive until free().
  void lend(const Tensor& tensor) { next_ = tensor; }

  const char* name() const override { return cpu_->name(); }
  void* allocate(size_t bytes) override;
  void free(void* memory) override;
  void copy_to_device(void* dst, const void* src, size_t bytes) override;
  void copy_to_host(void* dst, const void* src, size_t bytes) override { cpu_->copy_to_host(dst, src, bytes); }
  void copy_on_device(void* dst, const void* src, size_t bytes) override { cpu_->copy_on_device(dst, src, bytes); }
  void zero(void* memory, size_t bytes) override { cpu_->zero(memory, bytes); }
  void synchronize() override { cpu_->synchronize(); }
  bool is_host() const override { return true; }
  std::span<const KernelRow> kernels(std::string_view op) const override { return cpu_->kernels(op); }
  LayoutTable& layouts() override { return cpu_->layouts(); }
  std::unique_ptr<Kernel> prepare_reorder(const OperandType& from, const OperandType& to) override {
    return cpu_->prepare_reorder(from, to);
  }
  std::string describe() const override { return cpu_->describe(); }

 private:
  std::unique_ptr<Backend> cpu_;
  Tensor next_;
  std::multimap<void*, Tensor> lent_;
};

}  // namespace dl
