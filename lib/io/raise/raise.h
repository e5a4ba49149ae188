// From operators back to layers: a graph (of an ONNX file) as a model of layers, for formats that hold nothing else.
//
// Every value is taken for the result of the first layer of rules.def whose own build gives the same operators (normal_form.h says what
// "same" means); its operands come next. Nothing is approximated: an operator that no layer gives is an error.
// Who uses it: convert, export and inspect --for, where the target is a format of layers.
#pragma once

#include <string>
#include <vector>

#include "io/saved_model.h"

namespace dl {

// `model.model` is a graph_model(). Weights keep their bits; layers are named after them ("conv1" of "conv1.weight").
// `left` gets a line for each operator that no layer gives; the result is a model only when it stays empty.
SavedModel raise_to_layers(SavedModel model, std::vector<std::string>& left);

}  // namespace dl
