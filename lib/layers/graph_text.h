// A Program as a spec Node and back: how an imported graph travels in run files' copies and checkpoints, under `model: {graph: ...}`.
//
//   graph:
//     inputs: {image: {dtype: float32, shape: [batch, 3, 32, 32]}}
//     parameters: {conv1.weight: {dtype: float32, shape: [8, 3, 3, 3], trainable: true}}
//     nodes: [[transpose, [1], {perm: [2, 3, 1, 0]}, conv1], ...]     operator, operands, attributes, scope (may be left out)
//     outputs: {scores: 17}
// An operand is a number: inputs, parameters and nodes are counted from 0 in that order; "17:1" is output 1 of 17.
// Who uses it: parse_model, importers of graphs. Updates are not written; a model has none.
#pragma once

#include <memory>

#include "graph/program.h"
#include "layers/model.h"
#include "spec/reader.h"

namespace dl {

spec::Node to_node(const Program& program);
// {name, graph}: what parse_model reads back. `model` is a graph_model().
spec::Node graph_model_tree(const Model& model);
// Null after reporting a problem.
std::shared_ptr<const Program> read_graph(const spec::Node& node, const std::string& path, spec::Problems& problems);

}  // namespace dl
