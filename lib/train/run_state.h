// RunState: everything of a run that is not a parameter but decides what comes next: position, sums, callbacks, history.
// It travels in checkpoints as JSON text, so that a resumed run goes on with the same bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/history.h"

namespace dl {

struct RunState {
  int64_t epoch = 0;                    // running epoch, from 0
  int64_t batch = 0;                    // batches of it done
  int64_t step = 0;                     // optimizer steps done
  std::vector<double> sums;             // LogAccumulator of the running epoch; empty at its start
  std::vector<std::string> callbacks;   // state of each, in the order of the spec
  bool averages_in_model = false;       // the moving averages stand in the place of the weights (SwapEMAWeights)
  std::optional<double> learning_rate;  // set by a callback in place of the schedule
  double learning_rate_factor = 1;      // of rollbacks
  int64_t rollbacks = 0, skipped_steps = 0;
  bool stopped = false;  // a callback ended the training
  std::string stop_reason;
  History history;
  std::optional<int64_t> best_epoch;
  std::optional<double> anomaly_threshold;  // of the weights beside it
  std::string preprocessing;                // YAML of what the data section learned
  std::string layers;                       // YAML of what layers learned before the model was built (layers/learned.h); "": nothing
};

std::string to_json(const RunState& state);
RunState run_state_from_json(const std::string& text, const std::string& origin);  // FileError

}  // namespace dl
