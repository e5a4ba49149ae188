// GRU forward and backward, both forms of the reset gate. The way through time is that of fused_lstm.cpp.
#include <algorithm>
#include <array>

#include "backend/cpu/fused_recurrent.h"
#include "backend/cpu/gemm.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

// Gates per row and step: z, r, candidate, and with reset_after the recurrent product of the candidate before the reset.
struct Forward {
  RecurrentShape shape;
  bool after;
  const FusedLoops& loops;
  const float *x, *kernel, *recurrent, *bias, *h0;
  StepMask mask;
  float *sequence, *h, *gates, *products;  // h: running state; products [b, 3u]

  int64_t width() const { return (after ? 4 : 3) * shape.units; }

  void project(int64_t first, int64_t last) const {
    const int64_t rows = (last - first) * shape.steps, g = 3 * shape.units, w = width();
    float* z = gates + first * shape.steps * w;
    if (bias)
      for (int64_t i = 0; i < rows; ++i) std::copy(bias, bias + g, z + i * w);
    serial_gemm(false, false, rows, g, shape.features, x + first * shape.steps * shape.features, shape.features, kernel, g, bias != nullptr,
                z, w);
    if (shape.reversed) reverse_steps(gates, first, last, shape.steps, w);
  }

  // The candidate's argument is complete but for the recurrent side; h is the state before.
  void finish(int64_t r, int64_t s) const {
    const int64_t t = shape.steps, u = shape.units;
    float *z = gates + (r * t + s) * width(), *out = sequence + (r * t + s) * u;
    loops.activate(shape.activation, z + 2 * u, u);
    if (mask.taken(r, s)) {
      loops.gru_mix(z, z + 2 * u, h + r * u, u);
      std::copy(h + r * u, h + (r + 1) * u, out);
    } else if (s > 0) {
      std::copy(out - u, out, out);
    } else {
      std::fill(out, out + u, 0.0f);
    }
  }

  void step_after(int64_t first, int64_t last, int64_t s) const {
    const int64_t t = shape.steps, u = shape.units, w = width();
    if (bias)
      for (int64_t r = first; r < last; ++r) std::copy(bias + 3 * u, bias + 6 * u, products + r * 3 * u);
    serial_gemm(false, false, last - first, 3 * u, u, h + first * u, u, recurrent, 3 * u, bias != nullptr, products + first * 3 * u, 3 * u);
    for (int64_t r = first; r < last; ++r) {
      float *z = gates + (r * t + s) * w, *p = products + r * 3 * u;
      loops.add(p, z, 2 * u);
      loops.activate(shape.gate, z, 2 * u);
      std::copy(p + 2 * u, p + 3 * u, z + 3 * u);
      loops.multiply_add(z + u, z + 3 * u, z + 2 * u, u);
      finish(r, s);
    }
  }

  void step_before(int64_t first, int64_t last, int64_t s) const {
    const int64_t t = shape.steps, u = shape.units, w = width();
    float* reset = products + first * u;  // r * h, [rows, u]
    serial_gemm(false, false, last - first, 2 * u, u, h + first * u, u, recurrent, 3 * u, true, gates + (first * t + s) * w, t * w);
    for (int64_t r = first; r < last; ++r) {
      float* z = gates + (r * t + s) * w;
      loops.activate(shape.gate, z, 2 * u);
      loops.multiply(z + u, h + r * u, reset + (r - first) * u, u);
    }
    serial_gemm(false, false, last - first, u, u, reset, u, recurrent + 2 * u, 3 * u, true, gates + (first * t + s) * w + 2 * u, t * w);
    for (int64_t r = first; r < last; ++r) finish(r, s);
  }

  void run(int64_t chunk) const {
    const int64_t u = shape.units, first = chunk * shape.chunk, last = std::min(shape.batch, first + shape.chunk);
    std::copy(h0 + first * u, h0 + last * u, h + first * u);
    project(first, last);
    for (int64_t s = 0; s < shape.steps; ++s) after ? step_after(first, last, s) : step_before(first, last, s);
  }
};

std::unique_ptr<Kernel> prepare(const NodeView& node) {
  const std::optional<RecurrentShape> shape = recurrent_shape(node);
  const size_t bias = static_cast<size_t>(node.attrs.flag("bias")), mask = static_cast<size_t>(node.attrs.flag("mask"));
  if (!shape || !all_float32(node.inputs, 4 + bias)) return nullptr;
  const bool after = node.attrs.flag("reset_after");
  auto kernel = make_kernel([shape = *shape, after, &loops = fused_loops(), bias, mask](const KernelArgs& args) {
    const uint8_t* flags = mask ? static_cast<const uint8_t*>(args.inputs[4 + bias]) : nullptr;
    const Forward forward{shape,
                          after,
                          loops,
                          floats(args, 0),
                          floats(args, 1),
                          floats(args, 2),
                          bias ? floats(args, 3) : nullptr,
                          floats(args, 3 + bias),
                          {flags, shape.steps, shape.reversed},
                          result(args, 0),
                          result(args, 1),
                          result(args, 2),
                          static_cast<float*>(args.workspace)};
    parallel_for(shape.chunks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) forward.run(chunk);
    });
  });
  kernel->workspace_bytes = static_cast<size_t>(shape->batch * 3 * shape->units) * sizeof(float);
  return kernel;
}

struct Backward {
  RecurrentShape shape;
  bool after;
  const FusedLoops& loops;
  const float *x, *kernel, *recurrent, *h0;
  StepMask mask;
  const float *sequence, *gates, *dsequence, *dh_last;
  float *dx, *dh;                               // dh: running
  float *dinput, *drecurrent, *states, *reset;  // [b, t, 3u], [b, t, 3u] (after), [b, t, u], [b, t, u] (before)
  float *carry, *dreset;                        // [b, u]

  int64_t width() const { return (after ? 4 : 3) * shape.units; }

  // Gradients of z and the candidate; dh becomes what reaches the state before through z.
  void mix(int64_t r, int64_t s) const {
    const int64_t u = shape.units, at = r * shape.steps + s;
    float *d = dinput + at * 3 * u, *dh_row = dh + r * u, *carry_row = carry + r * u;
    const float* values = gates + at * width();
    if (dsequence) loops.add(dsequence + at * u, carry_row, u);
    if (!mask.taken(r, s)) {
      std::fill(d, d + 3 * u, 0.0f);
      return;
    }
    loops.add(carry_row, dh_row, u);
    std::fill(carry_row, carry_row + u, 0.0f);
    loops.gru_mix_grad(values, values + 2 * u, states + at * u, dh_row, d, d + 2 * u, u);
    loops.multiply_slope(shape.gate, values, d, u);
    loops.multiply_slope(shape.activation, values + 2 * u, d + 2 * u, u);
  }

  void step_after(int64_t first, int64_t last, int64_t s) const {
    const int64_t t = shape.steps, u = shape.units;
    for (int64_t r = first; r < last; ++r) {
      mix(r, s);
      const int64_t at = r * t + s;
      float *d = dinput + at * 3 * u, *dr = drecurrent + at * 3 * u;
      const float* values = gates + at * width();
      loops.multiply(d + 2 * u, values + 3 * u, d + u, u);
      loops.multiply_slope(shape.gate, values + u, d + u, u);
      std::copy(d, d + 2 * u, dr);
      loops.multiply(d + 2 * u, values + u, dr + 2 * u, u);
    }
    serial_gemm(false, true, last - first, u, 3 * u, drecurrent + (first * t + s) * 3 * u, t * 3 * u, recurrent, 3 * u, true,
                dh + first * u, u);
  }

  void step_before(int64_t first, int64_t last, int64_t s) const {
    const int64_t t = shape.steps, u = shape.units;
    for (int64_t r = first; r < last; ++r) mix(r, s);
    serial_gemm(false, true, last - first, u, u, dinput + (first * t + s) * 3 * u + 2 * u, t * 3 * u, recurrent + 2 * u, 3 * u, false,
                dreset + first * u, u);
    for (int64_t r = first; r < last; ++r) {
      const int64_t at = r * t + s;
      float* d = dinput + at * 3 * u;
      const float *values = gates + at * width(), *before = states + at * u;
      loops.multiply(dreset + r * u, before, d + u, u);
      loops.multiply_slope(shape.gate, values + u, d + u, u);
      loops.multiply_add(dreset + r * u, values + u, dh + r * u, u);
      loops.multiply(values + u, before, reset + at * u, u);
    }
    serial_gemm(false, true, last - first, u, 2 * u, dinput + (first * t + s) * 3 * u, t * 3 * u, recurrent, 3 * u, true, dh + first * u,
                u);
  }

  void run(int64_t chunk) const {
    const int64_t t = shape.steps, u = shape.units, n = shape.features, first = chunk * shape.chunk,
                  last = std::min(shape.batch, first + shape.chunk);
    if (dh_last)
      std::copy(dh_last + first * u, dh_last + last * u, dh + first * u);
    else
      std::fill(dh + first * u, dh + last * u, 0.0f);
    std::fill(carry + first * u, carry + last * u, 0.0f);
    states_before(shape, sequence, h0, mask, first, last, states);
    for (int64_t s = t - 1; s >= 0; --s) after ? step_after(first, last, s) : step_before(first, last, s);
    serial_gemm(false, true, (last - first) * t, n, 3 * u, dinput + first * t * 3 * u, 3 * u, kernel, 3 * u, false, dx + first * t * n, n);
    if (shape.reversed) reverse_steps(dx, first, last, t, n);
  }
};

std::unique_ptr<Kernel> prepare_grad(const NodeView& node) {
  const std::optional<RecurrentShape> found = recurrent_shape(node);
  const size_t bias = static_cast<size_t>(node.attrs.flag("bias")), mask = static_cast<size_t>(node.attrs.flag("mask"));
  if (!found || !all_float32(node.inputs, 4)) return nullptr;
  const RecurrentShape shape = *found;
  const bool after = node.attrs.flag("reset_after");
  // Operand numbers of the gradients of sequence and h; 0: not given.
  std::array<size_t, 2> douts = {};
  size_t next = 6 + mask;
  for (int64_t which : node.attrs.integers("given")) {
    if (which > 1) return nullptr;  // the gradient of the reserve: second derivatives
    douts[static_cast<size_t>(which)] = next++;
  }
  const int64_t b = shape.batch, t = shape.steps, n = shape.features, u = shape.units;
  auto kernel = make_kernel([=, &loops = fused_loops()](const KernelArgs& args) {
    const auto optional = [&](size_t operand) { return operand ? floats(args, operand) : nullptr; };
    float *dinput = static_cast<float*>(args.workspace), *second = dinput + b * t * 3 * u, *states = second + b * t * 3 * u;
    float *carry = states + b * t * u, *dreset = carry + b * u;
    const uint8_t* flags = mask ? static_cast<const uint8_t*>(args.inputs[4]) : nullptr;
    const Backward backward{shape,
                            after,
                            loops,
                            floats(args, 0),
                            floats(args, 1),
                            floats(args, 2),
                            floats(args, 3),
                            {flags, t, shape.reversed},
                            floats(args, 4 + mask),
                            floats(args, 5 + mask),
                            optional(douts[0]),
                            optional(douts[1]),
                            result(args, 0),
                            result(args, 3 + bias),
                            dinput,
                            second,
                            states,
                            second,
                            carry,
                            dreset};
    parallel_for(shape.chunks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) backward.run(chunk);
    });
    float* drecurrent = result(args, 2);
    if (after) {
      gemm_over_rows(u, 3 * u, b * t, states, u, second, 3 * u, drecurrent, 3 * u);
    } else {
      gemm_over_rows(u, 2 * u, b * t, states, u, dinput, 3 * u, drecurrent, 3 * u);
      gemm_over_rows(u, u, b * t, second, u, dinput + 2 * u, 3 * u, drecurrent + 2 * u, 3 * u);
    }
    if (bias) sum_rows(loops, dinput, b * t, 3 * u, 3 * u, result(args, 3));
    if (bias && after) sum_rows(loops, second, b * t, 3 * u, 3 * u, result(args, 3) + 3 * u);
    if (shape.reversed) reverse_steps(dinput, 0, b, t, 3 * u);
    gemm_over_rows(n, 3 * u, b * t, backward.x, n, dinput, 3 * u, result(args, 1), 3 * u);
  });
  kernel->workspace_bytes = static_cast<size_t>(b * t * 7 * u + 2 * b * u) * sizeof(float);
  return kernel;
}

const KernelRow kRows[] = {{"gru", "fused", prepare}, {"gru_grad", "fused", prepare_grad}};

}  // namespace

std::span<const KernelRow> fused_gru_rows() { return kRows; }

}  // namespace dl::cpu
