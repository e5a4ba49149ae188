// scan: a body applied to every element of sequences along one axis, carrying states from step to step. With it a recurrence that has
// no operator of its own (a cell with dropout on its state, convolutional LSTM) is one node, whatever the number of steps.
// Its gradient is a scan again (autodiff/scan_gradient.cpp); devices run it written out step by step, once the number of steps is known.
// Who uses it: layers, autodiff.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/var.h"

namespace dl {

struct ScanStep {
  std::vector<Var> states;   // after the step, of the types they had before
  std::vector<Var> outputs;  // one element of each output sequence
};

struct Scan {
  std::vector<Var> states;     // after the last step
  std::vector<Var> sequences;  // the outputs, stacked along the axis in the order walked
};

// `step` writes the body: it may use only its arguments, the states, one element of each sequence (without the axis) and the
// constants. Sequences, at least one, have equal sizes on `axis`; `reversed` walks them from the end.
Scan scan(std::span<const Var> states, std::span<const Var> sequences, std::span<const Var> constants, int64_t axis, bool reversed,
          const std::function<ScanStep(std::span<const Var> states, std::span<const Var> elements, std::span<const Var> constants)>& step);

// The node itself. Body inputs: states, elements, constants; its outputs: states, then elements of the output sequences. The flags are 1
// for an input sequence read from the end, and for an output sequence whose first step comes last.
Scan add_scan(Program body, std::span<const Var> operands, size_t states, int64_t axis, std::vector<int64_t> reversed,
              std::vector<int64_t> reversed_outputs);

}  // namespace dl
