// Batch normalisation and sums per channel over lines of channels, in row-major channels-last or blocked layouts. Partial sums are cut
// by shape only and added in double in a fixed order, so the bits do not depend on the thread count.
#include <algorithm>
#include <cmath>

#include "backend/cpu/channels_isa.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/layouts.h"
#include "backend/cpu/onednn_rows.h"
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

// The tensor cut into chunks of lines within one plane. Chunk i belongs to group (i / per_plane) % groups.
struct Chunks {
  int64_t groups, rows, width, channels;  // rows of a plane
  int64_t per_plane, chunk_rows, count, samples;

  explicit Chunks(const ChannelBlocks& b)
      : groups(b.groups), rows(b.places), width(b.block), channels(b.channels), samples(b.batch * b.places) {
    int64_t batch = b.batch;
    if (groups == 1) rows *= batch, batch = 1;  // planes of one group lie behind each other
    chunk_rows = std::max<int64_t>(1, kGrain / width);
    per_plane = (rows + chunk_rows - 1) / chunk_rows;
    count = batch * groups * per_plane;
  }
  int64_t padded() const { return groups * width; }
  int64_t group(int64_t chunk) const { return chunk / per_plane % groups; }
  int64_t offset(int64_t chunk) const { return (chunk / per_plane * rows + chunk % per_plane * chunk_rows) * width; }
  int64_t length(int64_t chunk) const { return std::min(chunk_rows, rows - chunk % per_plane * chunk_rows); }

  // body(chunk, offset of its elements, lines, first channel)
  template <class Body>
  void for_each(const Body& body) const {
    parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i, offset(i), length(i), group(i) * width);
    });
  }
  // total[channel] = sum of the partial sums of its group's chunks; partial[chunk][width].
  void gather(const double* partial, double* total) const {
    std::fill(total, total + padded(), 0.0);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t c = 0; c < width; ++c) total[group(i) * width + c] += partial[i * width + c];
  }
};

enum class Mode { kTrain, kTrainGrad, kInfer, kSum };

template <class T, Mode mode>
class ChannelKernel final : public Kernel {
 public:
  ChannelKernel(const Chunks& chunks, double epsilon) : chunks_(chunks), epsilon_(epsilon) {
    const int64_t doubles = 2 * (chunks_.count * chunks_.width + chunks_.padded()), floats = 4 * chunks_.padded();
    workspace_bytes = static_cast<size_t>(doubles) * sizeof(double) + static_cast<size_t>(floats) * sizeof(float);
  }

  void run(const KernelArgs& args) override {
    partial_[0] = static_cast<double*>(args.workspace);
    partial_[1] = partial_[0] + chunks_.count * chunks_.width;
    total_[0] = partial_[1] + chunks_.count * chunks_.width;
    total_[1] = total_[0] + chunks_.padded();
    float* floats = reinterpret_cast<float*>(total_[1] + chunks_.padded());
    for (float*& vector : vector_) {
      vector = floats;
      floats += chunks_.padded();
    }
    // Lanes of padding: all 0.
    std::fill(vector_[0], vector_[0] + 4 * chunks_.padded(), 0.0F);
    if constexpr (mode == Mode::kTrain) run_train(args);
    if constexpr (mode == Mode::kTrainGrad) run_grad(args);
    if constexpr (mode == Mode::kInfer) run_infer(args);
    if constexpr (mode == Mode::kSum) run_sum(args);
  }

 private:
  static const float* vector(const KernelArgs& args, size_t i) { return static_cast<const float*>(args.inputs[i]); }
  static float* result(const KernelArgs& args, size_t i) { return static_cast<float*>(args.outputs[i]); }
  double inverse_deviation(double variance) const { return 1 / std::sqrt(variance + epsilon_); }

  void sum_all(const T* x) {
    chunks_.for_each([&](int64_t chunk, int64_t at, int64_t lines, int64_t) {
      double* part = partial_[0] + chunk * chunks_.width;
      std::fill(part, part + chunks_.width, 0.0);
      loops<T>().sum(x + at, lines, chunks_.width, part);
    });
    chunks_.gather(partial_[0], total_[0]);
  }

  void normalize(const T* x, T* y) const {
    chunks_.for_each([&](int64_t, int64_t at, int64_t lines, int64_t c) {
      loops<T>().normalize(x + at, vector_[0] + c, vector_[1] + c, vector_[2] + c, y + at, lines, chunks_.width);
    });
  }

  void run_sum(const KernelArgs& args) {
    sum_all(static_cast<const T*>(args.inputs[0]));
    for (int64_t c = 0; c < chunks_.channels; ++c) result(args, 0)[c] = static_cast<float>(total_[0][c]);
  }

  void run_train(const KernelArgs& args) {
    const T* x = static_cast<const T*>(args.inputs[0]);
    const auto n = static_cast<double>(chunks_.samples);
    auto [mean, scale, shift, unused] = vector_;
    sum_all(x);
    for (int64_t c = 0; c < chunks_.channels; ++c) result(args, 1)[c] = mean[c] = static_cast<float>(total_[0][c] / n);
    chunks_.for_each([&](int64_t chunk, int64_t at, int64_t lines, int64_t first) {
      double* part = partial_[0] + chunk * chunks_.width;
      std::fill(part, part + chunks_.width, 0.0);
      loops<T>().square_sum(x + at, vector_[0] + first, lines, chunks_.width, part);
    });
    chunks_.gather(partial_[0], total_[0]);
    for (int64_t c = 0; c < chunks_.channels; ++c) {
      const double variance = total_[0][c] / n;
      result(args, 2)[c] = static_cast<float>(variance);
      scale[c] = static_cast<float>(static_cast<double>(vector(args, 1)[c]) * inverse_deviation(variance));
      shift[c] = vector(args, 2)[c];
    }
    normalize(x, static_cast<T*>(args.outputs[0]));
  }

  void run_infer(const KernelArgs& args) {
    auto [mean, scale, shift, unused] = vector_;
    for (int64_t c = 0; c < chunks_.channels; ++c) {
      mean[c] = vector(args, 3)[c];
      scale[c] = static_cast<float>(static_cast<double>(vector(args, 1)[c]) * inverse_deviation(static_cast<double>(vector(args, 4)[c])));
      shift[c] = vector(args, 2)[c];
    }
    normalize(static_cast<const T*>(args.inputs[0]), static_cast<T*>(args.outputs[0]));
  }

  // dx = gamma s (dy - dbeta / n - (x - mean) s^2 product / n) with s = 1 / deviation, dgamma = s product, product = sum of dy (x - mean).
  void run_grad(const KernelArgs& args) {
    const T *x = static_cast<const T*>(args.inputs[0]), *dy = static_cast<const T*>(args.inputs[4]);
    T* const dx = static_cast<T*>(args.outputs[0]);
    const auto n = static_cast<double>(chunks_.samples);
    auto [mean, a, b, k] = vector_;
    std::copy(vector(args, 2), vector(args, 2) + chunks_.channels, mean);
    chunks_.for_each([&](int64_t chunk, int64_t at, int64_t lines, int64_t first) {
      double *dy_part = partial_[0] + chunk * chunks_.width, *product_part = partial_[1] + chunk * chunks_.width;
      std::fill(dy_part, dy_part + chunks_.width, 0.0);
      std::fill(product_part, product_part + chunks_.width, 0.0);
      loops<T>().grad_sums(x + at, dy + at, vector_[0] + first, lines, chunks_.width, dy_part, product_part);
    });
    chunks_.gather(partial_[0], total_[0]);
    chunks_.gather(partial_[1], total_[1]);
    for (int64_t c = 0; c < chunks_.channels; ++c) {
      const double s = inverse_deviation(static_cast<double>(vector(args, 3)[c])), gamma = static_cast<double>(vector(args, 1)[c]);
      result(args, 1)[c] = static_cast<float>(s * total_[1][c]);
      result(args, 2)[c] = static_cast<float>(total_[0][c]);
      a[c] = static_cast<float>(gamma * s);
      b[c] = static_cast<float>(-gamma * s * s * s * total_[1][c] / n);
      k[c] = static_cast<float>(-gamma * s * total_[0][c] / n);
    }
    chunks_.for_each([&](int64_t, int64_t at, int64_t lines, int64_t c) {
      loops<T>().normalize_grad(x + at, dy + at, vector_[0] + c, vector_[1] + c, vector_[2] + c, vector_[3] + c, dx + at, lines,
                                chunks_.width);
    });
  }

  Chunks chunks_;
  double epsilon_;
  double *partial_[2] = {}, *total_[2] = {};  // into the workspace, set by run()
  float* vector_[4] = {};
};

template <Mode mode>
std::unique_ptr<Kernel> make(DType type, const ChannelBlocks& blocks, double epsilon) {
  if (type == DType::kFloat32) return std::make_unique<ChannelKernel<float, mode>>(Chunks(blocks), epsilon);
  if (type == DType::kBFloat16) return std::make_unique<ChannelKernel<uint16_t, mode>>(Chunks(blocks), epsilon);
  return nullptr;
}

// Lines of one element are no lines: row-major channels-first is left to other rows.
bool has_lines(const ChannelBlocks& b) { return b.block > 1 || b.channels == 1; }

template <Mode mode>
std::unique_ptr<Kernel> prepare_norm(const NodeView& node) {
  CpuLayouts* layouts = cpu_layouts(node.layouts);
  const OperandType& x = node.inputs[0];
  if (!layouts || x.size() == 0 || node.inputs[1].dtype != DType::kFloat32) return nullptr;
  const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
  const auto blocks = channel_blocks(*layouts, x, axis);
  if (!blocks || !has_lines(*blocks)) return nullptr;
  auto kernel = make<mode>(x.dtype, *blocks, node.attrs.real("epsilon"));
  if (!kernel) return nullptr;
  const LayoutId layout = layouts->like(*blocks, x, axis);
  kernel->input_layouts.assign(node.inputs.size(), kPlain);
  kernel->input_layouts[0] = layout;
  if (mode == Mode::kTrainGrad) kernel->input_layouts[4] = layout;
  kernel->output_layouts.assign(node.outputs.size(), kPlain);
  kernel->output_layouts[0] = layout;
  if (mode != Mode::kTrainGrad) kernel->in_place = {{0, 0}};
  kernel->detail = "lines of " + std::to_string(blocks->block);
  return kernel;
}

// Sums over all axes but the channels of a blocked tensor: gradients of biases behind convolutions.
std::unique_ptr<Kernel> prepare_sum(const NodeView& node) {
  const OperandType& x = node.inputs[0];
  if (x.layout == kPlain || x.dtype != DType::kFloat32) return nullptr;
  const std::vector<int64_t>& axes = node.attrs.integers("axes");
  if (axes.size() + 1 != x.dims.size()) return nullptr;
  size_t axis = 0;
  while (axis < axes.size() && axes[axis] == static_cast<int64_t>(axis)) ++axis;
  const auto blocks = channel_blocks(node.layouts, x, axis);
  if (!blocks || !has_lines(*blocks)) return nullptr;
  auto kernel = make<Mode::kSum>(x.dtype, *blocks, 0);
  kernel->input_layouts = {x.layout};
  kernel->output_layouts = {kPlain};
  kernel->detail = "lines of " + std::to_string(blocks->block);
  return kernel;
}

}  // namespace

void append_batch_norm(std::vector<KernelRow>& rows) {
  rows.push_back({"batch_norm_train", "lines", prepare_norm<Mode::kTrain>});
  rows.push_back({"batch_norm_train_grad", "lines", prepare_norm<Mode::kTrainGrad>});
  rows.push_back({"batch_norm_infer", "lines", prepare_norm<Mode::kInfer>});
  rows.push_back({"reduce_sum", "lines", prepare_sum});
}

}  // namespace dl::cpu
