// The two plain logs of a run folder: metrics.jsonl (one object per epoch, optionally per step) and metrics.csv (Keras's
// CSVLogger columns). Who uses it: the training loop, on rank 0.
// Each line is written whole and at once; where that fails the file is cut back to its last whole line and EnvError thrown.
// Resumed: lines beyond the ResumePoint and a torn last line are dropped, so that the file ends up as if never interrupted
// (but for times). That needs each record written before the checkpoint that counts it.
// Numbers have full precision. NaN and infinity are null in JSON, nan and inf in CSV (as Python writes them).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/history.h"

namespace dl {

// Appends whole lines to a file. Not for use beyond this folder.
class LineFile {
 public:
  // Keeps `content` (the lines to go on from; none for a new log) and replaces whatever else was there.
  LineFile(std::string path, std::string_view content);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  void append(std::string line);
  void sync();  // onto the disk

 private:
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

// {"type":"step","step":7,"epoch":0,"loss":0.25,"time":1764000000.5}, time in unix seconds
// {"type":"epoch","epoch":0,"step":469,"loss":..,"val_loss":..,"learning_rate":..,"seconds":..,"data_wait_seconds":..,
//  "samples_per_second":..,"time":..}
// A log named like one of these keys is written as metric_NAME.
class JsonMetricsLog {
 public:
  using Clock = std::function<double()>;  // unix seconds; default: the system's
  explicit JsonMetricsLog(const std::string& path, std::optional<ResumePoint> resume = std::nullopt, Clock clock = {});
  void write_step(const StepRecord& record);
  void write_epoch(const EpochRecord& record);
  void sync() { file_.sync(); }

 private:
  LineFile file_;
  Clock clock_;
};

// epoch,<sorted log names>, val_<name> columns if the first epoch had none (validation may come later), NA for missing
// values; then our own: learning_rate,step,seconds,data_wait_seconds,samples_per_second. A log that first appears in a later epoch
// has no column (as in Keras); metrics.jsonl has them all.
class CsvMetricsLog {
 public:
  explicit CsvMetricsLog(const std::string& path, std::optional<ResumePoint> resume = std::nullopt);
  void write_epoch(const EpochRecord& record);
  void sync() { file_.sync(); }

 private:
  CsvMetricsLog(const std::string& path, const std::string& content);
  LineFile file_;
  std::vector<std::string> columns_;  // log names; empty until the header is written
};

}  // namespace dl
