// Model: the validated form of a model spec (design: `inputs:`, `layers:`, `outputs:`): layers, how they are connected, and
// where each was written. parse_model reads it; build.h turns it into graph nodes.
// Who uses it: train, eval, predict, inspect, importers (which fill it without YAML), exporters.
// Invariants: names of inputs and calls are unique; a call's inputs refer to model inputs or to earlier calls, so `calls`
// is in topological order; every call leads to an output.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "layers/layer.h"
#include "spec/reader.h"

namespace dl {

struct ModelInput {
  std::string name;
  Shape shape;  // with the batch: [batch, 28, 28, 1]
  DType dtype = DType::kFloat32;
  bool default_dtype = true;  // not given: the variable type of the precision
  spec::Place place;
};

// One output of a call, or a model input.
struct ModelRef {
  bool is_input = false;
  size_t index = 0;   // into Model::inputs or Model::calls
  size_t output = 0;  // of a layer with several outputs: "lstm:1"
  friend bool operator==(const ModelRef&, const ModelRef&) = default;
};

// One application of a layer. The first is named like the layer.
struct LayerCall {
  std::string name;
  size_t layer = 0;  // index into Model::layers; calls of a shared layer have the same
  std::vector<ModelRef> inputs;
  spec::Place place;
  std::shared_ptr<const Layer> variant = {};  // the layer with the arguments of this call alone (reverse); null: as it is
};

struct ModelOutput {
  std::string name;  // of the call (or input)
  ModelRef ref;
};

struct Model {
  std::string name;
  std::vector<ModelInput> inputs;
  std::vector<std::shared_ptr<const Layer>> layers;
  std::vector<LayerCall> calls;
  std::vector<ModelOutput> outputs;
};

inline const Layer& layer_of(const Model& model, const LayerCall& call) { return call.variant ? *call.variant : *model.layers[call.layer]; }

// `node`: the map with `inputs`, `layers`, `outputs`, or a path to a file with one, relative to `base_dir`.
// Problems are added, all of them; the result is usable only when there are none.
Model parse_model(const spec::Node& node, const std::string& base_dir, spec::Problems& problems);
// Parses the file; UserError with all problems.
Model load_model_spec(const std::string& path);

// The part of the model up to `ref`, which becomes its only output.
Model model_up_to(const Model& model, const ModelRef& ref);

// A Normalization layer whose statistics come from the training data.
struct AdaptRequest {
  std::string layer;
  ModelRef input;              // whose data to take: model_up_to(model, input)
  std::vector<int64_t> axes;   // that keep their own statistics, as in the config (may be negative)
  std::string mean, variance;  // weights to fill
};
std::vector<AdaptRequest> layers_to_adapt(const Model& model);

}  // namespace dl
