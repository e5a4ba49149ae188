#include "train/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/atomic_file.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "data/image.h"
#include "event.pb.h"
#include "train/metrics_log.h"

namespace dl {
namespace {

namespace fs = std::filesystem;
using dltool::events::Event;
using dltool::events::TensorProto;

static_assert(std::endian::native == std::endian::little, "TFRecord framing below copies little-endian integers");

constexpr std::string_view kFilePrefix = "events.out.tfevents.";
constexpr size_t kHeaderBytes = 12;  // length, its checksum
constexpr size_t kFooterBytes = 4;
constexpr int kBuckets = 30;
constexpr int kClassTensor = 2, kClassBlobs = 3, kFloat64Number = 2, kStringNumber = 7;  // see event.proto
constexpr int64_t kPictures = 3;                                                         // of a weight

template <class T>
void append_integer(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <class T>
T read_integer(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

std::string to_record(const Event& event) { return frame_record(event.SerializeAsString()); }

// For a plugin of TensorBoard, with one tensor that is still empty.
Event make_tensor_event(double time, int64_t step, const std::string& tag, const char* plugin, int data_class) {
  Event event;
  event.set_wall_time(time);
  event.set_step(step);
  auto* added = event.mutable_summary()->add_value();
  added->set_tag(tag);
  added->mutable_metadata()->mutable_plugin_data()->set_plugin_name(plugin);
  added->mutable_metadata()->set_data_class(data_class);
  return event;
}
TensorProto* tensor_of(Event& event) { return event.mutable_summary()->mutable_value(0)->mutable_tensor(); }

double unix_seconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::vector<fs::path> event_files(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with(kFilePrefix)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The records of `path` without the scalars that `keep` does not want.
std::string kept_records(const fs::path& path, const std::function<bool(std::string_view, int64_t)>& keep) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream stream;
  stream << file.rdbuf();
  const std::string content = stream.str();
  std::string kept;
  std::string_view rest = content;
  while (const std::optional<std::string_view> data = next_record(rest)) {
    Event event;
    if (!event.ParseFromArray(data->data(), static_cast<int>(data->size()))) break;
    const auto& values = event.summary().value();
    const bool wanted = std::all_of(values.begin(), values.end(), [&](const auto& value) { return keep(value.tag(), event.step()); });
    if (wanted) kept += frame_record(*data);
  }
  return kept;
}

// Left edge, right edge and count of each bucket, as tf.summary.histogram has them; none where a value is not finite.
std::vector<double> histogram_rows(const Tensor& values) {
  std::vector<double> rows;
  if (values.size() == 0) return rows;
  double low = values.at(0), high = low;
  for (int64_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values.at(i))) return rows;
    low = std::min(low, values.at(i));
    high = std::max(high, values.at(i));
  }
  std::array<double, kBuckets> counts{};
  const double width = (high - low) / kBuckets;
  for (int64_t i = 0; i < values.size(); ++i) {
    // A single value has all in the last bucket.
    const double place = width > 0 ? std::floor((values.at(i) - low) / width) : kBuckets;
    ++counts[static_cast<size_t>(std::min<double>(place, kBuckets - 1))];
  }
  for (int b = 0; b < kBuckets; ++b)
    rows.insert(rows.end(), {low + width * b, b + 1 == kBuckets ? high : low + width * (b + 1), counts[static_cast<size_t>(b)]});
  return rows;
}

// Pictures of a weight, [pictures, height, width, channels]: a vector is a column, a matrix lies on its longer side, and of three axes the
// last counts the pictures. Empty for other shapes.
Tensor to_pictures(const Tensor& weight) {
  Dims dims;
  std::copy_if(weight.dims().begin(), weight.dims().end(), std::back_inserter(dims), [](int64_t size) { return size != 1; });
  const Tensor values = weight.cast(DType::kFloat64).reshaped(dims);
  if (weight.size() == 0 || dims.empty() || dims.size() > 4) return Tensor(DType::kFloat64, {0});
  if (dims.size() == 4) return dims[3] == 3 || dims[3] == 4 ? values : Tensor(DType::kFloat64, {0});
  if (dims.size() == 1) return values.reshaped({1, values.size(), 1, 1});
  // Rows and columns of the result, by the elements of the weight.
  const int64_t pictures = dims.size() == 3 ? dims[2] : 1;
  const bool turned = dims.size() == 2 && dims[0] > dims[1];
  const int64_t height = turned ? dims[1] : dims[0], width = turned ? dims[0] : dims[1];
  Tensor out(DType::kFloat64, {pictures, height, width, 1});
  for (int64_t p = 0; p < pictures; ++p)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x)
        out.set((p * height + y) * width + x, values.at((turned ? x * height + y : y * width + x) * pictures + p));
  return out;
}

// Picture number `index`, as tf.image.convert_image_dtype makes bytes of the values 0 to 1, and others saturate.
Image to_image(const Tensor& pictures, int64_t index) {
  const Dims& dims = pictures.dims();
  Image image{dims[1], dims[2], dims[3], {}};
  const int64_t count = dims[1] * dims[2] * dims[3];
  for (int64_t i = 0; i < count; ++i) {
    const double value = static_cast<float>(pictures.at(index * count + i)) * 255.5F;
    image.pixels.push_back(value > 0 ? static_cast<uint8_t>(std::min(value, 255.0)) : uint8_t{0});
  }
  return image;
}

std::string new_file_name(double now) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {"localhost"};
  std::string name = host.data();
  std::replace(name.begin(), name.end(), '/', '_');
  return fmt::format("{}{}.{}.{}.0", kFilePrefix, static_cast<int64_t>(now), name, ::getpid());
}

}  // namespace

std::string frame_record(std::string_view data) {
  std::string record;
  record.reserve(kHeaderBytes + data.size() + kFooterBytes);
  append_integer(record, static_cast<uint64_t>(data.size()));
  append_integer(record, mask_crc32c(crc32c(record)));
  record += data;
  append_integer(record, mask_crc32c(crc32c(data)));
  return record;
}

std::optional<std::string_view> next_record(std::string_view& bytes) {
  if (bytes.size() < kHeaderBytes + kFooterBytes) return std::nullopt;
  const auto size = read_integer<uint64_t>(bytes);
  if (read_integer<uint32_t>(bytes.substr(8)) != mask_crc32c(crc32c(bytes.substr(0, 8)))) return std::nullopt;
  if (size > bytes.size() - kHeaderBytes - kFooterBytes) return std::nullopt;
  const std::string_view data = bytes.substr(kHeaderBytes, size);
  if (read_integer<uint32_t>(bytes.substr(kHeaderBytes + size)) != mask_crc32c(crc32c(data))) return std::nullopt;
  bytes.remove_prefix(kHeaderBytes + size + kFooterBytes);
  return data;
}

EventWriter::EventWriter(const std::string& folder, const std::function<bool(std::string_view, int64_t)>& keep, Clock clock)
    : clock_(clock ? std::move(clock) : Clock(unix_seconds)) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_file_error(folder, "cannot create the folder", error.value());
  remove_stale_temp_files(folder);
  std::string path, content;
  std::vector<fs::path> obsolete;
  for (const fs::path& old : event_files(folder)) {
    const std::string kept = keep ? kept_records(old, keep) : std::string();
    content += kept;
    if (path.empty() && !kept.empty()) {
      path = old.string();
    } else {
      obsolete.push_back(old);
    }
  }
  if (content.empty()) {
    path = (fs::path(folder) / new_file_name(clock_())).string();
    Event event;
    event.set_wall_time(clock_());
    event.set_file_version("brain.Event:2");
    content = to_record(event);
  }
  file_ = std::make_unique<LineFile>(path, content);
  for (const fs::path& old : obsolete) {
    if (old != path) fs::remove(old, error);
  }
}

EventWriter::~EventWriter() = default;

void EventWriter::add_scalars(int64_t step, const Logs& scalars) {
  if (scalars.empty()) return;
  Event event;
  event.set_wall_time(clock_());
  event.set_step(step);
  for (const auto& [tag, value] : scalars) {
    auto* added = event.mutable_summary()->add_value();
    added->set_tag(tag);
    added->set_simple_value(static_cast<float>(value));
  }
  file_->append(to_record(event));
}

void EventWriter::add_histogram(int64_t step, const std::string& tag, const Tensor& values) {
  const std::vector<double> rows = histogram_rows(values);
  if (rows.empty()) return;
  Event event = make_tensor_event(clock_(), step, tag, "histograms", kClassTensor);
  TensorProto* tensor = tensor_of(event);
  tensor->set_dtype(kFloat64Number);
  for (const int64_t size : {static_cast<int64_t>(rows.size()) / 3, int64_t{3}}) tensor->mutable_tensor_shape()->add_dim()->set_size(size);
  tensor->set_tensor_content(rows.data(), rows.size() * sizeof(double));
  file_->append(to_record(event));
}

void EventWriter::add_picture(int64_t step, const std::string& tag, const Tensor& weight) {
  const Tensor pictures = to_pictures(weight);
  if (pictures.rank() != 4) return;
  const int64_t count = std::min(pictures.dims()[0], kPictures);
  Event event = make_tensor_event(clock_(), step, tag, "images", kClassBlobs);
  TensorProto* tensor = tensor_of(event);
  tensor->set_dtype(kStringNumber);
  tensor->mutable_tensor_shape()->add_dim()->set_size(2 + count);
  tensor->add_string_val(std::to_string(pictures.dims()[2]));
  tensor->add_string_val(std::to_string(pictures.dims()[1]));
  for (int64_t i = 0; i < count; ++i) tensor->add_string_val(encode_png(to_image(pictures, i)));
  file_->append(to_record(event));
}

TensorBoardLog::TensorBoardLog(std::string folder, std::optional<ResumePoint> resume, EventWriter::Clock clock)
    : folder_(std::move(folder)), resume_(resume), clock_(std::move(clock)) {
  train_ = open("train");
  // An earlier run's validation must not stay beside the new run's training.
  if (fs::is_directory(fs::path(folder_) / "validation")) validation_ = open("validation");
}

std::unique_ptr<EventWriter> TensorBoardLog::open(const char* name) const {
  std::function<bool(std::string_view, int64_t)> keep;
  if (resume_) {
    // evaluation_ tags carry the step at the end of their epoch, where a checkpoint may lie before or after the validation; they go with
    // the epoch_ record written just before them.
    keep = [point = *resume_, epoch_kept = true](std::string_view tag, int64_t step) mutable {
      if (tag.starts_with("batch_")) return step <= point.step;
      if (tag.starts_with("evaluation_")) return epoch_kept;
      return epoch_kept = step < point.epochs_done;
    };
  }
  return std::make_unique<EventWriter>((fs::path(folder_) / name).string(), keep, clock_);
}

void TensorBoardLog::write_step(const StepRecord& record) {
  Logs scalars;
  for (const auto& [name, value] : record.logs) scalars.emplace_back("batch_" + name, value);
  train_->add_scalars(record.step, scalars);
}

void TensorBoardLog::write_weight(int64_t epoch, const std::string& name, const Tensor& values, bool picture) {
  train_->add_histogram(epoch, name + "/histogram", values);
  if (picture) train_->add_picture(epoch, name + "/image", values);
}

void TensorBoardLog::write_epoch(const EpochRecord& record) {
  Logs train, validation, by_step;
  for (const auto& [name, value] : record.logs) {
    if (name == "learning_rate") continue;
    if (name.starts_with("val_")) {
      validation.emplace_back("epoch_" + name.substr(4), value);
      by_step.emplace_back("evaluation_" + name.substr(4) + "_vs_iterations", value);
    } else {
      train.emplace_back("epoch_" + name, value);
    }
  }
  train.emplace_back("epoch_learning_rate", record.learning_rate);
  train_->add_scalars(record.epoch, train);
  if (validation.empty()) return;
  if (!validation_) validation_ = open("validation");
  validation_->add_scalars(record.epoch, validation);
  validation_->add_scalars(record.step, by_step);
}

}  // namespace dl
