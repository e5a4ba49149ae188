// Everything a command can take as MODEL, loaded the same way: a checkpoint, a run folder (its best checkpoint, else the newest), a file
// of another framework (lib/io), a run file or a model file (both untrained: initial values).
// Who uses it: eval, predict, inspect, bench, convert, export. Reads no data and computes nothing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ckpt/checkpoint.h"
#include "graph/program.h"
#include "io/format.h"
#include "plan/parameter_store.h"
#include "train/run_spec.h"
#include "train/run_state.h"

namespace dl {

enum class ModelFileKind { kCheckpoint, kForeign, kRunFile, kModelFile };
const char* name_of(ModelFileKind kind);  // "checkpoint", "model with weights", "run file", "model file"

struct LoadedModel {
  ModelFileKind kind = ModelFileKind::kModelFile;
  std::string origin;  // the file that was read
  Model model;
  std::optional<RunSpec> run;                // of a checkpoint or a run file
  spec::Node model_tree;                     // what `model` was parsed from; null for a graph
  std::map<std::string, Tensor> parameters;  // of a checkpoint or a foreign file: weights, slots, "step"
  std::optional<SavedModel> foreign;         // what else the file held; its weights and slots have moved to `parameters`
  // Of a checkpoint:
  Preprocessing preprocessing;
  RunState state;
  std::map<std::string, std::string> facts;

  bool has_weights() const { return kind == ModelFileKind::kCheckpoint || kind == ModelFileKind::kForeign; }
  bool trained() const { return kind == ModelFileKind::kCheckpoint; }  // by dltool: there is a run, with data and preprocessing
  Precision precision() const { return run ? run->training.precision : Precision{}; }
};

// `overrides` apply to the run file, also to the one inside a checkpoint. UserError where there is nothing at `path` or it is none of
// the above; FileError for a damaged file or another framework's format.
LoadedModel load_model(const std::string& path, const std::vector<std::string>& overrides = {});
// The same for a file that may need values or sizes of its inputs, or whose format is to be `format`.
LoadedModel load_foreign(const std::string& path, const ReadOptions& options, const Format* format = nullptr);

// What a writer of another format needs of it. An untrained model comes with its first weights.
SavedModel to_saved_model(const LoadedModel& loaded);
// A checkpoint without a run: the model, its weights and slots, and what the source said of training. Every command loads it.
void write_model_checkpoint(const std::string& path, const SavedModel& model);

// Arrays by parameter name: of a checkpoint, of a file of lib/io, or the members of an .npz file. training.initial_weights is such a file.
std::map<std::string, Tensor> read_weights(const std::string& path);
// The weights of `model` in `given`, in the types and shapes of its parameters; the rest of `given` is left out. UserError, beginning
// with `origin`, where one is missing or has another shape.
std::map<std::string, Tensor> select_weights(const Model& model, const Precision& precision, const std::map<std::string, Tensor>& given,
                                             const std::string& origin);

// Those that have the name and shape of a weight of `model`, in its type; and for people, which weights are left.
struct MatchingWeights {
  std::map<std::string, Tensor> weights;
  std::vector<std::string> fresh;
};
MatchingWeights matching_weights(const Model& model, const Precision& precision, const std::map<std::string, Tensor>& given);

// Puts the parameters of `program` into the store: saved values, or the first ones of an untrained model: its
// run's initial_weights, else those of its initialisers (zeros for optimizer slots). Those that the program does not update are lent.
// FileError where a checkpoint lacks one or has another shape.
void set_parameters(const LoadedModel& model, const Program& program, ParameterStore& store);

}  // namespace dl
