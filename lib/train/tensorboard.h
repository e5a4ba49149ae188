// TensorBoard event files: what `tensorboard --logdir RUN` shows. Same folders and tags as Keras's TensorBoard callback.
// Who uses it: the training loop, on rank 0. Each call appends whole records and flushes, so TensorBoard can follow a live run.
// Resumed: records beyond the ResumePoint and a torn last record are dropped, and the same file goes on.
// Started anew: event files of an earlier run in these folders are removed, as the other logs of a run folder are.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"
#include "train/history.h"

namespace dl {

class LineFile;

// One record of a TFRecord file: length, masked CRC of the length, data, masked CRC of the data.
std::string frame_record(std::string_view data);
// The next record's data, advancing `bytes`; nullopt at the end and where the rest is torn or damaged.
std::optional<std::string_view> next_record(std::string_view& bytes);

// One folder's event file.
class EventWriter {
 public:
  using Clock = std::function<double()>;  // unix seconds
  // `keep(tag, step)` says which scalars of an existing file stay; empty: start anew.
  EventWriter(const std::string& folder, const std::function<bool(std::string_view tag, int64_t step)>& keep, Clock clock);
  ~EventWriter();
  void add_scalars(int64_t step, const Logs& scalars);                             // one record; nothing for no scalars
  void add_histogram(int64_t step, const std::string& tag, const Tensor& values);  // nothing where a value is not finite
  // A picture of a weight, as Keras's write_images makes it; nothing for shapes that give none.
  void add_picture(int64_t step, const std::string& tag, const Tensor& weight);

 private:
  Clock clock_;
  std::unique_ptr<LineFile> file_;
};

// folder/train: epoch_<log>, epoch_learning_rate by epoch, batch_<log> by step. folder/validation: epoch_<log> of each val_<log> by
// epoch, evaluation_<log>_vs_iterations by step. The validation folder appears with its first value.
class TensorBoardLog {
 public:
  explicit TensorBoardLog(std::string folder, std::optional<ResumePoint> resume = std::nullopt, EventWriter::Clock clock = {});
  void write_step(const StepRecord& record);
  void write_epoch(const EpochRecord& record);
  // train: a histogram <name>/histogram, and with `picture` <name>/image.
  void write_weight(int64_t epoch, const std::string& name, const Tensor& values, bool picture);

 private:
  std::unique_ptr<EventWriter> open(const char* name) const;

  std::string folder_;
  std::optional<ResumePoint> resume_;
  EventWriter::Clock clock_;
  std::unique_ptr<EventWriter> train_, validation_;
};

}  // namespace dl
