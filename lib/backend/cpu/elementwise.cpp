// Elementwise kernels: broadcasting reduced to blocks with contiguous inner loops, chains kept in blocked layouts, threads.
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "backend/cpu/elementwise_isa.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/rows.h"
#include "backend/cpu/strides.h"
#include "base/parallel.h"
#include "graph/op_def.h"

namespace dl::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements of work worth a thread

ElementwiseLoop find_loop(std::string_view op, DType input, DType output) {
  const ElementwiseTable table = for_active_isa(baseline::elementwise_table, avx2::elementwise_table, avx512::elementwise_table)();
  for (int64_t i = 0; i < table.count; ++i) {
    const ElementwiseEntry& e = table.entries[i];
    if (e.input == input && e.output == output && e.op == op) return e.loop;
  }
  return nullptr;
}

// The axes of the result, merged as far as every operand allows: the innermost is contiguous or repeated for each.
struct Walk {
  size_t operands = 0;
  Index sizes;                   // at least two axes: the last two are a block's
  std::array<Index, 3> strides;  // of each operand

  Walk(std::span<const OperandType> inputs, const Dims& out) : operands(inputs.size()) {
    std::array<Index, 3> full;
    for (size_t k = 0; k < operands; ++k) full[k] = broadcast_strides(inputs[k].dims, out);
    for (size_t i = 0; i < out.size(); ++i)
      if (out[i] != 1) add_axis(out[i], full, i);
    while (sizes.rank < 2) {  // outer axes of size 1
      for (size_t i = sizes.rank; i > 0; --i) move_axis(i - 1, i);
      sizes[0] = 1;
      for (Index& s : strides) s[0] = 0;
      ++sizes.rank;
    }
  }

 private:
  void add_axis(int64_t size, const std::array<Index, 3>& full, size_t axis) {
    const size_t last = sizes.rank - 1;
    bool merges = sizes.rank > 0;
    for (size_t k = 0; merges && k < operands; ++k) merges = strides[k][last] == full[k][axis] * size;
    const size_t to = merges ? last : sizes.rank++;
    sizes[to] = merges ? sizes[to] * size : size;
    for (size_t k = 0; k < operands; ++k) strides[k][to] = full[k][axis];
  }
  void move_axis(size_t from, size_t to) {
    sizes[to] = sizes[from];
    for (Index& s : strides) s[to] = s[from];
  }
};

class ElementwiseKernel final : public Kernel {
 public:
  ElementwiseKernel(const NodeView& node, ElementwiseLoop loop, const Walk& walk)
      : loop_(loop), walk_(walk), output_size_(size_of(node.outputs[0].dtype)) {
    for (size_t k = 0; k < node.inputs.size(); ++k) input_sizes_[k] = size_of(node.inputs[k].dtype);
    const size_t rank = walk.sizes.rank;
    inner_ = walk.sizes[rank - 1];
    rows_ = inner_ ? walk.sizes.count() / inner_ : 0;
    for (size_t k = 0; k < walk.operands; ++k) repeats_[k] = walk.strides[k][rank - 1] == 0;
  }

  void run(const KernelArgs& args) override {
    if (rows_ == 0 || inner_ == 0) return;
    if (inner_ >= 4 * kGrain || rows_ == 1) {  // few long rows: cut along the row
      for (int64_t row = 0; row < rows_; ++row)
        parallel_for(inner_, kGrain, [&](int64_t begin, int64_t end) { run_block(args, row, 1, begin, end - begin); });
    } else {
      parallel_for(rows_, std::max<int64_t>(1, kGrain / inner_), [&](int64_t begin, int64_t end) { run_rows(args, begin, end); });
    }
  }

 private:
  // Rows of the flattened outer axes, in runs along the last of them.
  void run_rows(const KernelArgs& args, int64_t begin, int64_t end) const {
    const int64_t run = walk_.sizes[walk_.sizes.rank - 2];
    while (begin < end) {
      const int64_t count = std::min(end - begin, run - begin % run);
      run_block(args, begin, count, 0, inner_);
      begin += count;
    }
  }

  void run_block(const KernelArgs& args, int64_t row, int64_t rows, int64_t column, int64_t columns) const {
    const size_t outer_axis = walk_.sizes.rank - 2;
    ElementwiseBlock block{rows, columns, {}, {}};
    std::array<const void*, 3> inputs{};
    std::array<int64_t, 3> offsets{};
    int64_t rest = row;
    for (size_t i = outer_axis + 1; i-- > 0;) {
      for (size_t k = 0; k < walk_.operands; ++k) offsets[k] += rest % walk_.sizes[i] * walk_.strides[k][i];
      rest /= walk_.sizes[i];
    }
    for (size_t k = 0; k < walk_.operands; ++k) {
      block.outer_strides[k] = walk_.strides[k][outer_axis];
      block.repeats[k] = repeats_[k];
      const int64_t offset = offsets[k] + (repeats_[k] ? 0 : column);
      inputs[k] = static_cast<const std::byte*>(args.inputs[k]) + static_cast<size_t>(offset) * input_sizes_[k];
    }
    loop_(inputs.data(), static_cast<std::byte*>(args.outputs[0]) + static_cast<size_t>(row * inner_ + column) * output_size_, block);
  }

  ElementwiseLoop loop_;
  Walk walk_;
  std::array<size_t, 3> input_sizes_{};
  size_t output_size_;
  int64_t inner_ = 0, rows_ = 0;
  bool repeats_[3] = {};
};

struct CommonLayout {
  LayoutId in = kPlain, out = kPlain;
};

// The blocked layout a node can stay in: every operand but single elements has the result's type and dims, and one of them lies in a
// layout whose every byte is an element. Operands in other layouts are reordered to it, as a consumer would ask for it anyway. A cast
// has the same places for another type.
CommonLayout common_layout(const NodeView& node) {
  const OperandType& out = node.outputs[0];
  if (const OperandType& in = node.inputs[0]; node.inputs.size() == 1 && in.dtype != out.dtype && in.layout != kPlain) {
    const std::optional<LayoutId> same = node.layouts.is_dense(in.layout) ? node.layouts.retyped(in.layout, out.dtype) : std::nullopt;
    return same ? CommonLayout{in.layout, *same} : CommonLayout{};
  }
  LayoutId layout = kPlain;
  for (const OperandType& in : node.inputs) {
    if (in.size() == 1 && out.size() != 1) continue;
    if (in.dtype != out.dtype || in.dims != out.dims) return {};
    if (layout == kPlain && in.layout != kPlain && node.layouts.is_dense(in.layout)) layout = in.layout;
  }
  return {layout, layout};
}

std::unique_ptr<Kernel> prepare(const NodeView& node) {
  const OperandType& out = node.outputs[0];
  for (const OperandType& in : node.inputs)
    if (in.dims.size() > kMaxRank) return nullptr;
  if (out.dims.size() > kMaxRank) return nullptr;
  const ElementwiseLoop loop = find_loop(node.op.name, node.inputs.back().dtype, out.dtype);
  if (!loop) return nullptr;
  const CommonLayout layout = common_layout(node);
  // In a dense layout the order of elements does not matter: one long row.
  auto kernel = std::make_unique<ElementwiseKernel>(node, loop, Walk(node.inputs, out.dims));
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    const OperandType& in = node.inputs[k];
    const bool whole = in.dims == out.dims;
    if (layout.in != kPlain) kernel->input_layouts.push_back(whole ? layout.in : kPlain);
    if (whole && size_of(in.dtype) == size_of(out.dtype)) kernel->in_place.push_back({0, static_cast<int>(k)});
  }
  if (layout.in != kPlain) kernel->output_layouts = {layout.out};
  return kernel;
}

}  // namespace

std::span<const KernelRow> elementwise_rows() {
  static const KernelRow rows[] = {
#define DL_UNARY(NAME, VALUE, GRAD) {#NAME, "loops", prepare},
#define DL_BINARY(NAME, VALUE, GRAD_A, GRAD_B) {#NAME, "loops", prepare},
#define DL_COMPARE(NAME, VALUE) {#NAME, "loops", prepare},
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
      {"select", "loops", prepare},
      {"cast", "loops", prepare},
  };
  return rows;
}

}  // namespace dl::cpu
