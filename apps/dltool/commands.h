// The commands: their options (filled by the command line, see options.h) and their bodies (cmd_<name>.cpp).
// A body returns the exit code kDone or kThresholdMissed, and throws dl::Error for everything else.
// Results go to stdout through Output (output.h); people's text goes to stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"

namespace dl::app {

// Options every command has.
struct CommonOptions {
  bool json = false;  // one JSON object on stdout; errors on stderr are JSON too
  // main() has applied the rest before the body runs: configure_log, set_thread_count, set_max_isa.
  int quiet = 0;    // how often -q was given
  int verbose = 0;  // how often -v was given
  LogFormat log_format = LogFormat::kText;
  int threads = 0;  // 0 = not given
};

struct TrainOptions {
  CommonOptions common;
  std::string run_file;
  std::vector<std::string> overrides;      // key=value, in order
  std::string resume;                      // "" = start anew, "auto", or a checkpoint's path
  std::optional<double> max_time_seconds;  // save and exit 75 when it is over
  std::optional<int64_t> seed;             // wins over the file's training.seed
  std::string output;                      // wins over the file's output; "" = the file's
  bool print_config = false;
  std::string explain;  // "", graph, passes, plan, memory
  int ranks = 1;        // ranks inside this process (threads communicator)
};

struct EvalOptions {
  CommonOptions common;
  std::string model;
  std::string data;  // a run file or a data file; "" = the data of the model's own run
  std::vector<std::string> overrides;
  struct Limit {
    std::string metric;
    double value = 0;
    bool at_most = false;  // --max, else --min
  };
  std::vector<Limit> limits;
  std::optional<int64_t> batch_size;
};

struct PredictOptions {
  CommonOptions common;
  std::string model;
  std::string input;         // "-" = stdin; "" when inputs_npz is given
  std::string output = "-";  // "-" = stdout
  std::string format;        // csv, jsonl, npy, npz; "" = by the output's suffix, else csv
  std::string input_format;  // csv, npy, npz, hdf5, idx, images; "" = by the input's suffix, csv for stdin
  std::string inputs_npz;    // all inputs by name, raw (no preprocessing)
  std::string outputs_npz;
  bool anomalies = false;  // errors of the samples in place of the outputs
  std::optional<int64_t> batch_size;
};

struct InspectOptions {
  CommonOptions common;
  std::string file;    // model file, run file or checkpoint
  std::string target;  // --for: "" or a format that it may be written in
  bool selftest = false, support = false;
  std::string explain;
};

struct BenchOptions {
  CommonOptions common;
  std::string target;  // model or run file
  std::vector<std::string> overrides;
  std::vector<int64_t> batch_sizes;  // --batch, empty = 1 and the run's batch size
  std::string mode;                  // infer, train, "" = infer, and train too for a run file
  double seconds = 2;                // measured time per case
};

// convert and export.
struct ConvertOptions {
  CommonOptions common;
  std::vector<std::string> paths;  // SRC [DST]
  std::string from;                // "" = as recognised
  std::vector<std::string> to;
  std::string out_dir;  // "" = beside the source
  std::string glob;     // in place of SRC
  int64_t jobs = 1;
  int64_t opset = 0;  // the usual one of the model
  int64_t keras_version = 3;
  std::string layout;                                             // keep, nchw, nhwc; "" = keep
  std::vector<std::pair<std::string, std::string>> input_shapes;  // input name ("" = the only one), sizes
  std::vector<std::string> dynamic;
  bool half = false, external_data = false, no_optimizer = false;
  bool fold_preprocessing = false, strip_preprocessing = false;
  int64_t samples = 3;
  bool no_verify = false;
  std::optional<double> atol, rtol;
  bool force = false, if_newer = false;
  std::string lock, manifest;
};

ExitCode run_train(const TrainOptions& options);
ExitCode run_eval(const EvalOptions& options);
ExitCode run_predict(const PredictOptions& options);
ExitCode run_inspect(const InspectOptions& options);
ExitCode run_bench(const BenchOptions& options);
ExitCode run_convert(const ConvertOptions& options);
ExitCode run_export(const ConvertOptions& options);

}  // namespace dl::app
