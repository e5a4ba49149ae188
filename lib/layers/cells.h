// Cells as layers inside of RNN and StackedRNNCells: reading them and walking them over a sequence.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "layers/recurrent.h"

namespace dl {

// A cell's class with its config; null after reporting.
std::shared_ptr<const Layer> read_cell(const spec::Node& node, const std::string& path, spec::Problems& problems);
// The child of StackedRNNCells with cell i.
std::string cell_key(size_t i);
// How many states a cell has; those of a stack are counted together. And their shapes.
size_t count_states(const Layer& cell);
std::vector<Shape> state_shapes(const Layer& cell, Dim batch);
// Which of them is the output: the first one of the last cell.
size_t output_state(const Layer& cell);

// Applies the cell, owned by the context's layer as `object`, to a sequence. A stack is one sequence after the other, which
// is the same: masked steps keep every state. `states`: as many as count_states, or none.
Recurrent walk_cell(LayerContext& context, const Layer& cell, const std::string& object, Var x, std::span<const Var> states, Var mask,
                    bool reversed);

}  // namespace dl
