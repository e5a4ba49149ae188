#include "train/run_folder.h"

#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "train/metrics_log.h"
#include "train/tensorboard.h"

namespace dl {

RunFolder::RunFolder(std::string path, int64_t keep_checkpoints)
    : path_(std::move(path)), checkpoints_(path_ + "/checkpoints", static_cast<int>(keep_checkpoints)) {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) throw EnvError(path_ + ": cannot create the folder of the run: " + error.message() + "; choose another with --output");
  remove_stale_temp_files(path_);  // of a killed run
  checkpoints_.prepare();
}

RunFolder::~RunFolder() = default;

void RunFolder::open_logs(const std::string& config_yaml, std::optional<ResumePoint> resume) {
  atomic_write(path_ + "/config.yaml", config_yaml);
  json_ = std::make_unique<JsonMetricsLog>(path_ + "/metrics.jsonl", resume);
  csv_ = std::make_unique<CsvMetricsLog>(path_ + "/metrics.csv", resume);
  events_ = std::make_unique<TensorBoardLog>(path_ + "/tensorboard", resume);
}

void RunFolder::write_step(const StepRecord& record) { json_->write_step(record); }

void RunFolder::write_epoch(const EpochRecord& record) {
  json_->write_epoch(record);
  csv_->write_epoch(record);
  events_->write_epoch(record);
}

void RunFolder::write_weight(int64_t epoch, const std::string& name, const Tensor& values, bool picture) {
  events_->write_weight(epoch, name, values, picture);
}

void RunFolder::sync() {
  json_->sync();
  csv_->sync();
}

}  // namespace dl
