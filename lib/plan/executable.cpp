#include "plan/executable.h"

#include <fmt/format.h>

#include <chrono>

#include "base/parallel.h"
#include "graph/op_def.h"

namespace dl {

// Addresses of one step's operands, resolved before the first run.
struct Executable::Operands {
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  void* workspace = nullptr;
  size_t reduce_count = 0;  // elements of a bucket, gaps between its tensors included
  DType reduce_dtype = DType::kFloat32;
};

Executable::Executable(Compiled compiled, Backend& backend, ParameterStore& store, Collectives* collectives)
    : compiled_(std::move(compiled)), backend_(backend), store_(store), collectives_(collectives), default_threads_(thread_count()) {
  const Plan& plan = compiled_.plan;
  arena_ = backend_.allocate(plan.arena_bytes + 64);
  backend_.zero(arena_, plan.arena_bytes);  // gaps between the tensors of a bucket are summed too
  static_ = backend_.allocate(plan.static_bytes + 64);
  inputs_.resize(plan.inputs.size());
  staged_.assign(plan.inputs.size(), nullptr);
  if (!backend_.is_host())
    for (size_t k = 0; k < plan.inputs.size(); ++k) staged_[k] = backend_.allocate(plan.values[static_cast<size_t>(plan.inputs[k])].bytes);
  for (const Parameter& p : compiled_.program.parameters) parameters_.push_back(store_.data(p.name));
  for (size_t s = 0; s < plan.steps.size(); ++s) (plan.steps[s].is_static ? static_steps_ : dynamic_steps_).push_back(s);
  for (const StaticConstant& c : plan.constants)
    backend_.copy_to_device(address(plan.values[static_cast<size_t>(c.plan_value)]), c.value.raw(), c.value.bytes());
  bind_operands();
}

Executable::~Executable() {
  backend_.free(arena_);
  backend_.free(static_);
  if (!backend_.is_host())
    for (void* p : staged_) backend_.free(p);
}

void* Executable::address(const PlanValue& value) const {
  char* base = nullptr;
  switch (value.storage) {
    case Storage::kArena:
      base = static_cast<char*>(arena_);
      break;
    case Storage::kStatic:
      base = static_cast<char*>(static_);
      break;
    case Storage::kParameter:
      base = static_cast<char*>(parameters_[value.index]);
      break;
    case Storage::kInput:
      base = static_cast<char*>(staged_[value.index]);
      break;
  }
  return base + value.offset;
}

void Executable::bind_operands() {
  const Plan& plan = compiled_.plan;
  operands_.resize(plan.steps.size());
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    Operands& o = operands_[s];
    for (int v : step.inputs) o.inputs.push_back(address(plan.values[static_cast<size_t>(v)]));
    for (int v : step.outputs) o.outputs.push_back(address(plan.values[static_cast<size_t>(v)]));
    o.workspace = static_cast<char*>(arena_) + step.workspace_offset;
    if (step.kind == StepKind::kStartReduce) {
      const PlanValue &first = plan.values[static_cast<size_t>(step.inputs.front())],
                      &last = plan.values[static_cast<size_t>(step.inputs.back())];
      o.reduce_dtype = first.type.dtype;
      o.reduce_count = (last.offset + last.bytes - first.offset) / size_of(first.type.dtype);
    }
  }
}

void Executable::set_input(size_t k, const Tensor& tensor) {
  const Plan& plan = compiled_.plan;
  const OperandType& type = plan.values[static_cast<size_t>(plan.inputs.at(k))].type;
  DL_CHECK(
      tensor.dtype() == type.dtype && tensor.dims() == type.dims,
      fmt::format("input '{}' is {}{}, the plan wants {}{}", compiled_.program.inputs[k].name, name_of(tensor.dtype()),
                  to_string(std::span<const int64_t>(tensor.dims())), name_of(type.dtype), to_string(std::span<const int64_t>(type.dims))));
  if (!backend_.is_host()) {
    backend_.copy_to_device(staged_[k], tensor.raw(), tensor.bytes());
    return;
  }
  inputs_[k] = tensor;
  void* memory = inputs_[k].raw();
  if (staged_[k] == memory) return;
  staged_[k] = memory;
  for (size_t s = 0; s < plan.steps.size(); ++s)
    for (size_t i = 0; i < plan.steps[s].inputs.size(); ++i) {
      const PlanValue& v = plan.values[static_cast<size_t>(plan.steps[s].inputs[i])];
      if (v.storage == Storage::kInput && v.index == k) operands_[s].inputs[i] = address(v);
    }
}

void Executable::run_step(size_t s) {
  const Step& step = compiled_.plan.steps[s];
  const Operands& o = operands_[s];
  switch (step.kind) {
    case StepKind::kKernel:
      if (!step.kernel->is_view) step.kernel->run({o.inputs, o.outputs, o.workspace});
      break;
    case StepKind::kCopy:
      backend_.copy_on_device(o.outputs[0], o.inputs[0], compiled_.plan.values[static_cast<size_t>(step.inputs[0])].bytes);
      break;
    case StepKind::kStartReduce:
      collectives_->start_all_reduce(step.ticket, const_cast<void*>(o.inputs[0]), o.reduce_count, o.reduce_dtype, step.mean);
      break;
    case StepKind::kWaitReduce:
      collectives_->wait(step.ticket);
      break;
  }
}

void Executable::refresh_static() {
  if (static_version_ == store_.version()) return;
  for (size_t s : static_steps_) run_step(s);
  static_version_ = store_.version();
}

void Executable::run() {
  if (compiled_.program.updates.empty() || static_version_ == UINT64_MAX) refresh_static();
  int threads = default_threads_;
  for (size_t s : dynamic_steps_) {
    const int wanted = compiled_.plan.steps[s].threads > 0 ? compiled_.plan.steps[s].threads : default_threads_;
    if (wanted != threads) set_thread_count(threads = wanted);
    run_step(s);
  }
  if (threads != default_threads_) set_thread_count(default_threads_);
  if (!compiled_.program.updates.empty()) store_.touch();
}

void Executable::run_profiled(const std::function<void(const Step&, double)>& observe) {
  if (compiled_.program.updates.empty() || static_version_ == UINT64_MAX) refresh_static();
  for (size_t s : dynamic_steps_) {
    const Step& step = compiled_.plan.steps[s];
    set_thread_count(step.threads > 0 ? step.threads : default_threads_);
    const auto start = std::chrono::steady_clock::now();
    run_step(s);
    backend_.synchronize();
    observe(step, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  set_thread_count(default_threads_);
  if (!compiled_.program.updates.empty()) store_.touch();
}

Tensor Executable::output(size_t k) const {
  const PlanValue& v = compiled_.plan.values[static_cast<size_t>(compiled_.plan.outputs.at(k))];
  Tensor result(v.type.dtype, v.type.dims);
  backend_.copy_to_host(result.raw(), address(v), result.bytes());
  return result;
}

double Executable::scalar_output(size_t k) const {
  const PlanValue& v = compiled_.plan.values[static_cast<size_t>(compiled_.plan.outputs.at(k))];
  DL_CHECK(v.type.size() == 1, "output has more than one element");
  if (v.type.dtype == DType::kFloat32) {
    float value = 0;
    backend_.copy_to_host(&value, address(v), sizeof value);
    return static_cast<double>(value);
  }
  return output(k).at(0);
}

const void* Executable::output_data(size_t k) const {
  return address(compiled_.plan.values[static_cast<size_t>(compiled_.plan.outputs.at(k))]);
}

}  // namespace dl
