// What fused_lstm.cpp and fused_gru.cpp share: sizes, activations and masks of a recurrent node.
// The batch is cut into chunks of rows by its size alone; a chunk walks through all time steps on one thread.
#pragma once

#include <optional>

#include "backend/cpu/fused.h"
#include "backend/cpu/fused_loops.h"

namespace dl::cpu {

struct RecurrentShape {
  int64_t batch, steps, features, units, chunk;
  bool reversed;
  CellActivation activation, gate;

  int64_t chunks() const { return (batch + chunk - 1) / chunk; }
};

// Nothing where an activation is not one the loops know.
std::optional<RecurrentShape> recurrent_shape(const NodeView& node);

// A mask bool [batch, steps], read in the order walked; null: every step is taken.
struct StepMask {
  const uint8_t* mask;
  int64_t steps;
  bool reversed;
  bool taken(int64_t row, int64_t step) const { return !mask || mask[row * steps + (reversed ? steps - 1 - step : step)] != 0; }
};

// Turns the steps of every row in [first, last) of v [batch, steps, width] around.
void reverse_steps(float* v, int64_t first, int64_t last, int64_t steps, int64_t width);

// states [batch, steps, units]: the state before each step, from the outputs `sequence`.
void states_before(const RecurrentShape& shape, const float* sequence, const float* h0, const StepMask& mask, int64_t first, int64_t last,
                   float* states);

// sums [width] = sum over rows of v [rows, width], in an order that depends on the shape only.
void sum_rows(const FusedLoops& loops, const float* v, int64_t rows, int64_t width, int64_t stride, float* sums);

}  // namespace dl::cpu
