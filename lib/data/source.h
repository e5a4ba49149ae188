// Source: one `train:`, `validation:` or `test:` entry of the data section, parsed but not opened.
// A new format is one file that defines a SourceFormat and one row in formats.cpp.
// Who uses it: config.cpp; each format's file implements it.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "spec/reader.h"

namespace dl {

struct SeriesLayout;

struct OpenedSource {
  DatasetPtr dataset;
  std::vector<std::string> impute;                         // fields whose NaN elements become the mean of the training part
  std::vector<std::string> notes;                          // for the user: "iris.csv: 3 rows with missing values dropped"
  bool ordered = false;                                    // a series: splits take the last part unless told otherwise
  std::shared_ptr<const SeriesLayout> series = nullptr;    // of windows; splits then go by rows
  std::function<bool(int64_t window)> excluded = nullptr;  // windows that training must not see; null: none
};

struct OpenOptions {
  const std::vector<Field>* training = nullptr;  // fields of the training part, when this is another: class numbers follow it
  bool inputs_only = false;                      // targets are neither needed nor read (predict)
  std::vector<std::string> texts = {};           // fields whose values are texts, for a step to make numbers of

  bool is_text(const std::string& field) const { return std::find(texts.begin(), texts.end(), field) != texts.end(); }
};

class Source {
 public:
  virtual ~Source() = default;
  virtual OpenedSource open(const OpenOptions& options) const = 0;
};

struct SourceFormat {
  std::string_view name;
  std::string_view extensions;  // ".csv .csv.gz": a path that ends so needs no `format:`
  // Reads the format's keys; `base_dir` is the folder that relative paths start from. finish() is the caller's.
  std::shared_ptr<const Source> (*parse)(spec::Reader& reader, const std::string& base_dir);
};

extern const SourceFormat kCsvFormat, kIdxFormat, kNpyFormat, kNpzFormat, kHdf5Format, kImagesFormat, kWebDatasetFormat, kJsonLinesFormat,
    kTfRecordFormat, kTextFormat, kAudioFormat, kSyntheticFormat;

// Helpers shared by the formats.

// The required key `key`, resolved; "" after reporting a problem.
std::string read_path(spec::Reader& reader, std::string_view key, const std::string& base_dir);
// A number, or a fraction written as "1/255".
double read_scale(spec::Reader& reader, std::string_view key, double fallback);
// `shape:` (dims of one sample), empty when absent.
Dims read_shape(spec::Reader& reader, std::string_view key);
// Sets field.dims to `shape` when one is given. UserError when the element counts differ; `place` begins the message.
void apply_shape(Field& field, const Dims& shape, const std::string& place);

// How `classes:` of a target was written: true (the distinct values, sorted), a count N (integers 0..N-1) or a list of names.
struct ClassSpec {
  bool given = false, distinct = false;
  int64_t count = 0;
  std::vector<std::string> names;
};
ClassSpec read_classes(spec::Reader& reader, std::string_view key);
// Names "0".."count-1".
std::vector<std::string> number_names(int64_t count);

// An integer target column as int32 class numbers with names. Checks each value against the class count (from `classes`,
// from the training part, or the largest value + 1) and names the first bad one.
ArrayColumn make_class_column(const std::string& name, const Tensor& values, const ClassSpec& classes, const std::vector<Field>* training,
                              const std::string& place);

const Field* find_field(const std::vector<Field>& fields, std::string_view name);

}  // namespace dl
