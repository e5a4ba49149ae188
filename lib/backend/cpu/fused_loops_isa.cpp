#include "backend/cpu/fused_loops.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/scalar_math.h"

namespace dl::cpu::DL_ISA {
namespace {

constexpr int64_t kLanes = 16;

// Results may lie exactly over operands, never shifted against them.
#define DL_EACH(j, n) _Pragma("GCC ivdep") for (int64_t j = 0; j < (n); ++j)

DL_SCALAR_FUNCTION float tree_sum(const float* lanes) {
  float s[kLanes / 2];
  for (int64_t l = 0; l < 8; ++l) s[l] = lanes[l] + lanes[l + 8];
  for (int64_t l = 0; l < 4; ++l) s[l] += s[l + 4];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

// Sum of f(0) to f(n - 1) in an order that depends on n only.
template <class F>
DL_SCALAR_FUNCTION float lane_sum(int64_t n, F f) {
  float lanes[kLanes] = {};
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += f(j + l);
  for (int64_t l = 0; j < n; ++j, ++l) lanes[l] += f(j);
  return tree_sum(lanes);
}

DL_SCALAR_FUNCTION float maximum(const float* x, int64_t n) {
  float lanes[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) lanes[l] = -HUGE_VALF;
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] = x[j + l] > lanes[l] ? x[j + l] : lanes[l];
  for (; j < n; ++j) lanes[0] = x[j] > lanes[0] ? x[j] : lanes[0];
  float m = lanes[0];
  for (int64_t l = 1; l < kLanes; ++l) m = lanes[l] > m ? lanes[l] : m;
  return m;
}

// y = exp(x - max); returns the sum.
DL_SCALAR_FUNCTION float exponentials(const float* x, float* y, int64_t n) {
  const float m = maximum(x, n);
  DL_EACH(j, n) y[j] = math::exp(x[j] - m);
  return lane_sum(n, [y](int64_t j) { return y[j]; });
}

// log(sum(exp(x - m))), keeping nothing: blocks of exponentials on the stack.
DL_SCALAR_FUNCTION float log_sum(const float* x, float m, int64_t n) {
  constexpr int64_t kBlock = 256;
  float block[kBlock], sum = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t count = n - begin < kBlock ? n - begin : kBlock;
    DL_EACH(j, count) block[j] = math::exp(x[begin + j] - m);
    sum += lane_sum(count, [&block](int64_t j) { return block[j]; });
  }
  return math::log(sum);
}

void softmax(const float* x, float* y, int64_t n) {
  const float sum = exponentials(x, y, n);
  DL_EACH(j, n) y[j] = y[j] / sum;
}

void log_softmax(const float* x, float* y, int64_t n) {
  const float m = maximum(x, n), l = log_sum(x, m, n);
  DL_EACH(j, n) y[j] = (x[j] - m) - l;
}

void softmax_grad(const float* y, const float* dy, float* dx, int64_t n) {
  const float dot = lane_sum(n, [=](int64_t j) { return dy[j] * y[j]; });
  DL_EACH(j, n) dx[j] = y[j] * (dy[j] - dot);
}

float cross_entropy(const float* x, const float* target, int64_t n) {
  const float m = maximum(x, n), l = log_sum(x, m, n);
  return -lane_sum(n, [=](int64_t j) { return target[j] * ((x[j] - m) - l); });
}

float sparse_cross_entropy(const float* x, int64_t target, int64_t n) {
  if (target < 0 || target >= n) return __builtin_nanf("");
  const float m = maximum(x, n);
  return -((x[target] - m) - log_sum(x, m, n));
}

void cross_entropy_grad(const float* x, const float* target, float dy, float* dx, int64_t n) {
  const float total = lane_sum(n, [=](int64_t j) { return target[j]; });
  const float sum = exponentials(x, dx, n);
  DL_EACH(j, n) dx[j] = (dx[j] / sum * total - target[j]) * dy;
}

void sparse_cross_entropy_grad(const float* x, int64_t target, float dy, float* dx, int64_t n) {
  const bool in_range = target >= 0 && target < n;
  const float scale = in_range ? dy : __builtin_nanf("");
  const float sum = exponentials(x, dx, n);
  const float hit = in_range ? (dx[target] / sum - 1.0f) * scale : 0.0f;
  DL_EACH(j, n) dx[j] = dx[j] / sum * scale;
  if (in_range) dx[target] = hit;
}

void sigmoid_cross_entropy(const float* x, const float* target, float* y, int64_t n) {
  DL_EACH(j, n) {
    const float v = x[j];
    y[j] = (v < 0.0f ? 0.0f : v) - v * target[j] + math::log1p(math::exp(-math::abs(v)));
  }
}

// 1 + erf and 1 + tanh cancel for negative x: the former is taken in double, the latter is 2 sigmoid of twice the argument.
constexpr double kSqrtHalf = 0.70710678118654752;
constexpr float kTwoSqrtTwoOverPi = 1.5957691216057308f, kCubic = 0.044715f, kDensity = 0.39894228040143268f;

DL_SCALAR_FUNCTION double normal_cdf(float x) { return 0.5 * (1 + math::wide::erf(x * kSqrtHalf)); }
DL_SCALAR_FUNCTION float tanh_cdf(float x) { return math::sigmoid(kTwoSqrtTwoOverPi * (x + kCubic * (x * x * x))); }

void gelu(const float* x, float* y, int64_t n) { DL_EACH(j, n) y[j] = static_cast<float>(x[j] * normal_cdf(x[j])); }
void gelu_tanh(const float* x, float* y, int64_t n) { DL_EACH(j, n) y[j] = x[j] * tanh_cdf(x[j]); }
void silu(const float* x, float* y, int64_t n) { DL_EACH(j, n) y[j] = x[j] * math::sigmoid(x[j]); }
void gelu_grad(const float* x, const float* dy, float* dx, int64_t n) {
  DL_EACH(j, n) {
    const float v = x[j], density = kDensity * math::exp(-0.5f * (v * v));
    dx[j] = static_cast<float>(dy[j] * (normal_cdf(v) + static_cast<double>(v) * density));
  }
}
void gelu_tanh_grad(const float* x, const float* dy, float* dx, int64_t n) {
  DL_EACH(j, n) {
    const float v = x[j], s = tanh_cdf(v);
    dx[j] = dy[j] * (s + v * (s * (1.0f - s)) * (kTwoSqrtTwoOverPi * (1.0f + 3.0f * kCubic * (v * v))));
  }
}
void silu_grad(const float* x, const float* dy, float* dx, int64_t n) {
  DL_EACH(j, n) {
    const float s = math::sigmoid(x[j]);
    dx[j] = dy[j] * (s * (1.0f + x[j] * (1.0f - s)));
  }
}

struct Moments {
  float mean, rstd;
};
DL_SCALAR_FUNCTION Moments moments(const float* x, float epsilon, int64_t n) {
  const float count = static_cast<float>(n);
  const float mean = lane_sum(n, [=](int64_t j) { return x[j]; }) / count;
  const float variance = lane_sum(n, [=](int64_t j) { return (x[j] - mean) * (x[j] - mean); }) / count;
  return {mean, 1.0f / math::sqrt(variance + epsilon)};
}

void layer_norm(const float* x, const float* gamma, const float* beta, float epsilon, float* y, int64_t n) {
  const auto [mean, rstd] = moments(x, epsilon, n);
  const float a = mean, b = rstd;
  if (gamma && beta) {
    DL_EACH(j, n) y[j] = (x[j] - a) * b * gamma[j] + beta[j];
    return;
  }
  DL_EACH(j, n) y[j] = (x[j] - a) * b;
  if (gamma) DL_EACH(j, n) y[j] = y[j] * gamma[j];
  if (beta) DL_EACH(j, n) y[j] = y[j] + beta[j];
}

void layer_norm_grad(const float* x, const float* gamma, const float* dy, float epsilon, float* dx, float* dgamma, float* dbeta,
                     int64_t n) {
  const auto [mean, rstd] = moments(x, epsilon, n);
  const float a = mean, b = rstd, count = static_cast<float>(n);
  if (dgamma) DL_EACH(j, n) dgamma[j] += dy[j] * ((x[j] - a) * b);
  if (dbeta) DL_EACH(j, n) dbeta[j] += dy[j];
  DL_EACH(j, n) dx[j] = gamma ? dy[j] * gamma[j] : dy[j];
  const float g = lane_sum(n, [=](int64_t j) { return dx[j]; }) / count;
  const float gx = lane_sum(n, [=](int64_t j) { return dx[j] * ((x[j] - a) * b); }) / count;
  DL_EACH(j, n) dx[j] = b * (dx[j] - g - (x[j] - a) * b * gx);
}

void sgd(const SgdConstants& k, const float* p, const float* g, const float* v, float* p_new, float* v_new, int64_t n) {
  const float rate = k.learning_rate, momentum = k.momentum;
  if (!v) {
    DL_EACH(j, n) p_new[j] = p[j] - g[j] * rate;
  } else if (k.nesterov) {
    DL_EACH(j, n) {
      const float step = g[j] * rate, velocity = v[j] * momentum - step;
      p_new[j] = p[j] + (velocity * momentum - step);
      v_new[j] = velocity;
    }
  } else {
    DL_EACH(j, n) {
      const float velocity = v[j] * momentum - g[j] * rate;
      p_new[j] = p[j] + velocity;
      v_new[j] = velocity;
    }
  }
}

void adam(const AdamConstants& k, const float* p, const float* g, const float* m, const float* v, float* p_new, float* m_new, float* v_new,
          int64_t n) {
  const float alpha = k.alpha, b1 = k.one_minus_beta1, b2 = k.one_minus_beta2, epsilon = k.epsilon, decay = k.weight_decay,
              rate = k.learning_rate;
  const bool decays = decay > 0;
  DL_EACH(j, n) {
    const float grad = g[j], first = m[j] + (grad - m[j]) * b1, second = v[j] + (grad * grad - v[j]) * b2;
    const float start = decays ? p[j] - p[j] * decay * rate : p[j];
    p_new[j] = start - first * alpha / (math::sqrt(second) + epsilon);
    m_new[j] = first;
    v_new[j] = second;
  }
}

template <bool kMomentum, bool kCentered>
DL_SCALAR_FUNCTION void rmsprop_loop(const RmspropConstants& k, const float* p, const float* g, const float* v, const float* m,
                                     const float* a, float* p_new, float* v_new, float* m_new, float* a_new, int64_t n) {
  const float rate = k.learning_rate, rho = k.rho, rest = k.one_minus_rho, factor = k.momentum, epsilon = k.epsilon;
  DL_EACH(j, n) {
    const float grad = g[j], velocity = rho * v[j] + rest * (grad * grad);
    float denominator = velocity;
    if constexpr (kCentered) {
      const float average = rho * a[j] + rest * grad;
      denominator = velocity - average * average;
      a_new[j] = average;
    }
    float step = rate * grad / math::sqrt(denominator + epsilon);
    if constexpr (kMomentum) {
      step = factor * m[j] + step;
      m_new[j] = step;
    }
    p_new[j] = p[j] - step;
    v_new[j] = velocity;
  }
}
void rmsprop(const RmspropConstants& k, const float* p, const float* g, const float* v, const float* m, const float* a, float* p_new,
             float* v_new, float* m_new, float* a_new, int64_t n) {
  if (m && a)
    rmsprop_loop<true, true>(k, p, g, v, m, a, p_new, v_new, m_new, a_new, n);
  else if (m)
    rmsprop_loop<true, false>(k, p, g, v, m, a, p_new, v_new, m_new, a_new, n);
  else if (a)
    rmsprop_loop<false, true>(k, p, g, v, m, a, p_new, v_new, m_new, a_new, n);
  else
    rmsprop_loop<false, false>(k, p, g, v, m, a, p_new, v_new, m_new, a_new, n);
}

void activate(CellActivation kind, float* z, int64_t n) {
  switch (kind) {
    case CellActivation::kTanh:
      DL_EACH(j, n) z[j] = math::tanh(z[j]);
      break;
    case CellActivation::kSigmoid:
      DL_EACH(j, n) z[j] = math::sigmoid(z[j]);
      break;
    case CellActivation::kHardSigmoid:
      DL_EACH(j, n) {
        const float v = z[j] + 3.0f, low = v < 0.0f ? 0.0f : v;
        z[j] = (low > 6.0f ? 6.0f : low) / 6.0f;
      }
      break;
    case CellActivation::kRelu:
      DL_EACH(j, n) z[j] = z[j] < 0.0f ? 0.0f : z[j];
      break;
    case CellActivation::kLinear:
      break;
  }
}

void multiply_slope(CellActivation kind, const float* y, float* d, int64_t n) {
  switch (kind) {
    case CellActivation::kTanh:
      DL_EACH(j, n) d[j] = d[j] * (1.0f - y[j] * y[j]);
      break;
    case CellActivation::kSigmoid:
      DL_EACH(j, n) d[j] = d[j] * y[j] * (1.0f - y[j]);
      break;
    case CellActivation::kHardSigmoid:
      DL_EACH(j, n) {
        const float inside = y[j] > 0.0f ? d[j] / 6.0f : 0.0f;
        d[j] = y[j] < 1.0f ? inside : 0.0f;
      }
      break;
    case CellActivation::kRelu:
      DL_EACH(j, n) d[j] = y[j] > 0.0f ? d[j] : 0.0f;
      break;
    case CellActivation::kLinear:
      break;
  }
}

void add(const float* x, float* y, int64_t n) { DL_EACH(j, n) y[j] += x[j]; }
void multiply_add(const float* a, const float* b, float* y, int64_t n) { DL_EACH(j, n) y[j] += a[j] * b[j]; }
void multiply(const float* a, const float* b, float* y, int64_t n) { DL_EACH(j, n) y[j] = a[j] * b[j]; }

void lstm_cell(CellActivation activation, const float* gates, float* c, float* h, float* scratch, int64_t n) {
  const float *i = gates, *f = gates + n, *g = gates + 2 * n, *o = gates + 3 * n;
  DL_EACH(j, n) {
    c[j] = f[j] * c[j] + i[j] * g[j];
    scratch[j] = c[j];
  }
  activate(activation, scratch, n);
  DL_EACH(j, n) h[j] = o[j] * scratch[j];
}

void lstm_cell_grad(CellActivation activation, const float* gates, const float* c, const float* c_before, const float* dh, float* dc,
                    float* dgates, float* scratch, int64_t n) {
  const float *i = gates, *f = gates + n, *g = gates + 2 * n, *o = gates + 3 * n;
  float *di = dgates, *df = dgates + n, *dg = dgates + 2 * n, *d_o = dgates + 3 * n;
  DL_EACH(j, n) scratch[j] = c[j];
  activate(activation, scratch, n);
  DL_EACH(j, n) {
    d_o[j] = dh[j] * scratch[j];
    di[j] = dh[j] * o[j];
  }
  multiply_slope(activation, scratch, di, n);
  DL_EACH(j, n) {
    const float d = dc[j] + di[j];
    dc[j] = d * f[j];
    di[j] = d * g[j];
    df[j] = d * c_before[j];
    dg[j] = d * i[j];
  }
}

void gru_mix(const float* z, const float* candidate, float* h, int64_t n) {
  DL_EACH(j, n) h[j] = z[j] * h[j] + (1.0f - z[j]) * candidate[j];
}

void gru_mix_grad(const float* z, const float* candidate, const float* h_before, float* dh, float* dz, float* dcandidate, int64_t n) {
  DL_EACH(j, n) {
    const float d = dh[j];
    dz[j] = d * (h_before[j] - candidate[j]);
    dcandidate[j] = d * (1.0f - z[j]);
    dh[j] = d * z[j];
  }
}

}  // namespace

const FusedLoops fused_loops = {
    .softmax = softmax,
    .log_softmax = log_softmax,
    .softmax_grad = softmax_grad,
    .cross_entropy = cross_entropy,
    .sparse_cross_entropy = sparse_cross_entropy,
    .cross_entropy_grad = cross_entropy_grad,
    .sparse_cross_entropy_grad = sparse_cross_entropy_grad,
    .sigmoid_cross_entropy = sigmoid_cross_entropy,
    .gelu = gelu,
    .gelu_tanh = gelu_tanh,
    .silu = silu,
    .gelu_grad = gelu_grad,
    .gelu_tanh_grad = gelu_tanh_grad,
    .silu_grad = silu_grad,
    .layer_norm = layer_norm,
    .layer_norm_grad = layer_norm_grad,
    .sgd = sgd,
    .adam = adam,
    .rmsprop = rmsprop,
    .activate = activate,
    .multiply_slope = multiply_slope,
    .add = add,
    .lstm_cell = lstm_cell,
    .lstm_cell_grad = lstm_cell_grad,
    .gru_mix = gru_mix,
    .gru_mix_grad = gru_mix_grad,
    .multiply_add = multiply_add,
    .multiply = multiply,
};

}  // namespace dl::cpu::DL_ISA
