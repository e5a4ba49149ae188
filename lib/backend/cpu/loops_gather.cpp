// gather copies whole inner runs; scatter_add adds them in index order, threads sharing the columns, so that sums do not depend on timing.
#include <algorithm>
#include <cstring>

#include "backend/cpu/dispatch.h"
#include "backend/cpu/loops.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements worth a thread

// An operand or result as [outer, axis, inner].
struct Blocks {
  int64_t outer = 1, size = 1, inner = 1;

  Blocks(const Dims& dims, size_t axis) {
    for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer : i == axis ? size : inner) *= dims[i];
  }
};

template <class I>
const I* check_indices(const void* indices, int64_t count, int64_t limit) {
  const I* at = static_cast<const I*>(indices);
  for (int64_t i = 0; i < count; ++i)
    if (at[i] < 0 || at[i] >= limit) throw UserError("index " + std::to_string(at[i]) + " is outside of 0 to " + std::to_string(limit - 1));
  return at;
}

template <class I>
class Gather final : public Kernel {
 public:
  explicit Gather(const NodeView& node)
      : x_(node.inputs[0].dims, static_cast<size_t>(node.attrs.integer("axis"))),
        count_(node.inputs[1].size()),
        element_bytes_(size_of(node.inputs[0].dtype)) {}

  void run(const KernelArgs& args) override {
    const I* at = check_indices<I>(args.inputs[1], count_, x_.size);
    const size_t bytes = static_cast<size_t>(x_.inner) * element_bytes_;
    if (bytes == 0 || count_ == 0) return;
    const auto* src = static_cast<const std::byte*>(args.inputs[0]);
    auto* dst = static_cast<std::byte*>(args.outputs[0]);
    parallel_for(x_.outer * count_, std::max<int64_t>(1, kGrain / x_.inner), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / count_ * x_.size + at[i % count_];
        std::memcpy(dst + static_cast<size_t>(i) * bytes, src + static_cast<size_t>(row) * bytes, bytes);
      }
    });
  }

 private:
  Blocks x_;
  int64_t count_;
  size_t element_bytes_;
};

// Sum: the type sums are kept in; the result itself where it is T.
template <class T, class Sum, class I>
class ScatterAdd final : public Kernel {
 public:
  explicit ScatterAdd(const NodeView& node)
      : y_(node.outputs[0].dims, static_cast<size_t>(node.attrs.integer("axis"))), count_(node.inputs[1].size()) {
    if constexpr (!std::is_same_v<T, Sum>) workspace_bytes = static_cast<size_t>(node.outputs[0].size()) * sizeof(Sum);
  }

  void run(const KernelArgs& args) override {
    const I* at = check_indices<I>(args.inputs[1], count_, y_.size);
    if (y_.outer * y_.inner == 0) return;
    constexpr bool direct = std::is_same_v<T, Sum>;
    const T* x = static_cast<const T*>(args.inputs[0]);
    T* y = static_cast<T*>(args.outputs[0]);
    Sum* sums = static_cast<Sum*>(direct ? args.outputs[0] : args.workspace);
    constexpr int64_t kColumns = 64;
    const int64_t blocks = (y_.inner + kColumns - 1) / kColumns;
    const int64_t work = std::max<int64_t>(1, (count_ + y_.size) * std::min(y_.inner, kColumns));
    parallel_for(y_.outer * blocks, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t o = unit / blocks, first = unit % blocks * kColumns, width = std::min(kColumns, y_.inner - first);
        Sum* const s = sums + o * y_.size * y_.inner + first;
        for (int64_t j = 0; j < y_.size; ++j) std::fill_n(s + j * y_.inner, width, Sum(0));
        for (int64_t i = 0; i < count_; ++i) {
          const T* from = x + (o * count_ + i) * y_.inner + first;
          Sum* to = s + at[i] * y_.inner;
          for (int64_t k = 0; k < width; ++k) to[k] += static_cast<Sum>(load(from[k]));
        }
        if constexpr (!direct)
          for (int64_t j = 0; j < y_.size; ++j)
            for (int64_t k = 0; k < width; ++k) y[(o * y_.size + j) * y_.inner + first + k] = convert<T>(s[j * y_.inner + k]);
      }
    });
  }

 private:
  Blocks y_;
  int64_t count_;
};

std::unique_ptr<Kernel> prepare_gather(const NodeView& node) {
  if (node.inputs[1].dtype == DType::kInt32) return std::make_unique<Gather<int32_t>>(node);
  return std::make_unique<Gather<int64_t>>(node);
}

template <class T, class Sum>
std::unique_ptr<Kernel> make_scatter_add(const NodeView& node) {
  if (node.inputs[1].dtype == DType::kInt32) return std::make_unique<ScatterAdd<T, Sum, int32_t>>(node);
  return std::make_unique<ScatterAdd<T, Sum, int64_t>>(node);
}

std::unique_ptr<Kernel> prepare_scatter_add(const NodeView& node) {
  switch (node.outputs[0].dtype) {
    case DType::kFloat32:
      return make_scatter_add<float, float>(node);
    case DType::kFloat64:
      return make_scatter_add<double, double>(node);
    case DType::kBFloat16:
      return make_scatter_add<bfloat16, float>(node);
    case DType::kInt32:
      return make_scatter_add<int32_t, int32_t>(node);
    case DType::kInt64:
      return make_scatter_add<int64_t, int64_t>(node);
    default:
      return nullptr;
  }
}

}  // namespace

void append_gather_loops(std::vector<KernelRow>& rows) {
  rows.push_back({"gather", "loops", prepare_gather});
  rows.push_back({"scatter_add", "loops", prepare_scatter_add});
}

}  // namespace dl::cpu
