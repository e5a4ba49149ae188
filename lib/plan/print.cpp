#include <fmt/format.h>

#include <algorithm>

#include "plan/plan.h"

namespace dl {

const char* name_of(Storage storage) {
  switch (storage) {
    case Storage::kArena:
      return "arena";
    case Storage::kParameter:
      return "parameter";
    case Storage::kInput:
      return "input";
    case Storage::kStatic:
      return "static";
  }
  return "?";
}

namespace {

std::string place_of(const PlanValue& v, const Program& program) {
  if (v.storage == Storage::kParameter) return program.parameters[v.index].name;
  if (v.storage == Storage::kInput) return program.inputs[v.index].name;
  return fmt::format("{}+{}", name_of(v.storage), v.offset);
}

std::string operand_text(const Plan& plan, const std::vector<int>& values, const Program& program) {
  std::string text;
  for (int v : values)
    text += (text.empty() ? "" : ", ") + fmt::format("v{}@{}", v, place_of(plan.values[static_cast<size_t>(v)], program));
  return text;
}

}  // namespace

std::string to_text(const Plan& plan, const Program& program) {
  std::string text;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    std::string shapes;
    for (int v : step.outputs) {
      const OperandType& t = plan.values[static_cast<size_t>(v)].type;
      shapes += (shapes.empty() ? "" : ", ") + std::string(name_of(t.dtype)) + to_string(std::span<const int64_t>(t.dims)) +
                (t.layout == kPlain ? "" : fmt::format("/{}", t.layout));
    }
    const bool view = step.kernel && step.kernel->is_view;
    text += fmt::format("{:>4}{} {:<22} {:<24} {} <- {}{}{}\n", s, step.is_static ? "s" : " ", step.op,
                        view ? "view" : step.row + (step.detail.empty() ? "" : ":" + step.detail),
                        operand_text(plan, step.outputs, program), operand_text(plan, step.inputs, program),
                        shapes.empty() ? "" : "  : " + shapes, step.scope.empty() ? "" : "  # " + step.scope);
  }
  return text;
}

std::string memory_text(const Plan& plan) {
  size_t parameters = 0, inputs = 0;
  for (int v : plan.parameters) parameters += v < 0 ? 0 : plan.values[static_cast<size_t>(v)].bytes;
  for (int v : plan.inputs) inputs += v < 0 ? 0 : plan.values[static_cast<size_t>(v)].bytes;
  const auto mib = [](size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::string text = fmt::format(
      "parameters {:10.3f} MiB\ninputs     {:10.3f} MiB\nconstants  {:10.3f} MiB\narena      {:10.3f} MiB (without reuse {:.3f} MiB)\n\n",
      mib(parameters), mib(inputs), mib(plan.static_bytes), mib(plan.arena_bytes), mib(plan.unshared_bytes));
  std::vector<int> order;
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].storage == Storage::kArena && plan.values[v].root == static_cast<int>(v)) order.push_back(static_cast<int>(v));
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return plan.values[static_cast<size_t>(a)].bytes > plan.values[static_cast<size_t>(b)].bytes; });
  text += fmt::format("{:>12} {:>12}  {:<13} {}\n", "bytes", "offset", "steps", "value");
  for (size_t i = 0; i < std::min<size_t>(order.size(), 40); ++i) {
    const PlanValue& v = plan.values[static_cast<size_t>(order[i])];
    const Step* producer = v.first_step >= 0 ? &plan.steps[static_cast<size_t>(v.first_step)] : nullptr;
    text += fmt::format("{:>12} {:>12}  {:<13} v{} {}{}{}\n", v.bytes, v.offset, fmt::format("{}..{}", v.first_step, v.last_step), order[i],
                        to_string(std::span<const int64_t>(v.type.dims)), producer ? " " + producer->op : "",
                        producer && !producer->scope.empty() ? "  # " + producer->scope : "");
  }
  if (order.size() > 40) text += fmt::format("{:>12} more\n", order.size() - 40);
  return text;
}

}  // namespace dl
