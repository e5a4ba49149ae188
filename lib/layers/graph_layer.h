// A model given as operators instead of layers, such as an ONNX file holds: one layer whose build copies the nodes of a Program.
// Who uses it: importers of graph formats (lib/io/onnx) and their exporters. Weights keep their names in the Program; its composites
// (ops/composite.h), which remember the file's operators, are left out of what is built.
#pragma once

#include <memory>
#include <string>

#include "graph/program.h"
#include "layers/model.h"

namespace dl {

extern const LayerDef layer_graph;  // not in layers.def: it has no YAML form

// The model with the inputs and outputs of `program`, which has no updates. Parameters are trainable where they say so.
Model graph_model(const std::string& name, std::shared_ptr<const Program> program);
// The Program of such a model; null for a model of layers.
const Program* graph_of(const Model& model);

}  // namespace dl
