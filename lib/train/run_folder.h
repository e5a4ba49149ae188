// RunFolder: what a run leaves behind: config.yaml, metrics.jsonl, metrics.csv, TensorBoard events, checkpoints/, report.html.
// Only rank 0 has one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ckpt/checkpoint.h"
#include "train/history.h"
#include "train/report.h"

namespace dl {

class JsonMetricsLog;
class CsvMetricsLog;
class TensorBoardLog;

class RunFolder {
 public:
  // Creates the folder; EnvError when that fails. Logs go on from `resume`, or start anew.
  RunFolder(std::string path, int64_t keep_checkpoints);
  ~RunFolder();
  void open_logs(const std::string& config_yaml, std::optional<ResumePoint> resume);
  void write_step(const StepRecord& record);
  void write_epoch(const EpochRecord& record);
  void write_weight(int64_t epoch, const std::string& name, const Tensor& values, bool picture);
  void sync();
  std::string report_path() const { return path_ + "/report.html"; }
  CheckpointFolder& checkpoints() { return checkpoints_; }

 private:
  std::string path_;
  CheckpointFolder checkpoints_;
  std::unique_ptr<JsonMetricsLog> json_;
  std::unique_ptr<CsvMetricsLog> csv_;
  std::unique_ptr<TensorBoardLog> events_;
};

}  // namespace dl
