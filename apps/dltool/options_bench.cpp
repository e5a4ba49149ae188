#include <memory>

#include "command.h"

namespace dl::app {

Command bench_command() {
  auto options = std::make_shared<BenchOptions>();
  Command command;
  command.name = "bench";
  command.summary = "measure speed, per batch size and per layer";
  command.description = {
      "Measures latency and throughput of inference and, for a run file, of the training step, on random data, and the time, FLOPs and "
      "bytes of "
      "each layer. Latencies are those of single runs: minimum, percentiles 50, 90 and 99, maximum; throughput is at the median. Before "
      "measuring, the network runs until its time has settled.",
      "The time of a layer is the median over runs in which each step is timed alone, so their sum is a little more than the latency. FLOP "
      "and bytes are what the operators need, from their shapes. The training step runs with a learning rate of 0.",
  };
  command.examples = {
      {"Inference and training step of a run", "dltool bench configs/mnist-cnn.yaml"},
      {"Latency at batch sizes 1 and 32 on one thread", "dltool bench best.ckpt.h5 --batch 1 --batch 32 --threads 1"},
      {"For a CI record", "dltool bench models/lenet.yaml --json > bench.json"},
  };
  command.positional("MODEL|RUN", options->target, "a checkpoint, the folder of a run, a model file or a run file").with_files();
  command.overrides(options->overrides);
  command
      .option(
          "--batch", "N", 1, 1 << 24, [o = options](int64_t n) { o->batch_sizes.push_back(n); },
          "batch size; may be repeated (default: 1 and the run file's)")
      .repeated = true;
  command.option("--mode", "MODE", options->mode, "what to measure (default: infer, and train too for a run file)")
      .with_choices({"infer", "train"});
  command.option(
      "--seconds", "S",
      [o = options](const std::string& text) {
        o->seconds = parse_number(text);
        if (o->seconds <= 0 || o->seconds > 3600) throw UserError("'" + text + "' is not a time of more than 0 and at most 3600 seconds");
      },
      "time to measure per case (default: 2)");
  command.common_options(options->common);
  command.run = [options] { return run_bench(*options); };
  return command;
}

}  // namespace dl::app
