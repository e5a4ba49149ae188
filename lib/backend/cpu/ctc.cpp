// CTC: forward and backward variables in double, one sample after the other; samples in parallel.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/cpu/reference.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return a == kNever ? kNever : a + std::log1p(std::exp(b - a));
}

// One sample: its logits, labels and where to work.
template <class T>
struct Sample {
  const T* logits;
  const int64_t* labels;
  int64_t steps, classes, length;
  double *log_z, *alpha, *beta;  // [steps], [steps, states], [2, states]
  int64_t count = 0;             // labels that are there
  int64_t states = 1;

  static size_t work(int64_t steps, int64_t length) { return static_cast<size_t>(steps + (steps + 2) * (2 * length + 1)); }

  Sample(const T* x, const int64_t* y, int64_t t, int64_t c, int64_t l, double* memory)
      : logits(x), labels(y), steps(t), classes(c), length(l), log_z(memory), alpha(memory + t), beta(alpha + t * (2 * l + 1)) {
    count = std::count_if(labels, labels + length, [](int64_t label) { return label != 0; });
    states = 2 * count + 1;
  }

  bool valid() const {
    return std::all_of(labels, labels + count, [&](int64_t label) { return label >= 0 && label < classes; });
  }
  int64_t label(int64_t s) const { return s % 2 ? labels[s / 2] : 0; }
  bool skips(int64_t s) const { return s >= 2 && label(s) != label(s - 2); }
  double x(int64_t t, int64_t k) const { return static_cast<double>(load(logits[t * classes + k])); }
  double log_p(int64_t t, int64_t s) const { return x(t, label(s)) - log_z[t]; }

  // -log of the probability; fills alpha.
  double forward() {
    for (int64_t t = 0; t < steps; ++t) {
      double top = kNever, sum = 0;
      for (int64_t k = 0; k < classes; ++k) top = std::max(top, x(t, k));
      for (int64_t k = 0; k < classes; ++k) sum += std::exp(x(t, k) - top);
      log_z[t] = top + std::log(sum);
    }
    if (steps == 0) return count == 0 ? 0 : -kNever;
    for (int64_t t = 0; t < steps; ++t) {
      double* now = alpha + t * states;
      const double* before = now - states;
      for (int64_t s = 0; s < states; ++s) {
        double sum = t == 0 ? (s < 2 ? 0 : kNever) : before[s];
        if (t > 0 && s > 0) sum = log_add(sum, before[s - 1]);
        if (t > 0 && skips(s)) sum = log_add(sum, before[s - 2]);
        now[s] = sum + log_p(t, s);
      }
    }
    const double* last = alpha + (steps - 1) * states;
    return -(states > 1 ? log_add(last[states - 1], last[states - 2]) : last[0]);
  }

  // (softmax - posterior) dy into dx; alpha is filled.
  void gradient(double loss, double dy, T* dx) {
    for (int64_t t = steps; t-- > 0;) {
      double* now = beta + (t % 2) * states;
      const double *after = beta + ((t + 1) % 2) * states, *a = alpha + t * states;
      for (int64_t s = 0; s < states; ++s) {
        double sum = t == steps - 1 ? (s + 2 >= states ? 0 : kNever) : after[s];
        if (t < steps - 1 && s + 1 < states) sum = log_add(sum, after[s + 1]);
        if (t < steps - 1 && s + 2 < states && skips(s + 2)) sum = log_add(sum, after[s + 2]);
        now[s] = sum + log_p(t, s);
      }
      for (int64_t k = 0; k < classes; ++k) {
        double aligned = 0;
        for (int64_t s = 0; s < states; ++s)
          if (label(s) == k) aligned += std::exp(a[s] + now[s] - log_p(t, s) + loss);
        dx[t * classes + k] = convert<T>((std::exp(x(t, k) - log_z[t]) - aligned) * dy);
      }
    }
  }
};

class CtcKernel final : public Kernel {
 public:
  CtcKernel(const NodeView& node, bool gradient)
      : dtype_(node.inputs[0].dtype), logits_(node.inputs[0].dims), length_(node.inputs[1].dims[1]), gradient_(gradient) {
    work_ = Sample<float>::work(logits_[1], length_);
    workspace_bytes = static_cast<size_t>(logits_[0]) * work_ * sizeof(double);
  }

  void run(const KernelArgs& args) override {
    dispatch(dtype_, [&]<class T>() {
      if constexpr (kIsFloat<T>)
        parallel_for(logits_[0], 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) run_sample<T>(args, i);
        });
    });
  }

 private:
  template <class T>
  void run_sample(const KernelArgs& args, int64_t i) const {
    const int64_t size = logits_[1] * logits_[2];
    Sample<T> sample(static_cast<const T*>(args.inputs[0]) + i * size, static_cast<const int64_t*>(args.inputs[1]) + i * length_,
                     logits_[1], logits_[2], length_, static_cast<double*>(args.workspace) + static_cast<size_t>(i) * work_);
    const double loss = sample.valid() ? sample.forward() : std::numeric_limits<double>::quiet_NaN();
    if (!gradient_) {
      static_cast<T*>(args.outputs[0])[i] = convert<T>(loss);
      return;
    }
    T* dx = static_cast<T*>(args.outputs[0]) + i * size;
    if (!std::isfinite(loss)) {
      std::fill(dx, dx + size, convert<T>(std::numeric_limits<double>::quiet_NaN()));
      return;
    }
    sample.gradient(loss, static_cast<double>(load(static_cast<const T*>(args.inputs[2])[i])), dx);
  }

  DType dtype_;
  Dims logits_;
  int64_t length_;
  bool gradient_;
  size_t work_ = 0;
};

template <bool gradient>
std::unique_ptr<Kernel> prepare(const NodeView& node) {
  return std::make_unique<CtcKernel>(node, gradient);
}

}  // namespace

void append_reference_ctc(std::vector<KernelRow>& rows) {
  rows.push_back({"ctc_loss", "reference", prepare<false>});
  rows.push_back({"ctc_loss_grad", "reference", prepare<true>});
}

}  // namespace dl::cpu
