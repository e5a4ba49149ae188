#include <memory>

#include "command.h"
#include "convert_job.h"

namespace dl::app {

Command inspect_command() {
  auto options = std::make_shared<InspectOptions>();
  Command command;
  command.name = "inspect";
  command.summary = "show what a model or run file holds";
  command.description = {
      "Prints the layer table of Keras's summary(), parameters, FLOPs of a sample, and the memory that inference and a training step "
      "need by batch size. FILE is a checkpoint, a model file or a run file; nothing is computed and no data is read.",
      "Memory is parameters, inputs, constants and the arena of intermediate values. A model file, which has no loss, is taken to train "
      "with mean squared error and Adam. --explain shows the training step of a run file at its batch size, else the inference of one "
      "sample.",
  };
  command.examples = {
      {"Layers, parameters, FLOPs, memory", "dltool inspect models/lenet.yaml"},
      {"A checkpoint: where it comes from and how far it is trained", "dltool inspect runs/digits/checkpoints/best.ckpt.h5"},
      {"For scripts", "dltool inspect best.ckpt.h5 --json | jq .parameters.total"},
      {"What of Keras is there", "dltool inspect --support | grep -w loss"},
      {"Before converting", "dltool inspect model.keras --for onnx"},
  };
  Option& file = command.positional("FILE", options->file, "a checkpoint, the folder of a run, a model file or a run file");
  file.with_files();
  file.required = false;  // not for --support
  command.option("--explain", "STAGE", options->explain, "write one stage of the compiled network to stdout instead")
      .with_choices({"graph", "passes", "plan", "memory"});
  command
      .option("--for", "FORMAT", options->target,
              "say whether the model can be written in this format; if not, all that stands in the way (exit 1)")
      .with_choices(writable_formats());
  command.flag("--selftest", options->selftest,
               "run the samples stored in the file and compare with the outputs stored beside them (exit 1)");
  command.flag("--support", options->support, "list every class that Keras exports and say whether it is there; without FILE");
  command.common_options(options->common);
  command.run = [options] {
    if (options->file.empty() != options->support)
      throw UserError(options->support ? "inspect: --support takes no FILE"
                                       : "inspect: FILE is missing (a checkpoint, the folder of a run, a model file or a run file); "
                                         "see dltool inspect --help");
    return run_inspect(*options);
  };
  return command;
}

}  // namespace dl::app
