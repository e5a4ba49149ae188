// Executable: a Plan with memory on a device. run() is one loop over the steps; it allocates nothing.
// Who uses it: Session, bench, tests. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "plan/collectives.h"
#include "plan/compile.h"
#include "plan/parameter_store.h"

namespace dl {

class Executable {
 public:
  // `collectives` may be null for one rank. The store, backend and collectives must outlive this.
  Executable(Compiled compiled, Backend& backend, ParameterStore& store, Collectives* collectives);
  ~Executable();
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  // Binds input k (as in Program::inputs) for the next runs; type and shape must be those of the plan. On a host device
  // the tensor's memory is read in place and kept alive.
  void set_input(size_t k, const Tensor& tensor);
  void run();
  // Calls `observe(step, seconds)` after each step, synchronised.
  void run_profiled(const std::function<void(const Step&, double)>& observe);
  Tensor output(size_t k) const;         // a copy, on the host
  double scalar_output(size_t k) const;  // an output of one element, without allocating
  // The output's bytes where the device is the host.
  const void* output_data(size_t k) const;

  const Plan& plan() const { return compiled_.plan; }
  const Program& program() const { return compiled_.program; }

 private:
  struct Operands;
  void* address(const PlanValue& value) const;
  void bind_operands();
  void run_step(size_t s);
  void refresh_static();

  Compiled compiled_;
  Backend& backend_;
  ParameterStore& store_;
  Collectives* collectives_;
  void* arena_ = nullptr;
  void* static_ = nullptr;
  std::vector<Tensor> inputs_;  // keeps host inputs alive
  std::vector<void*> staged_;   // device copies of inputs where the device is not the host
  std::vector<void*> parameters_;
  std::vector<Operands> operands_;  // per step
  std::vector<size_t> dynamic_steps_, static_steps_;
  uint64_t static_version_ = UINT64_MAX;  // of the store, when the static steps ran
  int default_threads_;
};

}  // namespace dl
