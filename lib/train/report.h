// report.html of a run: one file that needs no network and no script. Who uses it: the training loop at the end of a run (and at each
// checkpoint if wanted), `dltool report`. Plain data in, text out; it knows nothing of graphs or sessions.
// Every string may come from a user: all are escaped, and the page forbids script and network by its own policy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/anomalies.h"
#include "train/class_report.h"
#include "train/history.h"
#include "train/picture_report.h"

namespace dl {

struct ReportLayer {
  std::string name;
  std::string type;          // "Conv2D"
  std::string output_shape;  // "(batch, 26, 26, 32)"
  int64_t parameters = 0;
  std::string inputs = {};  // names, shown where any layer has them
};

struct ReportEvaluation {
  std::string data_name;  // "test"
  Logs logs;
  Logs last_value = {};  // metrics of the forecast that nothing changes
};

struct ReportData {
  std::string title;      // the run's name
  std::string status;     // "finished", "stopped early: val_loss did not improve for 2 epochs"
  bool succeeded = true;  // colours the status
  History history;
  std::optional<int64_t> best_epoch;  // counted from 0, with `monitor` the log that chose it
  std::string monitor;
  std::vector<ReportEvaluation> evaluations;
  std::vector<std::pair<std::string, std::string>> facts;  // command, spec, seed, version, machine, start ... in this order
  std::vector<ReportLayer> layers;
  int64_t trainable_parameters = 0;
  int64_t fixed_parameters = 0;
  std::optional<ConfusionMatrix> confusion;
  std::optional<AnomalyReport> anomalies;
  std::vector<ReconstructedPicture> pictures;
  std::string pictures_name;  // of their data: "test"
  std::string config_yaml;    // resolved
};

std::string render_report(const ReportData& data);
// Atomic: a reader sees the old or the new report, never half of one. EnvError where it cannot be written.
void write_report(const std::string& path, const ReportData& data);

}  // namespace dl
