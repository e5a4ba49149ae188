#include "layers/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>

#include "base/error.h"
#include "ops/builders.h"

namespace dl {
namespace {

struct Row {
  std::string_view class_name;
  size_t states;
  WalkCell walk;  // null: a stack
};

constexpr Row kRows[] = {
    {"LSTMCell", 2, walk_lstm}, {"GRUCell", 1, walk_gru}, {"SimpleRNNCell", 1, walk_simple_rnn}, {"StackedRNNCells", 0, nullptr}};

const Row* find_row(const Layer& cell) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.class_name == cell.def->class_name; });
  return row == std::end(kRows) ? nullptr : row;
}

Recurrent walk_stack(LayerContext& context, const Layer& stack, Var x, std::span<const Var> states, Var mask, bool reversed) {
  Recurrent result;
  std::vector<Var> all;
  std::map<std::string_view, int> seen;
  for (size_t i = 0; i < stack.children.size(); ++i) {
    const Layer& cell = *stack.children.at(cell_key(i));
    // In .weights.h5 the members of a list are named by their class, numbered from the second on.
    const int number = seen[cell.def->class_name]++;
    const std::string name = snake_case(cell.def->class_name), object = "cells/" + (number ? fmt::format("{}_{}", name, number) : name);
    const size_t count = count_states(cell);
    result = walk_cell(context, cell, object, i == 0 ? x : result.sequence, states.empty() ? states : states.first(count), mask, reversed);
    if (!states.empty()) states = states.subspan(count);
    all.insert(all.end(), result.state.begin(), result.state.end());
    // The sequence is now in the order walked.
    if (reversed && mask.valid()) mask = reverse(mask, 1);
    reversed = false;
  }
  result.state = all;
  return result;
}

}  // namespace

std::shared_ptr<const Layer> read_cell(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  const auto cell = read_child_layer(node, path, problems);
  if (!cell || find_row(*cell)) return cell;
  problems.add(node.place(), path,
               fmt::format("is {}, must be LSTMCell, GRUCell, SimpleRNNCell, StackedRNNCells or a list of cells", cell->def->class_name));
  return nullptr;
}

std::string cell_key(size_t i) { return fmt::format("cells{}", i); }

size_t count_states(const Layer& cell) {
  size_t count = find_row(cell)->states;
  for (const auto& [key, child] : cell.children) count += count_states(*child);
  return count;
}

std::vector<Shape> state_shapes(const Layer& cell, Dim batch) {
  const Row& row = *find_row(cell);
  if (row.walk) return std::vector<Shape>(row.states, {batch, Dim(cell.config.integer("units"))});
  std::vector<Shape> shapes;
  for (size_t i = 0; i < cell.children.size(); ++i)
    for (Shape& shape : state_shapes(*cell.children.at(cell_key(i)), batch)) shapes.push_back(std::move(shape));
  return shapes;
}

size_t output_state(const Layer& cell) {
  if (cell.children.empty()) return 0;
  const Layer& last = *cell.children.at(cell_key(cell.children.size() - 1));
  return count_states(cell) - count_states(last) + output_state(last);
}

Recurrent walk_cell(LayerContext& context, const Layer& cell, const std::string& object, Var x, std::span<const Var> states, Var mask,
                    bool reversed) {
  const LayerContext::SubLayer scope(context, cell.name, object);
  LayerContext inner = context.child(cell);
  const WalkCell walk = find_row(cell)->walk;
  if (!walk) return walk_stack(inner, cell, x, states, mask, reversed);
  return walk(inner, recurrent_input(inner, x), states, mask, reversed);
}

}  // namespace dl
