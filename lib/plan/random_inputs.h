// Inputs for a Program when there is no data: sizes and values that it can run with.
// Who uses it: bench, proofs of conversions (io/parity), inspect (sizes only).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/program.h"

namespace dl {

// A size for every symbol in the inputs' shapes: `batch` for "batch" or, where there is none, the common first axis, `other` for the rest,
// whose names are put into `guessed` (may be null).
Bindings choose_sizes(const Program& program, int64_t batch, int64_t other, std::vector<std::string>* guessed = nullptr);

// One tensor per input, the same for the same seed: indices where the Program uses the input as such (see index_limit), else floats
// uniform in [0, 1) and zeros and ones for whole numbers.
std::vector<Tensor> make_random_inputs(const Program& program, const Bindings& bindings, uint64_t seed);

// How many values an input may take that indexes a table or names a class, directly or through casts and changes of shape: the rows of
// the smallest such table. nullopt for other inputs.
std::optional<int64_t> index_limit(const Program& program, Value input);

}  // namespace dl
