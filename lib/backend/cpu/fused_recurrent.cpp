#include "backend/cpu/fused_recurrent.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace dl::cpu {
namespace {

std::optional<CellActivation> find_cell_activation(std::string_view name) {
  if (name == "tanh") return CellActivation::kTanh;
  if (name == "sigmoid") return CellActivation::kSigmoid;
  if (name == "hard_sigmoid") return CellActivation::kHardSigmoid;
  if (name == "relu") return CellActivation::kRelu;
  if (name == "linear") return CellActivation::kLinear;
  return std::nullopt;
}

}  // namespace

std::optional<RecurrentShape> recurrent_shape(const NodeView& node) {
  const auto activation = find_cell_activation(node.attrs.text("activation")),
             gate = find_cell_activation(node.attrs.text("recurrent_activation"));
  if (!activation || !gate) return std::nullopt;
  const Dims &x = node.inputs[0].dims, &recurrent = node.inputs[2].dims;
  const int64_t chunk = std::clamp<int64_t>((x[0] + 1) / 2, 8, 32);
  return RecurrentShape{x[0], x[1], x[2], recurrent[0], chunk, node.attrs.flag("reversed"), *activation, *gate};
}

void reverse_steps(float* v, int64_t first, int64_t last, int64_t steps, int64_t width) {
  for (int64_t r = first; r < last; ++r) {
    float* row = v + r * steps * width;
    for (int64_t a = 0, b = steps - 1; a < b; ++a, --b) std::swap_ranges(row + a * width, row + (a + 1) * width, row + b * width);
  }
}

void states_before(const RecurrentShape& shape, const float* sequence, const float* h0, const StepMask& mask, int64_t first, int64_t last,
                   float* states) {
  const int64_t u = shape.units;
  for (int64_t r = first; r < last; ++r) {
    bool started = false;
    for (int64_t s = 0; s < shape.steps; ++s) {
      const float* from = started ? sequence + (r * shape.steps + s - 1) * u : h0 + r * u;
      std::copy(from, from + u, states + (r * shape.steps + s) * u);
      started = started || mask.taken(r, s);
    }
  }
}

void sum_rows(const FusedLoops& loops, const float* v, int64_t rows, int64_t width, int64_t stride, float* sums) {
  std::fill(sums, sums + width, 0.0f);
  for (int64_t r = 0; r < rows; ++r) loops.add(v + r * stride, sums, width);
}

}  // namespace dl::cpu
