// Predictions, batch by batch, as CSV, JSON lines, NPY or NPZ. The file appears whole at close() or not at all; "-" is standard output.
// Who uses it: predict. Numbers are written in the shortest form that reads back to the same value, whatever the locale.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

// What is written per sample: values of shape `dims`; or, with `labels`, the label that an integer value numbers; or a time, whose value
// is seconds since 1970 (and stays that in arrays).
struct RecordColumn {
  std::string name;
  Dims dims;  // without the sample axis
  std::vector<std::string> labels;
  bool time = false;
};

class RecordWriter {
 public:
  virtual ~RecordWriter() = default;
  // One tensor [samples, dims...] per column.
  virtual void append(std::span<const Tensor> columns) = 0;
  virtual void close() = 0;
};

// `format`: "csv", "jsonl", "npy" or "npz". CSV cells of a column with several elements are name_0, name_1, ... in row-major order.
// npy takes one column and writes label numbers, as npz does. UserError for anything else.
std::unique_ptr<RecordWriter> make_record_writer(const std::string& path, std::string_view format, std::vector<RecordColumn> columns);
// By the extension of `path`; "" when it tells nothing.
std::string_view record_format_of(std::string_view path);

}  // namespace dl
