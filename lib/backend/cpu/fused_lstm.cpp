// LSTM forward and backward. Forward: the input's product for all steps at once, then per step the recurrent product and the gates.
// Backward: per step the gates' gradients and their recurrent product, then the weights' gradients as products over all steps.
#include <algorithm>
#include <array>

#include "backend/cpu/fused_recurrent.h"
#include "backend/cpu/gemm.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

struct Forward {
  RecurrentShape shape;
  const FusedLoops& loops;
  const float *x, *kernel, *recurrent, *bias, *h0, *c0;
  StepMask mask;
  float *sequence, *h, *c, *gates, *cells, *scratch;  // h, c: running states

  void project(int64_t first, int64_t last) const {
    const int64_t t = shape.steps, g = 4 * shape.units;
    float* z = gates + first * t * g;
    if (bias)
      for (int64_t i = 0; i < (last - first) * t; ++i) std::copy(bias, bias + g, z + i * g);
    serial_gemm(false, false, (last - first) * t, g, shape.features, x + first * t * shape.features, shape.features, kernel, g,
                bias != nullptr, z, g);
    if (shape.reversed) reverse_steps(gates, first, last, t, g);
  }

  void step(int64_t r, int64_t s, float* spare) const {
    const int64_t t = shape.steps, u = shape.units;
    float *z = gates + (r * t + s) * 4 * u, *out = sequence + (r * t + s) * u;
    loops.activate(shape.gate, z, 2 * u);
    loops.activate(shape.activation, z + 2 * u, u);
    loops.activate(shape.gate, z + 3 * u, u);
    if (mask.taken(r, s)) {
      loops.lstm_cell(shape.activation, z, c + r * u, h + r * u, spare, u);
      std::copy(h + r * u, h + (r + 1) * u, out);
    } else if (s > 0) {
      std::copy(out - u, out, out);
    } else {
      std::fill(out, out + u, 0.0f);
    }
    std::copy(c + r * u, c + (r + 1) * u, cells + (r * t + s) * u);
  }

  void run(int64_t chunk) const {
    const int64_t t = shape.steps, u = shape.units, first = chunk * shape.chunk, last = std::min(shape.batch, first + shape.chunk);
    std::copy(h0 + first * u, h0 + last * u, h + first * u);
    std::copy(c0 + first * u, c0 + last * u, c + first * u);
    project(first, last);
    for (int64_t s = 0; s < t; ++s) {
      serial_gemm(false, false, last - first, 4 * u, u, h + first * u, u, recurrent, 4 * u, true, gates + (first * t + s) * 4 * u,
                  t * 4 * u);
      for (int64_t r = first; r < last; ++r) step(r, s, scratch + chunk * u);
    }
  }
};

std::unique_ptr<Kernel> prepare(const NodeView& node) {
  const std::optional<RecurrentShape> shape = recurrent_shape(node);
  const size_t bias = static_cast<size_t>(node.attrs.flag("bias")), mask = static_cast<size_t>(node.attrs.flag("mask"));
  if (!shape || !all_float32(node.inputs, 5 + bias)) return nullptr;
  auto kernel = make_kernel([shape = *shape, &loops = fused_loops(), bias, mask](const KernelArgs& args) {
    const uint8_t* flags = mask ? static_cast<const uint8_t*>(args.inputs[5 + bias]) : nullptr;
    const Forward forward{shape,
                          loops,
                          floats(args, 0),
                          floats(args, 1),
                          floats(args, 2),
                          bias ? floats(args, 3) : nullptr,
                          floats(args, 3 + bias),
                          floats(args, 4 + bias),
                          {flags, shape.steps, shape.reversed},
                          result(args, 0),
                          result(args, 1),
                          result(args, 2),
                          result(args, 3),
                          result(args, 4),
                          static_cast<float*>(args.workspace)};
    parallel_for(shape.chunks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) forward.run(chunk);
    });
  });
  kernel->workspace_bytes = static_cast<size_t>(shape->chunks() * shape->units) * sizeof(float);
  return kernel;
}

struct Backward {
  RecurrentShape shape;
  const FusedLoops& loops;
  const float *x, *kernel, *recurrent, *h0, *c0;
  StepMask mask;
  const float *sequence, *gates, *cells, *dsequence, *dh_last, *dc_last;
  float *dx, *dh, *dc;                   // dh, dc: running
  float *dz, *states, *carry, *scratch;  // [b, t, 4u], [b, t, u], [b, u], u per chunk

  void step(int64_t r, int64_t s, float* spare) const {
    const int64_t t = shape.steps, u = shape.units, at = r * t + s;
    float *d = dz + at * 4 * u, *dh_row = dh + r * u, *carry_row = carry + r * u;
    if (dsequence) loops.add(dsequence + at * u, carry_row, u);
    if (!mask.taken(r, s)) {  // the output is the one before, the states stay
      std::fill(d, d + 4 * u, 0.0f);
      return;
    }
    loops.add(carry_row, dh_row, u);
    std::fill(carry_row, carry_row + u, 0.0f);
    const float* values = gates + at * 4 * u;
    const float* c_before = s > 0 ? cells + (at - 1) * u : c0 + r * u;
    loops.lstm_cell_grad(shape.activation, values, cells + at * u, c_before, dh_row, dc + r * u, d, spare, u);
    loops.multiply_slope(shape.gate, values, d, 2 * u);
    loops.multiply_slope(shape.activation, values + 2 * u, d + 2 * u, u);
    loops.multiply_slope(shape.gate, values + 3 * u, d + 3 * u, u);
    std::fill(dh_row, dh_row + u, 0.0f);  // the recurrent product adds what reaches the state before
  }

  static void start(const float* from, float* to, int64_t n) {
    if (from)
      std::copy(from, from + n, to);
    else
      std::fill(to, to + n, 0.0f);
  }

  void run(int64_t chunk) const {
    const int64_t t = shape.steps, u = shape.units, n = shape.features, first = chunk * shape.chunk,
                  last = std::min(shape.batch, first + shape.chunk);
    start(dh_last ? dh_last + first * u : nullptr, dh + first * u, (last - first) * u);
    start(dc_last ? dc_last + first * u : nullptr, dc + first * u, (last - first) * u);
    std::fill(carry + first * u, carry + last * u, 0.0f);
    for (int64_t s = t - 1; s >= 0; --s) {
      for (int64_t r = first; r < last; ++r) step(r, s, scratch + chunk * u);
      serial_gemm(false, true, last - first, u, 4 * u, dz + (first * t + s) * 4 * u, t * 4 * u, recurrent, 4 * u, true, dh + first * u, u);
    }
    states_before(shape, sequence, h0, mask, first, last, states);
    // dx is in the order of x, dz in the order walked.
    serial_gemm(false, true, (last - first) * t, n, 4 * u, dz + first * t * 4 * u, 4 * u, kernel, 4 * u, false, dx + first * t * n, n);
    if (shape.reversed) reverse_steps(dx, first, last, t, n);
  }
};

std::unique_ptr<Kernel> prepare_grad(const NodeView& node) {
  const std::optional<RecurrentShape> found = recurrent_shape(node);
  const size_t bias = static_cast<size_t>(node.attrs.flag("bias")), mask = static_cast<size_t>(node.attrs.flag("mask"));
  if (!found || !all_float32(node.inputs, 5)) return nullptr;
  const RecurrentShape shape = *found;
  // Operand numbers of the gradients of sequence, h, c; 0: not given.
  size_t given[3] = {};
  size_t next = 8 + mask;
  for (int64_t which : node.attrs.integers("given")) {
    if (which > 2) return nullptr;  // gradients of the reserves: second derivatives
    given[which] = next++;
  }
  const int64_t b = shape.batch, t = shape.steps, n = shape.features, u = shape.units;
  const std::array<size_t, 3> douts = {given[0], given[1], given[2]};
  auto kernel = make_kernel([=, &loops = fused_loops()](const KernelArgs& args) {
    const auto optional = [&](size_t operand) { return operand ? floats(args, operand) : nullptr; };
    float *dz = static_cast<float*>(args.workspace), *states = dz + b * t * 4 * u, *carry = states + b * t * u, *scratch = carry + b * u;
    const uint8_t* flags = mask ? static_cast<const uint8_t*>(args.inputs[5]) : nullptr;
    const Backward backward{shape,
                            loops,
                            floats(args, 0),
                            floats(args, 1),
                            floats(args, 2),
                            floats(args, 3),
                            floats(args, 4),
                            {flags, t, shape.reversed},
                            floats(args, 5 + mask),
                            floats(args, 6 + mask),
                            floats(args, 7 + mask),
                            optional(douts[0]),
                            optional(douts[1]),
                            optional(douts[2]),
                            result(args, 0),
                            result(args, 3 + bias),
                            result(args, 4 + bias),
                            dz,
                            states,
                            carry,
                            scratch};
    parallel_for(shape.chunks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) backward.run(chunk);
    });
    gemm_over_rows(u, 4 * u, b * t, states, u, dz, 4 * u, result(args, 2), 4 * u);
    if (bias) sum_rows(loops, dz, b * t, 4 * u, 4 * u, result(args, 3));
    if (shape.reversed) reverse_steps(dz, 0, b, t, 4 * u);
    gemm_over_rows(n, 4 * u, b * t, backward.x, n, dz, 4 * u, result(args, 1), 4 * u);
  });
  kernel->workspace_bytes = static_cast<size_t>(b * t * 5 * u + b * u + shape.chunks() * u) * sizeof(float);
  return kernel;
}

const KernelRow kRows[] = {{"lstm", "fused", prepare}, {"lstm_grad", "fused", prepare_grad}};

}  // namespace

std::span<const KernelRow> fused_lstm_rows() { return kRows; }

}  // namespace dl::cpu
