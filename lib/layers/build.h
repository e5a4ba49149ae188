// From a Model to graph nodes. A Program for inference in one call; training builds the same model with its own inputs,
// adds losses and updates, and shares the weights through the registry.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/program.h"
#include "layers/layer.h"
#include "layers/model.h"

namespace dl {

struct BuildOptions {
  Mode mode = Mode::kInference;
  Precision precision;
  int64_t seed = 0;                   // of dropout and noise
  Var counter;                        // int64 scalar, another value in every step (and micro-batch); training with random layers
  std::map<std::string, Var> inputs;  // given values for model inputs; the others become `input` nodes of the graph
};

struct ModelOutputValue {
  std::string name;
  Var value, mask;
};

// What a call of a layer produced, for summaries and tracing.
struct CallTrace {
  std::vector<MaskedVar> outputs;
  uint32_t first_node = 0, end_node = 0;  // nodes it added
};

struct ModelGraph : BuildResult {
  std::vector<NamedValue> inputs;  // the `input` nodes made
  std::vector<ModelOutputValue> outputs;
  std::vector<CallTrace> calls;  // one for each of Model::calls
};

// Type of a model input under a precision.
TensorType input_type(const ModelInput& input, const Precision& precision);

// UserError "FILE:LINE:COL: layer 'x': ..." where shapes do not fit.
ModelGraph build_model(const Model& model, Graph& graph, WeightRegistry& registry, const BuildOptions& options);

// Adds what a build carries from batch to batch to the parameters and updates of the program.
void add_states(Program& program, const BuildResult& built);

// Updates nothing but the states of stateful layers.
Program build_inference_program(const Model& model, const Precision& precision = {});

}  // namespace dl
