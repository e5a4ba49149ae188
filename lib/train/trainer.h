// train: the training loop. Opens the data, builds and compiles the step, restores or initialises, runs epochs, writes the
// run folder (design, section 3), saves and resumes so that an interrupted run ends with the bits of an undisturbed one.
// Who uses it: the train command; tests run it with a threads communicator. Every rank calls it; rank 0 writes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dist/communicator.h"
#include "train/history.h"
#include "train/run_spec.h"

namespace dl {

struct TrainRequest {
  std::string resume;                                      // "": start anew; "auto": newest good checkpoint if any; else a path
  std::optional<double> max_time_seconds;                  // save and stop when it is over
  std::vector<std::pair<std::string, std::string>> facts;  // for report and checkpoints: command, version, machine
  bool quiet = false;                                      // no progress
};

struct TrainOutcome {
  bool interrupted = false;  // by a signal or the time limit, after saving: exit code 75
  std::string stop_reason;   // "" when all epochs ran
  Logs logs;                 // of the last epoch, then test_*
  int64_t epochs = 0, steps = 0;
  double seconds = 0;
  std::string checkpoint, best_checkpoint, report;  // paths; "" when not written
};

TrainOutcome train(const RunSpec& spec, const TrainRequest& request, Communicator& communicator);

}  // namespace dl
