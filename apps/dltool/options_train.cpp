#include <memory>

#include "command.h"

namespace dl::app {

Command train_command() {
  auto options = std::make_shared<TrainOptions>();
  Command command;
  command.name = "train";
  command.summary = "train the network of a run file";
  command.description = {
      "Trains the model of RUN.yaml on its data and writes one folder (key output of the file, or --output): the resolved configuration, "
      "metrics.jsonl and metrics.csv, TensorBoard events, checkpoints/ and report.html.",
      "SIGINT, SIGTERM, SIGUSR1 and the end of --max-time save a checkpoint after the running step and exit with 75; the same command with "
      "--resume auto goes on from there and ends with the same bits as a run that was never interrupted. A second signal exits at once.",
      "The last line on stdout with --json is one object with the final losses and metrics and the paths of the checkpoint and the report.",
  };
  command.examples = {
      {"Train", "dltool train configs/mnist-cnn.yaml"},
      {"Change keys of the file for this run", "dltool train run.yaml training.epochs=3 training.optimizer.Adam.learning_rate=1e-4"},
      {"In a batch job: start, or go on where the last job stopped", "dltool train run.yaml --resume auto --max-time 55m"},
      {"See what would be trained, and how it is laid out in memory", "dltool train run.yaml --explain memory"},
  };
  command.positional("RUN.yaml", options->run_file, "the run file, see dltool-spec(5)").with_files();
  command.overrides(options->overrides);
  command.option("-o,--output", "DIR", options->output, "folder of the run (default: the key output of the file)").with_directories();
  command
      .option("--resume", "auto|PATH", options->resume,
              "go on from a checkpoint: auto takes the newest good one of the output folder and starts anew where there is none")
      .with_files();
  command.option(
      "--max-time", "TIME", [o = options](const std::string& text) { o->max_time_seconds = parse_duration_seconds(text); },
      "save and exit with 75 after this time: 90s, 55m, 1.5h, 02:30:00");
  command.option(
      "--seed", "N", 0, INT64_MAX, [o = options](int64_t n) { o->seed = n; },
      "seed of all random numbers (default: the file's training.seed)");
  command.flag("--print-config", options->print_config,
               "write the run file, with changes, variables and the model put in, to stdout, and do nothing else");
  command.option("--explain", "STAGE", options->explain, "write one stage of the compiled training step to stdout, and do nothing else")
      .with_choices({"graph", "passes", "plan", "memory"});
  command
      .option(
          "--ranks", "N", 1, 64, [o = options](int64_t n) { o->ranks = static_cast<int>(n); },
          "data-parallel ranks inside this process, each with its own threads")
      .make_hidden();
  command.common_options(options->common);
  command.run = [options] { return run_train(*options); };
  return command;
}

}  // namespace dl::app
