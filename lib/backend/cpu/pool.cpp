// Pooling over lines of channels, in row-major channels-last or in any blocked layout the input arrives in. Own loops rather than
// oneDNN's: those let a NaN lose against any number, and their backward pass wants the forward pass's workspace.
#include <algorithm>
#include <cstring>

#include "backend/cpu/channels_isa.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/layouts.h"
#include "backend/cpu/onednn_rows.h"
#include "backend/cpu/window.h"
#include "base/parallel.h"
#include "graph/op_def.h"

namespace dl::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements of work worth a thread

template <class T>
const ChannelLoops<T>& loops() {
  if constexpr (std::is_same_v<T, float>)
    return for_active_isa(baseline::channel_loops_float, avx2::channel_loops_float, avx512::channel_loops_float)();
  else
    return for_active_isa(baseline::channel_loops_bfloat16, avx2::channel_loops_bfloat16, avx512::channel_loops_bfloat16)();
}

// The table behind WindowLines.
struct Lines {
  std::vector<int32_t> starts{0}, places;
  int32_t fixed_count = 0;
  bool overlap = false, some_empty = false;

  Lines(const WindowGeometry& g, bool count_padding) : fixed_count(count_padding ? static_cast<int32_t>(g.taps()) : 0) {
    for_each_place(g.out, [&](const Int3& o) {
      for_each_place(g.size, [&](const Int3& tap) {
        Int3 i;
        if (g.find_source(o, tap, i)) places.push_back(static_cast<int32_t>((i[0] * g.in[1] + i[1]) * g.in[2] + i[2]));
      });
      some_empty = some_empty || starts.back() == static_cast<int32_t>(places.size());
      starts.push_back(static_cast<int32_t>(places.size()));
    });
    std::vector<int32_t> sorted = places;
    std::sort(sorted.begin(), sorted.end());
    overlap = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  }
  WindowLines view() const { return {starts.data(), places.data(), fixed_count, !overlap}; }
};

enum class Mode { kMax, kAvg, kMaxGrad, kAvgGrad };
constexpr bool is_grad(Mode mode) { return mode == Mode::kMaxGrad || mode == Mode::kAvgGrad; }
constexpr bool is_max(Mode mode) { return mode == Mode::kMax || mode == Mode::kMaxGrad; }

template <class T, Mode mode>
class PoolKernel final : public Kernel {
 public:
  PoolKernel(Lines lines, const ChannelBlocks& blocks, const WindowGeometry& g)
      : lines_(std::move(lines)), planes_(blocks.batch * blocks.groups), in_(g.in_count()), out_(g.out_count()), width_(blocks.block) {}

  void run(const KernelArgs& args) override {
    const ChannelLoops<T>& f = loops<T>();
    const WindowLines lines = lines_.view();
    const auto input = [&](size_t i) { return static_cast<const T*>(args.inputs[i]); };
    T* const result = static_cast<T*>(args.outputs[0]);
    const int64_t line_work = width_ * (static_cast<int64_t>(lines_.places.size()) / out_ + 1);
    if constexpr (is_grad(mode)) {
      const bool covered = !lines_.overlap && static_cast<int64_t>(lines_.places.size()) == in_;
      parallel_for(planes_, std::max<int64_t>(1, kGrain / (line_work * out_)), [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
          T* dx = result + p * in_ * width_;
          if (!covered) std::memset(dx, 0, static_cast<size_t>(in_ * width_) * sizeof(T));
          if constexpr (mode == Mode::kMaxGrad)
            f.max_pool_grad(input(0) + p * in_ * width_, input(1) + p * out_ * width_, dx, lines, out_, width_);
          else
            f.avg_pool_grad(input(0) + p * out_ * width_, dx, lines, out_, width_);
        }
      });
    } else {
      const auto pool = mode == Mode::kMax ? f.max_pool : f.avg_pool;
      parallel_for(planes_ * out_, std::max<int64_t>(1, kGrain / line_work), [&](int64_t begin, int64_t end) {
        for (int64_t at = begin; at < end;) {
          const int64_t p = at / out_, stop = std::min(end, (p + 1) * out_);
          pool(input(0) + p * in_ * width_, result + p * out_ * width_, lines, at - p * out_, stop - p * out_, width_);
          at = stop;
        }
      });
    }
  }

 private:
  Lines lines_;
  int64_t planes_, in_, out_, width_;
};

template <Mode mode>
std::unique_ptr<Kernel> prepare(const NodeView& node) {
  CpuLayouts* layouts = cpu_layouts(node.layouts);
  const DType type = node.outputs[0].dtype;
  if (!layouts || (type != DType::kFloat32 && type != DType::kBFloat16)) return nullptr;
  // x and y sides of the pooling; for an average's gradient x is the result.
  const OperandType& x = mode == Mode::kAvgGrad ? node.outputs[0] : node.inputs[0];
  const OperandType& y = mode == Mode::kAvgGrad ? node.inputs[0] : mode == Mode::kMaxGrad ? node.inputs[1] : node.outputs[0];
  const OperandType& leading = node.inputs[0];
  if (x.size() == 0 || y.size() == 0) return nullptr;
  const WindowGeometry g = pool_geometry(node.attrs, x.dims, y.dims);
  if (g.out_count() * g.taps() > INT32_MAX / 4) return nullptr;
  const size_t axis = g.channels_first ? 1 : x.dims.size() - 1;
  const auto blocks = channel_blocks(*layouts, leading, axis);
  if (!blocks) return nullptr;
  Lines lines(g, !is_max(mode) && node.attrs.flag("count_padding"));
  if (lines.some_empty || (is_grad(mode) && type == DType::kBFloat16 && lines.overlap)) return nullptr;
  const LayoutId x_layout = layouts->like(*blocks, x, axis), y_layout = layouts->like(*blocks, y, axis);
  std::unique_ptr<Kernel> kernel;
  if (type == DType::kFloat32)
    kernel = std::make_unique<PoolKernel<float, mode>>(std::move(lines), *blocks, g);
  else
    kernel = std::make_unique<PoolKernel<uint16_t, mode>>(std::move(lines), *blocks, g);
  kernel->input_layouts = {mode == Mode::kAvgGrad ? y_layout : x_layout};
  if (mode == Mode::kMaxGrad) kernel->input_layouts.push_back(y_layout);
  kernel->output_layouts = {is_grad(mode) ? x_layout : y_layout};
  kernel->detail = "lines of " + std::to_string(blocks->block);
  return kernel;
}

}  // namespace

void append_pool(std::vector<KernelRow>& rows) {
  rows.push_back({"max_pool", "lines", prepare<Mode::kMax>});
  rows.push_back({"max_pool_grad", "lines", prepare<Mode::kMaxGrad>});
  rows.push_back({"avg_pool", "lines", prepare<Mode::kAvg>});
  rows.push_back({"avg_pool_grad", "lines", prepare<Mode::kAvgGrad>});
}

}  // namespace dl::cpu
