#include "plan/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/parallel.h"
#include "graph/op_def.h"
#include "ops/ops.h"
#include "passes/rewrite.h"
#include "plan/memory.h"
#include "plan/place.h"
#include "plan/schedule.h"

namespace dl {
namespace {

OperandType operand_type(const TensorType& type, LayoutId layout = kPlain) { return {type.dtype, known_dims(type.shape), layout}; }

size_t bytes_of(const OperandType& type, const LayoutTable& layouts) {
  if (type.layout != kPlain) return layouts.bytes(type.layout);
  return static_cast<size_t>(type.size()) * size_of(type.dtype);
}

// With one rank there is nobody to exchange with.
Program drop_all_reduce(const Program& program) {
  return rewrite(program, [](const RewriteCall& call) { return call.node.op == &op_all_reduce ? call.inputs : std::vector<Var>{}; });
}

// Below about 20 us of work a second thread costs more than it brings (measured; facts on performance).
int choose_threads(double flops, double bytes) {
  const double microseconds = flops / 40e3 + bytes / 10e3;
  return microseconds < 20 ? 1 : 0;
}

class ThreadScope {
 public:
  explicit ThreadScope(int threads) : saved_(thread_count()) {
    if (threads > 0) set_thread_count(threads);
  }
  ~ThreadScope() { set_thread_count(saved_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int saved_;
};

// Builds the steps of a legal, bound Program.
class Compiler {
 public:
  Compiler(const Program& program, Backend& backend, const CompileOptions& options)
      : program_(program), graph_(program.graph), backend_(backend), options_(options), index_(program.graph.size()) {}

  Plan run() {
    count_uses();
    plan_.inputs.assign(program_.inputs.size(), -1);
    plan_.parameters.assign(program_.parameters.size(), -1);
    add_sources();
    for (uint32_t i : schedule(program_)) add_node(i);
    add_outputs();
    add_updates();
    place(plan_, groups_, program_.updates.size() ? updated_parameters() : std::vector<PlacedUpdate>{});
    return std::move(plan_);
  }

 private:
  void count_uses() {
    uses_.assign(graph_.size(), 0);
    const std::vector<char> live = live_nodes(program_);
    for (uint32_t i = 0; i < graph_.size(); ++i)
      if (live[i])
        for (Value v : graph_.node(i).inputs) ++uses_[v.node];
    for (const auto& o : program_.outputs) ++uses_[o.value.node];
    for (const auto& u : program_.updates) ++uses_[u.new_value.node];
  }

  int add_value(OperandType type, Storage storage) {
    PlanValue value;
    value.bytes = bytes_of(type, backend_.layouts());
    value.type = std::move(type);
    value.storage = storage;
    value.root = static_cast<int>(plan_.values.size());
    plan_.values.push_back(std::move(value));
    is_static_.push_back(0);
    return static_cast<int>(plan_.values.size()) - 1;
  }

  int& value_of(Value v) {
    auto& outputs = index_[v.node];
    if (outputs.size() <= v.index) outputs.resize(v.index + 1, -1);
    return outputs[v.index];
  }

  void add_sources() {
    for (size_t k = 0; k < program_.inputs.size(); ++k) {
      const int v = add_value(operand_type(graph_.type(program_.inputs[k].value)), Storage::kInput);
      plan_.values[static_cast<size_t>(v)].index = k;
      value_of(program_.inputs[k].value) = plan_.inputs[k] = v;
    }
    for (size_t k = 0; k < program_.parameters.size(); ++k) {
      const int v = add_value(operand_type(graph_.type(program_.parameters[k].value)), Storage::kParameter);
      plan_.values[static_cast<size_t>(v)].index = k;
      is_static_[static_cast<size_t>(v)] = program_.updates.empty() && !options_.run_once;
      value_of(program_.parameters[k].value) = plan_.parameters[k] = v;
    }
  }

  void add_node(uint32_t i) {
    const Node& node = graph_.node(i);
    if (node.op == &op_constant) {
      const int v = add_value(operand_type(node.types[0]), Storage::kStatic);
      is_static_[static_cast<size_t>(v)] = 1;
      plan_.constants.push_back({node.attrs.tensor("value"), v});
      value_of({i, 0}) = v;
    } else if (node.op == &op_all_reduce) {
      add_all_reduce(i, node);
    } else if (node.op->kind != OpKind::kSource) {
      add_kernel(i, node);
    }
  }

  void add_kernel(uint32_t i, const Node& node) {
    std::vector<OperandType> inputs, outputs;
    std::vector<int> operands;
    for (Value v : node.inputs) {
      operands.push_back(value_of(v));
      inputs.push_back(plan_.values[static_cast<size_t>(operands.back())].type);
    }
    for (const TensorType& t : node.types) outputs.push_back(operand_type(t));
    Step step;
    step.op = node.op->name;
    step.scope = graph_.scope_name(node.scope);
    measure_work(node, step);
    step.threads = choose_threads(step.flops, step.bytes);
    {
      const ThreadScope threads(step.threads);
      const auto select = [&] {
        return select_kernel(backend_, {*node.op, node.attrs, inputs, outputs, backend_.layouts(), options_.strict}, options_);
      };
      Selected selected = select();
      if (!selected.kernel) {  // no row takes the layouts at hand; the legal Program promises one for plain operands
        for (OperandType& t : inputs) t.layout = kPlain;
        selected = select();
      }
      DL_CHECK(selected.kernel, fmt::format("no kernel for {} after lowering", node.op->name));
      step.kernel = std::move(selected.kernel);
      step.row = selected.row->name;
    }
    step.detail = step.kernel->detail;
    step.workspace_bytes = step.kernel->workspace_bytes;
    bool all_static = node.op->kind != OpKind::kRandom;
    for (size_t k = 0; k < operands.size(); ++k) {
      const LayoutId wanted = step.kernel->input_layouts.empty() ? kPlain : step.kernel->input_layouts[k];
      step.inputs.push_back(in_layout(operands[k], wanted));
      all_static = all_static && is_static_[static_cast<size_t>(operands[k])];
    }
    step.is_static = all_static;
    for (size_t k = 0; k < outputs.size(); ++k) {
      outputs[k].layout = step.kernel->output_layouts.empty() ? kPlain : step.kernel->output_layouts[k];
      const int v = add_value(outputs[k], all_static ? Storage::kStatic : Storage::kArena);
      is_static_[static_cast<size_t>(v)] = all_static;
      value_of({i, static_cast<uint32_t>(k)}) = v;
      step.outputs.push_back(v);
    }
    push(std::move(step));
  }

  void measure_work(const Node& node, Step& step) const {
    std::vector<TensorType> inputs;
    for (Value v : node.inputs) inputs.push_back(graph_.type(v));
    step.flops = flops_of(*node.op, {node.attrs, inputs, node.types});
    if (node.op->kind == OpKind::kView) return;
    for (const std::vector<TensorType>* types : {&std::as_const(inputs), &node.types})
      for (const TensorType& t : *types)
        step.bytes += static_cast<double>(element_count(t.shape).value()) * static_cast<double>(size_of(t.dtype));
  }

  // The value in that layout: itself, or a copy made once for all who want it.
  int in_layout(int v, LayoutId wanted) {
    const OperandType from = plan_.values[static_cast<size_t>(v)].type;
    if (from.layout == wanted) return v;
    auto [it, inserted] = reordered_.try_emplace({v, wanted}, -1);
    if (!inserted) return it->second;
    OperandType to = from;
    to.layout = wanted;
    Step step;
    step.op = "reorder";
    step.bytes = static_cast<double>(plan_.values[static_cast<size_t>(v)].bytes + bytes_of(to, backend_.layouts()));
    step.threads = choose_threads(0, step.bytes);
    {
      const ThreadScope threads(step.threads);
      step.kernel = backend_.prepare_reorder(from, to);
    }
    step.row = "reorder";
    step.detail = (from.layout == kPlain ? std::string("plain") : backend_.layouts().name(from.layout)) + " -> " +
                  (wanted == kPlain ? std::string("plain") : backend_.layouts().name(wanted));
    step.workspace_bytes = step.kernel->workspace_bytes;
    step.is_static = is_static_[static_cast<size_t>(v)];
    const int copy = add_value(to, step.is_static ? Storage::kStatic : Storage::kArena);
    is_static_[static_cast<size_t>(copy)] = step.is_static;
    step.inputs = {v};
    step.outputs = {copy};
    push(std::move(step));
    reordered_[{v, wanted}] = copy;
    return copy;
  }

  int add_copy(int v) {
    Step step;
    step.kind = StepKind::kCopy;
    step.op = step.row = "copy";
    const int source = in_layout(v, kPlain);
    const int copy = add_value(plan_.values[static_cast<size_t>(source)].type, Storage::kArena);
    step.inputs = {source};
    step.outputs = {copy};
    push(std::move(step));
    return copy;
  }

  // The operands of one all_reduce become neighbours in memory, so that the bucket is one message.
  void add_all_reduce(uint32_t i, const Node& node) {
    Step step;
    step.kind = StepKind::kStartReduce;
    step.op = step.row = "all_reduce";
    step.mean = node.attrs.flag("mean");
    step.ticket = tickets_++;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const int operand = in_layout(value_of(node.inputs[k]), kPlain);
      const PlanValue& value = plan_.values[static_cast<size_t>(operand)];
      const bool own = value.storage == Storage::kArena && uses_[node.inputs[k].node] == 1 && !is_view_output(operand);
      const int slot = own ? operand : add_copy(operand);
      step.inputs.push_back(slot);
      pending_[slot] = step.ticket;
      value_of({i, static_cast<uint32_t>(k)}) = slot;
    }
    DL_CHECK(std::all_of(step.inputs.begin(), step.inputs.end(),
                         [&](int v) {
                           return plan_.values[static_cast<size_t>(v)].type.dtype ==
                                  plan_.values[static_cast<size_t>(step.inputs[0])].type.dtype;
                         }),
             "a bucket holds one element type");
    groups_.push_back(step.inputs);
    const int ticket = step.ticket;
    const std::vector<int> bucket = step.inputs;
    plan_.steps.push_back(std::move(step));
    waits_[ticket] = bucket;
  }

  bool is_view_output(int v) const {
    for (const Step& s : plan_.steps)
      if (s.kernel && s.kernel->is_view && std::find(s.outputs.begin(), s.outputs.end(), v) != s.outputs.end()) return true;
    return false;
  }

  // Appends a step; first waits for the reductions whose results it reads.
  void push(Step step) {
    for (int v : step.inputs) {
      const auto it = pending_.find(v);
      if (it == pending_.end()) continue;
      wait_for(it->second);
    }
    plan_.steps.push_back(std::move(step));
  }

  void wait_for(int ticket) {
    Step wait;
    wait.kind = StepKind::kWaitReduce;
    wait.op = wait.row = "wait";
    wait.ticket = ticket;
    wait.inputs = waits_[ticket];
    for (int v : wait.inputs) pending_.erase(v);
    plan_.steps.push_back(std::move(wait));
  }

  void add_outputs() {
    for (const auto& o : program_.outputs) {
      int v = in_layout(value_of(o.value), kPlain);
      if (const auto it = pending_.find(v); it != pending_.end()) wait_for(it->second);
      // A parameter may change in place later in the run: the output is what it was.
      if (root_storage(v) == Storage::kParameter && !program_.updates.empty()) v = add_copy(v);
      plan_.outputs.push_back(v);
    }
  }

  // Storage of the value whose bytes `v` shows, through views.
  Storage root_storage(int v) const {
    for (bool moved = true; moved;) {
      moved = false;
      for (const Step& s : plan_.steps)
        if (s.kernel && s.kernel->is_view && s.outputs[0] == v) {
          v = s.inputs[0];
          moved = true;
          break;
        }
    }
    return plan_.values[static_cast<size_t>(v)].storage;
  }

  void add_updates() {
    for (const Update& u : program_.updates) {
      int v = in_layout(value_of(u.new_value), kPlain);
      if (const auto it = pending_.find(v); it != pending_.end()) wait_for(it->second);
      if (root_storage(v) == Storage::kParameter) v = add_copy(v);
      updates_.push_back({v, plan_.parameters[u.parameter]});
    }
  }

  std::vector<PlacedUpdate> updated_parameters() const { return updates_; }

  const Program& program_;
  const Graph& graph_;
  Backend& backend_;
  const CompileOptions& options_;
  Plan plan_;
  std::vector<std::vector<int>> index_;  // node, output -> PlanValue
  std::vector<char> is_static_;          // by PlanValue
  std::vector<int> uses_;                // by node
  std::map<std::pair<int, LayoutId>, int> reordered_;
  std::vector<std::vector<int>> groups_;
  std::map<int, int> pending_;  // PlanValue -> ticket of the reduction under way on it
  std::map<int, std::vector<int>> waits_;
  std::vector<PlacedUpdate> updates_;
  int tickets_ = 0;
};

// With the floats of 16 bits in 32.
std::vector<OperandType> widened(std::span<const OperandType> operands) {
  std::vector<OperandType> wide(operands.begin(), operands.end());
  for (OperandType& operand : wide)
    if (operand.dtype == DType::kBFloat16) operand.dtype = DType::kFloat32;
  return wide;
}

// A device without instructions for bfloat16 is quicker in float32, casts included, than with the reference kernel.
bool is_better_widened(Backend& backend, const NodeView& node, const Selected& selected, const CompileOptions& options) {
  if (std::string_view(selected.row->name) != "reference" || options.reference_only || std::string_view(node.op.name) == "cast")
    return false;
  const auto is_narrow = [](const OperandType& operand) { return operand.dtype == DType::kBFloat16; };
  if (std::none_of(node.inputs.begin(), node.inputs.end(), is_narrow)) return false;
  const std::vector<OperandType> inputs = widened(node.inputs), outputs = widened(node.outputs);
  const Selected wide = select_kernel(backend, {node.op, node.attrs, inputs, outputs, node.layouts, node.strict}, options);
  return wide.kernel && std::string_view(wide.row->name) != "reference";
}

}  // namespace

Selected select_kernel(Backend& backend, const NodeView& node, const CompileOptions& options) {
  for (const KernelRow& row : backend.kernels(node.op.name)) {
    if (options.strict && !row.thread_invariant) continue;
    if (options.reference_only && std::string_view(row.name) != "reference") continue;
    if (std::unique_ptr<Kernel> kernel = row.prepare(node)) return {std::move(kernel), &row};
  }
  return {};
}

Compiled compile(const Program& program, const Bindings& bindings, Backend& backend, const CompileOptions& options,
                 std::vector<PassTrace>* trace) {
  const AcceptsNode accepts = [&](const Node& node, const Graph& graph) {
    if (node.op == &op_all_reduce) return true;
    std::vector<OperandType> inputs, outputs;
    for (Value v : node.inputs) inputs.push_back(operand_type(graph.type(v)));
    for (const TensorType& t : node.types) outputs.push_back(operand_type(t));
    const NodeView view{*node.op, node.attrs, inputs, outputs, backend.layouts(), options.strict};
    const Selected selected = select_kernel(backend, view, options);
    return selected.kernel && !is_better_widened(backend, view, selected, options);
  };
  Compiled result;
  const bool alone = options.ranks == 1;
  result.program = optimize(alone ? drop_all_reduce(program) : program, bindings, accepts, trace);
  result.plan = Compiler(result.program, backend, options).run();
  return result;
}

}  // namespace dl
