// What a training run measured, epoch by epoch. Plain data: the loop fills it, the logs, events, progress and report read it.
// Invariants: epochs count from 0 as Keras's CSVLogger does; `logs` keeps its order (loss, metrics, val_loss, ...).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dl {

using Logs = std::vector<std::pair<std::string, double>>;

struct EpochRecord {
  int64_t epoch = 0;
  int64_t step = 0;              // optimizer steps done since the start of the run, at the end of this epoch
  double seconds = 0;            // whole epoch, validation included
  double data_wait_seconds = 0;  // part of it the training steps spent waiting for a batch
  double samples_per_second = 0;
  double learning_rate = 0;
  Logs logs = {};
};

struct StepRecord {
  int64_t step = 0;  // from 1: the first optimizer step is 1
  int64_t epoch = 0;
  Logs logs = {};
};

// Where a resumed run goes on: what lies at or before it is kept in the logs, the rest is written again.
struct ResumePoint {
  int64_t epochs_done = 0;  // epochs whose record had been written when the checkpoint was taken
  int64_t step = 0;         // optimizer steps in the checkpoint
};

struct History {
  std::vector<EpochRecord> epochs;

  // Names of all logs in order of first appearance.
  std::vector<std::string> names() const;
  // One value per epoch; nullopt where an epoch has no such log (validation every n epochs).
  std::vector<std::optional<double>> series(std::string_view name) const;
};

std::optional<double> find_log(const Logs& logs, std::string_view name);

}  // namespace dl
