#include <memory>

#include "command.h"

namespace dl::app {

Command predict_command() {
  auto options = std::make_shared<PredictOptions>();
  Command command;
  command.name = "predict";
  command.summary = "apply a trained model to new data";
  command.description = {
      "Reads samples from IN, applies the preprocessing the model was trained with, and writes one row of outputs per sample, in order. "
      "The output file appears under its name only when it is complete.",
      "IN has the form of the training data: a CSV file with the same input columns (others, and targets, are left out), an .npy or .npz "
      "array, an IDX file, or a folder of images, in the units of the training data. A CSV file of a series (window:) gets one row per "
      "window, the last of which is a forecast of what comes after the file.",
      "A classifier writes the columns class (its label), probability (of that class), and probability_LABEL for every class; score in "
      "place of probability where the network does not end in a softmax or sigmoid. Other networks write their target's name, or name_0, "
      "name_1, ... for several values, in the units of the training data. With several outputs the columns of a classifier begin with the "
      "output's name. In an .npy or .npz file stand the values alone, one array per output.",
      "With --anomalies, for a run with the key anomalies, a row holds the error of the sample (of scaled values, as in training), and 1 "
      "in the "
      "column anomaly where that is above the threshold, else 0. Windows of a series with times begin with the columns from and to.",
      "--inputs takes a .npz file with one array per model input, by name and without preprocessing, and --outputs writes one array per "
      "model output: the exact numbers of the network, for comparisons.",
  };
  command.examples = {
      {"A CSV file in, a CSV file out", "dltool predict best.ckpt.h5 new.csv -o scores.csv"},
      {"In a pipe", "zcat new.csv.gz | dltool predict best.ckpt.h5 - --format jsonl | jq .class"},
      {"Images of a folder", "dltool predict best.ckpt.h5 photos/ -o scores.csv"},
      {"Which hours of a series are unlike those of training", "dltool predict runs/machine-temperature-anomaly new.csv --anomalies"},
      {"Raw arrays", "dltool predict best.ckpt.h5 --inputs in.npz --outputs out.npz"},
  };
  command.positional("MODEL", options->model, "a checkpoint or the folder of a run").with_files();
  Option& input = command.positional("IN", options->input, "data file or folder; - is stdin").with_files();
  input.required = false;
  command.option("-o,--output", "OUT", options->output, "where to write; - is stdout (default: -)").with_files();
  command.option("--format", "FORMAT", options->format, "form of the output (default: by its suffix, else csv)")
      .with_choices({"csv", "jsonl", "npy", "npz"});
  command.option("--input-format", "FORMAT", options->input_format, "form of the input (default: by its suffix; csv for stdin)")
      .with_choices({"csv", "npy", "npz", "hdf5", "idx", "images"});
  command.option("--inputs", "IN.npz", options->inputs_npz, "raw input arrays by name").with_files();
  command.option("--outputs", "OUT.npz", options->outputs_npz, "raw output arrays by name").with_files();
  command.flag("--anomalies", options->anomalies, "write the error of each sample, and whether it is an anomaly, in place of the outputs");
  command.option(
      "--batch", "N", 1, 1 << 24, [o = options](int64_t n) { o->batch_size = n; }, "batch size (default: the run file's)");
  command.common_options(options->common);
  command.run = [options] {
    const PredictOptions& o = *options;
    if (o.inputs_npz.empty() != o.outputs_npz.empty()) throw UserError("--inputs and --outputs go together; give both");
    if (o.anomalies && o.input.empty()) throw UserError("--anomalies needs IN; raw arrays have no targets");
    if (o.inputs_npz.empty() == o.input.empty()) throw UserError("give either IN or --inputs, see dltool predict --help");
    return run_predict(o);
  };
  return command;
}

}  // namespace dl::app
