// Backend: a device. Memory, copies, kernels, layouts. See lib/README.md, "add a backend".
// Who uses it: plan/ and Session. One Backend object may serve several threads; its LayoutTable locks itself.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backend/kernel.h"

namespace dl {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;
  virtual void* allocate(size_t bytes) = 0;  // 64-byte aligned at least; EnvError when there is no memory
  virtual void free(void* memory) = 0;
  virtual void copy_to_device(void* dst, const void* src, size_t bytes) = 0;
  virtual void copy_to_host(void* dst, const void* src, size_t bytes) = 0;
  virtual void copy_on_device(void* dst, const void* src, size_t bytes) = 0;
  virtual void zero(void* memory, size_t bytes) = 0;
  virtual void synchronize() = 0;
  virtual bool is_host() const = 0;  // device memory can be read by the CPU
  // The rows of an operator, preferred first; empty when it has none (the node is then lowered).
  virtual std::span<const KernelRow> kernels(std::string_view op) const = 0;
  virtual LayoutTable& layouts() = 0;
  // Copies a tensor from one layout to another (kPlain included).
  virtual std::unique_ptr<Kernel> prepare_reorder(const OperandType& from, const OperandType& to) = 0;
  virtual std::string describe() const = 0;  // "cpu: AMD EPYC, avx2, 2 threads, oneDNN 2.6.3"
};

// Compiles and plans like the CPU, but runs nothing: plan dumps, tests, inspect.
std::unique_ptr<Backend> make_null_backend();
std::unique_ptr<Backend> make_cpu_backend();

}  // namespace dl
