#include <memory>

#include "command.h"

namespace dl::app {

Command eval_command() {
  auto options = std::make_shared<EvalOptions>();
  Command command;
  command.name = "eval";
  command.summary = "measure a trained model on data";
  command.description = {
      "Computes the loss and the metrics of MODEL over the whole test data: the key data.test of the run file, else data.validation. "
      "Without --data it takes the run the checkpoint was trained with. --data names another run file, or a data file of the training "
      "data's form whose targets are in the same file. key=value changes the run file that the data comes from.",
      "With --min the exit code is 1 when a metric is below its value, with --max when it is above. Any name of the output will do. A "
      "metric that is NaN meets no limit.",
      "Where targets are scaled (standardize, normalize), metrics of quantities are in the units of the data; the loss is of scaled "
      "values, as in "
      "training. For windows of a series, last_value_METRIC is what the forecast that nothing changes would reach.",
      "A run with the key anomalies also says how many known anomalies were found and how many alarms were false; see dltool-spec(5).",
      "-v adds precision, recall and F1 of every class, and the alarms.",
  };
  command.examples = {
      {"Loss and metrics on the test data of its own run", "dltool eval runs/digits/checkpoints/best.ckpt.h5"},
      {"A gate for CI: exit code 1 when the model is not good enough",
       "dltool eval best.ckpt.h5 --min accuracy=0.97 --max loss=0.1 --json"},
      {"On the data of another run file", "dltool eval best.ckpt.h5 --data configs/mnist-cnn.yaml"},
  };
  command.positional("MODEL", options->model, "a checkpoint or the folder of a run").with_files();
  command.overrides(options->overrides);
  command
      .option("--data", "FILE", options->data,
              "take the data of this run file, or this data file (default: of the run the model comes from)")
      .with_files();
  const auto limit = [&](const char* name, bool at_most, const char* help) {
    command
        .option(
            name, "METRIC=VALUE",
            [o = options, at_most](const std::string& text) {
              auto [metric, value] = parse_assignment(text);
              o->limits.push_back({metric, parse_number(value), at_most});
            },
            help)
        .repeated = true;
  };
  limit("--min", false, "exit with 1 when the metric is below the value; may be repeated");
  limit("--max", true, "exit with 1 when the metric is above the value; may be repeated");
  command.option(
      "--batch", "N", 1, 1 << 24, [o = options](int64_t n) { o->batch_size = n; }, "batch size (default: the run file's)");
  command.common_options(options->common);
  command.run = [options] { return run_eval(*options); };
  return command;
}

}  // namespace dl::app
