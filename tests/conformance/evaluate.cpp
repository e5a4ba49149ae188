#include "conformance/evaluate.h"

#include <cstring>

#include "graph/op_def.h"
#include "graph/var.h"

namespace dl::conformance {
namespace {

// Device memory for one operand, in one layout.
class Buffer {
 public:
  Buffer(Backend& backend, const OperandType& type, LayoutId layout) : backend_(&backend), type_(type) {
    type_.layout = layout;
    bytes_ = layout == kPlain ? static_cast<size_t>(type.size()) * size_of(type.dtype) : backend.layouts().bytes(layout);
    memory_ = backend.allocate(bytes_);
    if (bytes_) std::memset(memory_, 0xAB, bytes_);  // so that an element nobody writes is seen
  }
  ~Buffer() { backend_->free(memory_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void write(const Tensor& tensor) { reorder(plain(), type_, tensor.raw(), memory_); }
  Tensor read() const {
    Tensor tensor(type_.dtype, type_.dims);
    reorder(type_, plain(), memory_, tensor.raw());
    return tensor;
  }
  void* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }

 private:
  OperandType plain() const { return {type_.dtype, type_.dims, kPlain}; }
  void reorder(const OperandType& from, const OperandType& to, const void* src, void* dst) const {
    if (from.layout == to.layout) {
      if (bytes_) std::memcpy(dst, src, bytes_);
      return;
    }
    const auto kernel = backend_->prepare_reorder(from, to);
    std::vector<std::byte> workspace(kernel->workspace_bytes + 64);
    const void* inputs[] = {src};
    void* outputs[] = {dst};
    kernel->run({inputs, outputs, workspace.data()});
  }

  Backend* backend_;
  OperandType type_;
  size_t bytes_;
  void* memory_;
};

LayoutId layout_of(const std::vector<LayoutId>& layouts, size_t i) { return layouts.empty() ? kPlain : layouts.at(i); }

}  // namespace

BoundNode::BoundNode(const Graph& graph, uint32_t index) : op(graph.node(index).op), attrs(graph.node(index).attrs) {
  const Node& node = graph.node(index);
  for (Value v : node.inputs) inputs.push_back({graph.type(v).dtype, known_dims(graph.type(v).shape)});
  for (const TensorType& t : node.types) outputs.push_back({t.dtype, known_dims(t.shape)});
}

std::unique_ptr<Kernel> prepare(Backend& backend, const KernelRow& row, const BoundNode& node) {
  return row.prepare({*node.op, node.attrs, node.inputs, node.outputs, backend.layouts()});
}

std::vector<Tensor> run(Backend& backend, Kernel& kernel, const BoundNode& node, std::span<const Tensor> inputs,
                        std::optional<std::pair<int, int>> in_place) {
  if (kernel.is_view) {
    Tensor out(node.outputs[0].dtype, node.outputs[0].dims);
    DL_CHECK(kernel.view_offset + out.bytes() <= inputs[0].bytes(), "view outside of its operand");
    if (out.bytes()) std::memcpy(out.raw(), static_cast<const std::byte*>(inputs[0].raw()) + kernel.view_offset, out.bytes());
    return {out};
  }
  std::vector<std::unique_ptr<Buffer>> in, out;
  std::vector<const void*> sources;
  std::vector<void*> targets;
  for (size_t i = 0; i < inputs.size(); ++i) {
    in.push_back(std::make_unique<Buffer>(backend, node.inputs[i], layout_of(kernel.input_layouts, i)));
    in.back()->write(inputs[i]);
    sources.push_back(in.back()->memory());
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    out.push_back(std::make_unique<Buffer>(backend, node.outputs[i], layout_of(kernel.output_layouts, i)));
    targets.push_back(out.back()->memory());
  }
  if (in_place) {
    const auto o = static_cast<size_t>(in_place->first), i = static_cast<size_t>(in_place->second);
    DL_CHECK(out.at(o)->bytes() == in.at(i)->bytes(), "an in-place pair differs in size");
    if (out[o]->bytes()) std::memcpy(targets[o], sources[i], out[o]->bytes());
    sources[i] = targets[o];
  }
  void* workspace = backend.allocate(kernel.workspace_bytes);
  kernel.run({sources, targets, workspace});
  backend.free(workspace);
  std::vector<Tensor> results;
  for (const auto& buffer : out) results.push_back(buffer->read());
  return results;
}

const KernelRow* find_reference(const Backend& backend, const OpDef& op) {
  for (const KernelRow& row : backend.kernels(op.name))
    if (std::string_view(row.name) == "reference") return &row;
  return nullptr;
}

Tensor Evaluator::evaluate(Value value) {
  // An explicit stack: graphs of gradients are deep.
  std::vector<uint32_t> stack{value.node};
  while (!stack.empty()) {
    const uint32_t node = stack.back();
    if (known_.count({node, 0})) {
      stack.pop_back();
      continue;
    }
    bool ready = true;
    for (Value v : graph_.node(node).inputs)
      if (!known_.count(v)) stack.push_back(v.node), ready = false;
    if (!ready) continue;
    stack.pop_back();
    evaluate_node(node);
  }
  return known_.at(value);
}

void Evaluator::evaluate_node(uint32_t index) {
  const Node node = graph_.node(index);  // a copy: lowering makes the graph grow
  const std::string_view name = node.op->name;
  if (name == "constant") {
    known_[{index, 0}] = node.attrs.tensor("value");
    return;
  }
  if (name == "all_reduce") {  // over one rank
    for (uint32_t k = 0; k < node.inputs.size(); ++k) known_[{index, k}] = known_.at(node.inputs[k]);
    return;
  }
  if (const KernelRow* row = find_reference(backend_, *node.op)) {
    const BoundNode bound(graph_, index);
    const auto kernel = prepare(backend_, *row, bound);
    DL_CHECK(kernel, std::string(name) + ": the reference row does not accept a node");
    std::vector<Tensor> inputs;
    for (Value v : node.inputs) inputs.push_back(known_.at(v));
    const std::vector<Tensor> outputs = run(backend_, *kernel, bound, inputs);
    for (uint32_t k = 0; k < outputs.size(); ++k) known_[{index, k}] = outputs[k];
    return;
  }
  DL_CHECK(node.op->lower, std::string(name) + " has neither a reference kernel nor a lowering");
  std::vector<Var> inputs;
  for (Value v : node.inputs) inputs.push_back({&graph_, v});
  const std::vector<Var> lowered = node.op->lower({graph_, node.attrs, inputs, node.types});
  DL_CHECK(lowered.size() == node.types.size(), std::string(name) + ": the lowering has another number of results");
  for (uint32_t k = 0; k < lowered.size(); ++k) {
    DL_CHECK(lowered[k].type() == node.types[k],
             std::string(name) + ": the lowering is " + to_string(lowered[k].type()) + ", inferred is " + to_string(node.types[k]));
    known_[{index, k}] = evaluate(lowered[k].value);
  }
}

}  // namespace dl::conformance
