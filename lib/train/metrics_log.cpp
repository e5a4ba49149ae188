#include "train/metrics_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/atomic_file.h"

namespace dl {
namespace {

using Json = nlohmann::ordered_json;

std::string read_if_exists(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// Calls keep(line) for each line that ends with a newline and returns those it wants.
template <class Keep>
std::string filter_lines(std::string_view content, Keep keep) {
  std::string kept;
  for (size_t end; (end = content.find('\n')) != std::string_view::npos; content.remove_prefix(end + 1)) {
    if (keep(content.substr(0, end))) kept += content.substr(0, end + 1);
  }
  return kept;
}

std::string kept_json_lines(const std::string& path, const std::optional<ResumePoint>& resume) {
  if (!resume) return "";
  return filter_lines(read_if_exists(path), [&](std::string_view line) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("type")) return false;
    const auto integer = [&](const char* key) {
      return json.contains(key) && json[key].is_number_integer() ? json[key].get<int64_t>() : -1;
    };
    if (json["type"] == "step") return integer("step") >= 0 && integer("step") <= resume->step;
    if (json["type"] == "epoch") return integer("epoch") >= 0 && integer("epoch") < resume->epochs_done;
    return false;
  });
}

std::string kept_csv_lines(const std::string& path, const std::optional<ResumePoint>& resume) {
  if (!resume) return "";
  bool header = true;
  return filter_lines(read_if_exists(path), [&](std::string_view line) {
    if (std::exchange(header, false)) return resume->epochs_done > 0;
    int64_t epoch = -1;
    std::from_chars(line.data(), line.data() + line.size(), epoch);
    return epoch >= 0 && epoch < resume->epochs_done;
  });
}

double unix_seconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

constexpr std::array kReserved = {"type", "step", "epoch", "time", "learning_rate", "seconds", "data_wait_seconds", "samples_per_second"};

void add_logs(Json& json, const Logs& logs, bool has_learning_rate) {
  for (const auto& [name, value] : logs) {
    if (has_learning_rate && name == "learning_rate") continue;
    const bool reserved = std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
    json[reserved ? "metric_" + name : name] = value;
  }
}

std::string to_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::vector<std::string> parse_csv_line(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back().push_back(line[++i]);
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back().push_back(c);
    }
  }
  return fields;
}

constexpr std::array kOwnColumns = {"learning_rate", "step", "seconds", "data_wait_seconds", "samples_per_second"};

}  // namespace

LineFile::LineFile(std::string path, std::string_view content) : path_(std::move(path)), size_(static_cast<int64_t>(content.size())) {
  atomic_write(path_, content);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0) throw_file_error(path_, "cannot open", errno);
}

LineFile::~LineFile() { ::close(fd_); }

void LineFile::append(std::string line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = written < 0 ? errno : EIO;
      // Best effort: a reader skips a torn line, but whole lines only are better.
      [[maybe_unused]] const int ignored = ::ftruncate(fd_, size_);
      throw_file_error(path_, "cannot write", error);
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
  size_ += static_cast<int64_t>(line.size());
}

void LineFile::sync() {
  if (::fdatasync(fd_) != 0 && errno != EINVAL) throw_file_error(path_, "cannot write to disk", errno);
}

JsonMetricsLog::JsonMetricsLog(const std::string& path, std::optional<ResumePoint> resume, Clock clock)
    : file_(path, kept_json_lines(path, resume)), clock_(clock ? std::move(clock) : Clock(unix_seconds)) {}

void JsonMetricsLog::write_step(const StepRecord& record) {
  Json json = {{"type", "step"}, {"step", record.step}, {"epoch", record.epoch}};
  add_logs(json, record.logs, false);
  json["time"] = clock_();
  file_.append(to_line(json));
}

void JsonMetricsLog::write_epoch(const EpochRecord& record) {
  Json json = {{"type", "epoch"}, {"epoch", record.epoch}, {"step", record.step}};
  add_logs(json, record.logs, true);
  json["learning_rate"] = record.learning_rate;
  json["seconds"] = record.seconds;
  json["data_wait_seconds"] = record.data_wait_seconds;
  json["samples_per_second"] = record.samples_per_second;
  json["time"] = clock_();
  file_.append(to_line(json));
}

CsvMetricsLog::CsvMetricsLog(const std::string& path, std::optional<ResumePoint> resume)
    : CsvMetricsLog(path, kept_csv_lines(path, resume)) {}

CsvMetricsLog::CsvMetricsLog(const std::string& path, const std::string& content) : file_(path, content) {
  if (content.empty()) return;
  columns_ = parse_csv_line(std::string_view(content).substr(0, content.find('\n')));
  columns_.erase(columns_.begin());
  if (columns_.size() >= kOwnColumns.size()) columns_.resize(columns_.size() - kOwnColumns.size());
}

void CsvMetricsLog::write_epoch(const EpochRecord& record) {
  std::string lines;
  if (columns_.empty()) {
    for (const auto& [name, value] : record.logs) {
      if (name != "learning_rate") columns_.push_back(name);
    }
    std::sort(columns_.begin(), columns_.end());
    const auto is_validation = [](const std::string& name) { return name.starts_with("val_"); };
    if (std::none_of(columns_.begin(), columns_.end(), is_validation)) {
      for (size_t i = 0, count = columns_.size(); i < count; ++i) columns_.push_back("val_" + columns_[i]);
    }
    lines = "epoch";
    for (const std::string& column : columns_) lines += "," + csv_field(column);
    for (const char* column : kOwnColumns) lines += std::string(",") + column;
    lines += "\n";
  }
  lines += fmt::format("{}", record.epoch);
  for (const std::string& column : columns_) {
    const std::optional<double> value = find_log(record.logs, column);
    lines += value ? fmt::format(",{}", *value) : ",NA";
  }
  lines += fmt::format(",{},{},{},{},{}\n", record.learning_rate, record.step, record.seconds, record.data_wait_seconds,
                       record.samples_per_second);
  file_.append(std::move(lines));
}

}  // namespace dl
