// compile: Program -> Plan for a device. Passes, choice of kernels and layouts, order, liveness, placement.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "passes/passes.h"
#include "plan/plan.h"

namespace dl {

struct CompileOptions {
  bool strict = false;          // deterministic: strict; bits independent of the thread count
  int ranks = 1;                // 1: all_reduce is the identity
  bool reference_only = false;  // tests: only kernels named "reference"
  bool run_once = false;        // keeps nothing for further runs: what weights are turned into takes the room of activations
};

struct Compiled {
  Program program;  // after all passes
  Plan plan;
};

Compiled compile(const Program& program, const Bindings& bindings, Backend& backend, const CompileOptions& options,
                 std::vector<PassTrace>* trace = nullptr);

// The first row of the operator that prepares the node; null when none does.
struct Selected {
  std::unique_ptr<Kernel> kernel;
  const KernelRow* row = nullptr;
};
Selected select_kernel(Backend& backend, const NodeView& node, const CompileOptions& options);

}  // namespace dl
