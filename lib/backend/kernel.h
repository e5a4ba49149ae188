// Kernel: one prepared step of a Plan. KernelRow: one way to compute an operator on a device; a backend lists rows in
// order of preference, the reference kernel last, and the first row that accepts a node prepares it.
// Who uses it: plan/ selects and runs kernels; conformance tests run every row that accepts a sample.
// Invariants: run() allocates nothing and depends only on its operands; a prepared kernel serves one Plan on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/layout.h"
#include "graph/attrs.h"
#include "tensor/tensor.h"

namespace dl {

struct OpDef;

struct OperandType {
  DType dtype = DType::kFloat32;
  Dims dims;
  LayoutId layout = kPlain;
  int64_t size() const { return element_count(dims); }
};

// A node with bound shapes, offered to the rows of its operator. The inputs' layouts are those their producers chose.
struct NodeView {
  const OpDef& op;
  const Attrs& attrs;
  std::span<const OperandType> inputs;
  std::span<const OperandType> outputs;  // layouts not chosen yet
  LayoutTable& layouts;
  bool strict = false;  // deterministic: strict (see KernelRow::thread_invariant)
};

struct KernelArgs {
  std::span<const void* const> inputs;
  std::span<void* const> outputs;
  void* workspace;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run(const KernelArgs& args) = 0;

  // What the kernel wants; the plan inserts reorders where an input's layout differs. Empty = all plain.
  std::vector<LayoutId> input_layouts, output_layouts;
  size_t workspace_bytes = 0;
  // {output, input}: the output may be written over that input when nobody else needs it any more.
  std::vector<std::pair<int, int>> in_place;
  // No work: the output is the first input's bytes, `view_offset` bytes in. run() is never called.
  bool is_view = false;
  size_t view_offset = 0;
  std::string detail;  // "jit:avx2", for --explain and bench; may be empty
};

struct KernelRow {
  const char* op;    // operator name
  const char* name;  // "onednn", "loops", "reference"
  // Null when the row does not accept the node.
  std::unique_ptr<Kernel> (*prepare)(const NodeView& node);
  // The bits of the result do not depend on the thread count. Others are not asked under deterministic: strict.
  bool thread_invariant = true;
};

}  // namespace dl
