#include "programs.h"

#include "layers/build.h"
#include "plan/random_inputs.h"

namespace dl::app {

TrainingProgram make_training_program(const LoadedModel& loaded) {
  if (loaded.run) {
    const TrainingSpec& t = loaded.run->training;
    return build_training_program(loaded.model, t.losses, t.optimizer, step_options(t));
  }
  spec::Problems problems;
  std::vector<std::string> outputs;
  for (const ModelOutput& o : loaded.model.outputs) outputs.push_back(o.name);
  const std::vector<OutputLoss> losses = read_losses(spec::Node::string("mse"), nullptr, outputs, "loss", problems);
  const Optimizer optimizer = read_optimizer(spec::Node::string("adam"), "optimizer", problems);
  problems.throw_if_any();
  return build_training_program(loaded.model, losses, optimizer, {});
}

CompileOptions compile_options(const LoadedModel& loaded) {
  CompileOptions options;
  options.strict = loaded.run && loaded.run->training.strict;
  return options;
}

std::string explain(const Program& program, const Bindings& sizes, const CompileOptions& options, const std::string& stage) {
  if (stage == "graph") return to_text(program);
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  std::vector<PassTrace> trace;
  const Compiled compiled = compile(program, sizes, *backend, options, &trace);
  if (stage == "plan") return to_text(compiled.plan, compiled.program);
  if (stage == "memory") return memory_text(compiled.plan);
  std::string text;
  for (const PassTrace& pass : trace) text += "== after " + pass.name + "\n" + pass.text + "\n";
  return text;
}

std::string explain_file(const LoadedModel& loaded, const std::string& stage) {
  if (loaded.kind == ModelFileKind::kRunFile) {
    const Program program = make_training_program(loaded).program;
    return explain(program, choose_sizes(program, loaded.run->training.batch_size, kGuessedSize), compile_options(loaded), stage);
  }
  const Program program = build_inference_program(loaded.model, loaded.precision());
  return explain(program, choose_sizes(program, 1, kGuessedSize), compile_options(loaded), stage);
}

}  // namespace dl::app
