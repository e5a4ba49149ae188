// The Programs of a loaded model, and their compiled forms as text. Shared by inspect and bench.
#pragma once

#include <string>

#include "plan/compile.h"
#include "train/model_file.h"
#include "train/step_program.h"

namespace dl::app {

// What a model file without training section is trained with, where a training step is wanted all the same.
inline constexpr const char* kDefaultTraining = "mean squared error, Adam";

// The training step with the run's own loss and optimizer, or the default ones for a model file.
TrainingProgram make_training_program(const LoadedModel& loaded);
CompileOptions compile_options(const LoadedModel& loaded);

// Sizes other than the batch that a model leaves open and a command has to choose.
inline constexpr int64_t kGuessedSize = 32;

// What --explain prints: the training step of a run file at its batch size, else inference of one sample.
std::string explain_file(const LoadedModel& loaded, const std::string& stage);
// "graph", "passes", "plan" or "memory".
std::string explain(const Program& program, const Bindings& sizes, const CompileOptions& options, const std::string& stage);

}  // namespace dl::app
