// Reductions. Work is cut by sizes alone, never by the number of threads, and parts are joined in a fixed order: the bits of a result are
// the same for any thread count.
#include <algorithm>
#include <limits>
#include <vector>

#include "backend/cpu/dispatch.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/loops.h"
#include "backend/cpu/reduce_isa.h"
#include "backend/cpu/strides.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kRun = 1024;     // contiguous elements per partial result
constexpr int64_t kRows = 64;      // rows per partial result
constexpr int64_t kColumns = 128;  // columns kept in registers and the nearest cache
constexpr int64_t kGrain = 16384;  // elements worth a thread
constexpr int64_t kMaxParts = 64;

// What partial results are added up in.
template <class T>
using Total = std::conditional_t<kIsFloat<T>, double, int64_t>;
template <class T>
using Partial = std::conditional_t<std::is_same_v<T, double>, double, std::conditional_t<kIsFloat<T>, float, int64_t>>;

template <class W>
W start_of(ReduceOp op) {
  using Limits = std::numeric_limits<W>;
  switch (op) {
    case ReduceOp::kSum:
      return 0;
    case ReduceOp::kProd:
      return 1;
    case ReduceOp::kMax:
      return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    case ReduceOp::kMin:
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
  return 0;
}

template <class W>
W join(ReduceOp op, W a, W b) {
  switch (op) {
    case ReduceOp::kSum:
      return a + b;
    case ReduceOp::kProd:
      return a * b;
    case ReduceOp::kMax:
      return b > a || b != b ? b : a;
    case ReduceOp::kMin:
      return b < a || b != b ? b : a;
  }
  return a;
}

// The axes, neighbours of one kind merged, as two lists: kept (in order) and dropped. Then the innermost axis leaves its list: `inner`.
struct Axes {
  Index kept, kept_strides, dropped, dropped_strides;
  int64_t inner = 1;
  bool inner_kept = true;

  Axes(const Dims& in, const std::vector<int64_t>& axes) {
    const Index strides = strides_of(in);
    int last_kind = -1;
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i] == 1) continue;
      const bool drop = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(i));
      Index &sizes = drop ? dropped : kept, &steps = drop ? dropped_strides : kept_strides;
      if (last_kind != drop) ++sizes.rank, ++steps.rank, sizes[sizes.rank - 1] = 1;
      sizes[sizes.rank - 1] *= in[i], steps[sizes.rank - 1] = strides[i];
      last_kind = drop;
    }
    if (last_kind < 0) return;
    inner_kept = last_kind == 0;
    Index &sizes = inner_kept ? kept : dropped, &steps = inner_kept ? kept_strides : dropped_strides;
    inner = sizes[sizes.rank - 1];
    --sizes.rank, --steps.rank;
  }
};

int64_t offset_at(int64_t flat, const Index& sizes, const Index& strides) {
  int64_t offset = 0;
  for (size_t i = sizes.rank; i-- > 0; flat /= sizes[i]) offset += flat % sizes[i] * strides[i];
  return offset;
}

template <class T>
class Reduce final : public Kernel {
 public:
  Reduce(const NodeView& node, ReduceOp op, ReduceLoops loops)
      : op_(op),
        loops_(loops),
        axes_(node.inputs[0].dims, node.attrs.integers("axes")),
        size_(node.inputs[0].size()),
        outputs_(node.outputs[0].size()) {
    if (size_ == 0) return;
    // Results are computed in units: one result, or a block of columns. Few units of much work are cut into parts of what is dropped.
    column_blocks_ = axes_.inner_kept ? (axes_.inner + kColumns - 1) / kColumns : 1;
    units_ = axes_.kept.count() * column_blocks_;
    steps_ = axes_.inner_kept ? axes_.dropped.count() : axes_.dropped.count() * ((axes_.inner + kRun - 1) / kRun);
    parts_ = units_ >= kMaxParts ? 1 : std::clamp<int64_t>(size_ / kGrain, 1, std::min(kMaxParts, steps_));
    workspace_bytes = parts_ == 1 ? 0 : static_cast<size_t>(parts_ * outputs_) * sizeof(Total<T>);
  }

  void run(const KernelArgs& args) override {
    T* y = static_cast<T*>(args.outputs[0]);
    if (size_ == 0) {
      std::fill_n(y, outputs_, convert<T>(start_of<Total<T>>(op_)));
      return;
    }
    const T* x = static_cast<const T*>(args.inputs[0]);
    auto* totals = static_cast<Total<T>*>(args.workspace);
    const int64_t work = std::max<int64_t>(1, size_ / (units_ * parts_));
    parallel_for(units_ * parts_, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t part = i / units_;
        run_unit(x, i % units_, steps_ * part / parts_, steps_ * (part + 1) / parts_, [&](int64_t at, Total<T> value) {
          if (parts_ == 1)
            y[at] = convert<T>(value);
          else
            totals[part * outputs_ + at] = value;
        });
      }
    });
    for (int64_t at = 0; parts_ > 1 && at < outputs_; ++at) {
      Total<T> value = totals[at];
      for (int64_t part = 1; part < parts_; ++part) value = join(op_, value, totals[part * outputs_ + at]);
      y[at] = convert<T>(value);
    }
  }

 private:
  // Steps [begin, end) of what unit `unit` drops.
  template <class Write>
  void run_unit(const T* x, int64_t unit, int64_t begin, int64_t end, const Write& write) const {
    if (axes_.inner_kept)
      run_columns(x, unit, begin, end, write);
    else
      run_runs(x, unit, begin, end, write);
  }

  template <class Write>
  void run_columns(const T* x, int64_t unit, int64_t begin, int64_t end, const Write& write) const {
    const int64_t outer = unit / column_blocks_, first = unit % column_blocks_ * kColumns, width = std::min(kColumns, axes_.inner - first);
    const T* base = x + offset_at(outer, axes_.kept, axes_.kept_strides) + first;
    const size_t rank = axes_.dropped.rank;
    const int64_t run = rank ? axes_.dropped[rank - 1] : 1, stride = rank ? axes_.dropped_strides[rank - 1] : 0;
    Total<T> totals[kColumns];
    std::fill_n(totals, width, start_of<Total<T>>(op_));
    Partial<T> partial[kColumns];
    while (begin < end) {
      const int64_t rows = std::min({kRows, end - begin, run - begin % run});
      loops_.rows(base + offset_at(begin, axes_.dropped, axes_.dropped_strides), rows, stride, width, partial);
      for (int64_t j = 0; j < width; ++j) totals[j] = join(op_, totals[j], static_cast<Total<T>>(partial[j]));
      begin += rows;
    }
    for (int64_t j = 0; j < width; ++j) write(outer * axes_.inner + first + j, totals[j]);
  }

  template <class Write>
  void run_runs(const T* x, int64_t unit, int64_t begin, int64_t end, const Write& write) const {
    const T* base = x + offset_at(unit, axes_.kept, axes_.kept_strides);
    const int64_t runs = (axes_.inner + kRun - 1) / kRun;
    Total<T> total = start_of<Total<T>>(op_);
    for (; begin < end; ++begin) {
      const int64_t first = begin % runs * kRun;
      Partial<T> partial;
      loops_.run(base + offset_at(begin / runs, axes_.dropped, axes_.dropped_strides) + first, std::min(kRun, axes_.inner - first),
                 &partial);
      total = join(op_, total, static_cast<Total<T>>(partial));
    }
    write(unit, total);
  }

  ReduceOp op_;
  ReduceLoops loops_;
  Axes axes_;
  int64_t size_, outputs_, column_blocks_ = 1, units_ = 0, steps_ = 0, parts_ = 1;
};

template <ReduceOp op>
std::unique_ptr<Kernel> prepare_reduce(const NodeView& node) {
  const OperandType& in = node.inputs[0];
  if (in.dims.size() > kMaxRank) return nullptr;
  const ReduceLoops loops = for_active_isa(baseline::reduce_loops, avx2::reduce_loops, avx512::reduce_loops)(op, in.dtype);
  if (!loops.run) return nullptr;
  switch (in.dtype) {
    case DType::kFloat32:
      return std::make_unique<Reduce<float>>(node, op, loops);
    case DType::kFloat64:
      return std::make_unique<Reduce<double>>(node, op, loops);
    case DType::kBFloat16:
      return std::make_unique<Reduce<bfloat16>>(node, op, loops);
    case DType::kInt32:
      return std::make_unique<Reduce<int32_t>>(node, op, loops);
    case DType::kInt64:
      return std::make_unique<Reduce<int64_t>>(node, op, loops);
    default:
      return nullptr;
  }
}

template <class T>
class ArgMax final : public Kernel {
 public:
  explicit ArgMax(const NodeView& node) {
    const Dims& dims = node.inputs[0].dims;
    const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
    for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer_ : i == axis ? size_ : inner_) *= dims[i];
  }

  void run(const KernelArgs& args) override {
    const T* x = static_cast<const T*>(args.inputs[0]);
    int64_t* y = static_cast<int64_t*>(args.outputs[0]);
    parallel_for(outer_ * inner_, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, size_)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = find(x + i / inner_ * size_ * inner_ + i % inner_);
    });
  }

 private:
  // The first of equals; the first NaN wins.
  int64_t find(const T* x) const {
    int64_t best = 0;
    auto top = load(x[0]);
    for (int64_t i = 1; i < size_ && top == top; ++i)
      if (const auto value = load(x[i * inner_]); !(value <= top)) top = value, best = i;
    return best;
  }

  int64_t outer_ = 1, size_ = 1, inner_ = 1;
};

std::unique_ptr<Kernel> prepare_arg_max(const NodeView& node) {
  if (node.inputs[0].size() == 0) return nullptr;
  switch (node.inputs[0].dtype) {
    case DType::kFloat32:
      return std::make_unique<ArgMax<float>>(node);
    case DType::kFloat64:
      return std::make_unique<ArgMax<double>>(node);
    case DType::kBFloat16:
      return std::make_unique<ArgMax<bfloat16>>(node);
    case DType::kInt32:
      return std::make_unique<ArgMax<int32_t>>(node);
    case DType::kInt64:
      return std::make_unique<ArgMax<int64_t>>(node);
    default:
      return nullptr;
  }
}

}  // namespace

void append_reduce_loops(std::vector<KernelRow>& rows) {
  rows.push_back({"reduce_sum", "loops", prepare_reduce<ReduceOp::kSum>});
  rows.push_back({"reduce_prod", "loops", prepare_reduce<ReduceOp::kProd>});
  rows.push_back({"reduce_max", "loops", prepare_reduce<ReduceOp::kMax>});
  rows.push_back({"reduce_min", "loops", prepare_reduce<ReduceOp::kMin>});
  rows.push_back({"arg_max", "loops", prepare_arg_max});
}

}  // namespace dl::cpu
