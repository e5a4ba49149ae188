#include "data/record_writer.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "data/file.h"
#include "data/npy.h"
#include "data/timestamp.h"

namespace dl {
namespace {

constexpr size_t kFlushBytes = size_t{1} << 20;

void append_number(std::string& out, const Tensor& tensor, int64_t i) {
  const auto to = std::back_inserter(out);
  switch (tensor.dtype()) {
    case DType::kFloat32:
      fmt::format_to(to, "{}", tensor.data<float>()[i]);
      break;
    case DType::kInt64:
      fmt::format_to(to, "{}", tensor.data<int64_t>()[i]);
      break;
    case DType::kUInt64:
      fmt::format_to(to, "{}", tensor.data<uint64_t>()[i]);
      break;
    default:
      if (is_float(tensor.dtype()))
        fmt::format_to(to, "{}", tensor.at(i));
      else
        fmt::format_to(to, "{}", static_cast<int64_t>(tensor.at(i)));
  }
}

// What stands for the value, where that is text.
std::optional<std::string> text_of(const RecordColumn& column, const Tensor& tensor, int64_t i) {
  if (column.time) return timestamp_text(tensor.data<int64_t>()[i]);
  if (column.labels.empty()) return {};
  const double value = tensor.at(i);
  DL_CHECK(value >= 0 && value < static_cast<double>(column.labels.size()), "label number out of range");
  return column.labels[static_cast<size_t>(value)];
}

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos && (text.empty() || (text.front() != ' ' && text.back() != ' ')))
    return std::string(text);
  std::string cell = "\"";
  for (const char c : text) cell.append(c == '"' ? 2 : 1, c);
  return cell + '"';
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    if (!c.valid)
      out += "\\ufffd";
    else if (c.value == '"' || c.value == '\\')
      (out += '\\') += static_cast<char>(c.value);
    else if (c.value < 0x20)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c.value);
    else
      out += text.substr(0, static_cast<size_t>(c.size));
    text.remove_prefix(static_cast<size_t>(c.size));
  }
  return out + '"';
}

int64_t check_batch(const std::vector<RecordColumn>& columns, std::span<const Tensor> tensors) {
  DL_CHECK(tensors.size() == columns.size() && !columns.empty(), "one tensor per column");
  for (size_t c = 0; c < columns.size(); ++c) {
    const Dims& dims = tensors[c].dims();
    DL_CHECK(!dims.empty() && Dims(dims.begin() + 1, dims.end()) == columns[c].dims && dims[0] == tensors[0].dims()[0],
             "column '" + columns[c].name + "' has another shape than announced");
  }
  return tensors[0].dims()[0];
}

class TextWriter : public RecordWriter {
 public:
  TextWriter(const std::string& path, std::vector<RecordColumn> columns) : columns_(std::move(columns)), file_(path) {}
  void append(std::span<const Tensor> tensors) override {
    const int64_t samples = check_batch(columns_, tensors);
    for (int64_t s = 0; s < samples; ++s) {
      append_row(tensors, s);
      if (text_.size() >= kFlushBytes) flush();
    }
  }
  void close() override {
    flush();
    file_.commit();
  }

 protected:
  virtual void append_row(std::span<const Tensor> tensors, int64_t sample) = 0;
  std::vector<RecordColumn> columns_;
  std::string text_;

 private:
  void flush() {
    file_.write(text_);
    text_.clear();
  }
  OutputFile file_;
};

class CsvWriter : public TextWriter {
 public:
  CsvWriter(const std::string& path, std::vector<RecordColumn> columns) : TextWriter(path, std::move(columns)) {
    for (const RecordColumn& column : columns_) {
      const int64_t n = element_count(column.dims);
      for (int64_t e = 0; e < n; ++e) {
        if (!text_.empty()) text_ += ',';
        text_ += csv_cell(n == 1 ? column.name : fmt::format("{}_{}", column.name, e));
      }
    }
    text_ += '\n';
  }

 private:
  void append_row(std::span<const Tensor> tensors, int64_t sample) override {
    bool first = true;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const int64_t n = element_count(columns_[c].dims);
      for (int64_t e = sample * n; e < (sample + 1) * n; ++e) {
        if (!std::exchange(first, false)) text_ += ',';
        if (const std::optional<std::string> text = text_of(columns_[c], tensors[c], e))
          text_ += csv_cell(*text);
        else
          append_number(text_, tensors[c], e);
      }
    }
    text_ += '\n';
  }
};

class JsonLinesWriter : public TextWriter {
 public:
  using TextWriter::TextWriter;

 private:
  void append_row(std::span<const Tensor> tensors, int64_t sample) override {
    text_ += '{';
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (c) text_ += ", ";
      text_ += json_string(columns_[c].name) + ": ";
      append_value(columns_[c], tensors[c], sample * element_count(columns_[c].dims), 0);
    }
    text_ += "}\n";
  }
  // The elements from `first` on, nested by the axes from `axis` on.
  void append_value(const RecordColumn& column, const Tensor& tensor, int64_t first, size_t axis) {
    if (axis == column.dims.size()) {
      if (const std::optional<std::string> text = text_of(column, tensor, first))
        text_ += json_string(*text);
      else if (is_float(tensor.dtype()) && !std::isfinite(tensor.at(first)))
        text_ += "null";  // JSON has no NaN
      else
        append_number(text_, tensor, first);
      return;
    }
    const int64_t step = element_count(std::span(column.dims).subspan(axis + 1));
    text_ += '[';
    for (int64_t i = 0; i < column.dims[axis]; ++i) {
      if (i) text_ += ", ";
      append_value(column, tensor, first + i * step, axis + 1);
    }
    text_ += ']';
  }
};

// The number of samples stands in the header, so the data waits in memory for close().
class ArrayWriter : public RecordWriter {
 public:
  ArrayWriter(std::string path, bool single, std::vector<RecordColumn> columns)
      : path_(std::move(path)),
        single_(single),
        columns_(std::move(columns)),
        data_(columns_.size()),
        dtypes_(columns_.size(), DType::kFloat32) {}
  void append(std::span<const Tensor> tensors) override {
    const int64_t samples = check_batch(columns_, tensors);
    for (size_t c = 0; c < columns_.size(); ++c) {
      DL_CHECK(samples_ == 0 || dtypes_[c] == tensors[c].dtype(), "batches differ in dtype");
      dtypes_[c] = tensors[c].dtype();
      const auto* bytes = static_cast<const std::byte*>(tensors[c].raw());
      data_[c].insert(data_[c].end(), bytes, bytes + tensors[c].bytes());
    }
    samples_ += samples;
  }
  void close() override {
    NamedTensors arrays;
    for (size_t c = 0; c < columns_.size(); ++c) {
      Dims dims = columns_[c].dims;
      dims.insert(dims.begin(), samples_);
      Tensor tensor(dtypes_[c], std::move(dims));
      if (!data_[c].empty()) std::memcpy(tensor.raw(), data_[c].data(), data_[c].size());
      std::vector<std::byte>().swap(data_[c]);
      arrays.emplace_back(columns_[c].name, std::move(tensor));
    }
    if (single_)
      write_npy(path_, arrays[0].second);
    else
      write_npz(path_, arrays);
  }

 private:
  std::string path_;
  bool single_;
  std::vector<RecordColumn> columns_;
  std::vector<std::vector<std::byte>> data_;
  std::vector<DType> dtypes_;
  int64_t samples_ = 0;
};

}  // namespace

std::string_view record_format_of(std::string_view path) {
  for (const std::string_view format : {"csv", "jsonl", "npy", "npz"})
    if (path.size() > format.size() && path.ends_with(format) && path[path.size() - format.size() - 1] == '.') return format;
  return "";
}

std::unique_ptr<RecordWriter> make_record_writer(const std::string& path, std::string_view format, std::vector<RecordColumn> columns) {
  if (format == "csv") return std::make_unique<CsvWriter>(path, std::move(columns));
  if (format == "jsonl") return std::make_unique<JsonLinesWriter>(path, std::move(columns));
  if (format == "npz") return std::make_unique<ArrayWriter>(path, false, std::move(columns));
  if (format == "npy" && columns.size() == 1) return std::make_unique<ArrayWriter>(path, true, std::move(columns));
  if (format == "npy")
    throw UserError(fmt::format("{}: an .npy file holds one output, here are {}; write .npz", printable(path), columns.size()));
  throw UserError(fmt::format("{}: output format '{}' is unknown; use csv, jsonl, npy or npz", printable(path), format));
}

}  // namespace dl
