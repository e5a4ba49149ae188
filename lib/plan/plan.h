// Plan: a Program with bound sizes, ready to run: a list of steps over placed buffers. Printable; running it allocates
// nothing. Made by compile() (compile.h), run by Executable (executable.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/kernel.h"
#include "graph/program.h"

namespace dl {

enum class Storage : uint8_t { kArena, kParameter, kInput, kStatic };
const char* name_of(Storage storage);

// A tensor of the plan and where its bytes are.
struct PlanValue {
  OperandType type;
  size_t bytes = 0;
  Storage storage = Storage::kArena;
  size_t index = 0;        // parameter or input number
  size_t offset = 0;       // bytes into the arena, the static area, or the parameter
  int first_step = -1;     // written by; -1: before the first step
  int last_step = -1;      // last read by
  int root = -1;           // views and in-place results share the bytes of this value (itself when not shared)
  size_t root_offset = 0;  // bytes into the root
};

enum class StepKind : uint8_t { kKernel, kCopy, kStartReduce, kWaitReduce };

struct Step {
  StepKind kind = StepKind::kKernel;
  std::unique_ptr<Kernel> kernel;
  std::vector<int> inputs, outputs;  // PlanValues
  std::string op, scope, row, detail;
  double flops = 0, bytes = 0;
  int threads = 0;  // 0: all
  int ticket = -1;  // of a reduction
  bool mean = false;
  size_t workspace_bytes = 0, workspace_offset = 0;
  bool is_static = false;  // depends on constants (and unchanging parameters) only: runs when those change
};

// A constant to be copied into the static area once.
struct StaticConstant {
  Tensor value;
  int plan_value;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<PlanValue> values;
  std::vector<int> inputs, outputs, parameters;  // PlanValue numbers, as in the Program; -1: not used
  std::vector<StaticConstant> constants;
  size_t arena_bytes = 0, static_bytes = 0, unshared_bytes = 0;  // unshared: what the arena would need without reuse
};

std::string to_text(const Plan& plan, const Program& program);  // --explain plan
std::string memory_text(const Plan& plan);                      // --explain memory

}  // namespace dl
