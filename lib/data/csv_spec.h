// The keys of a csv source, read and checked. Used by the csv source only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/source.h"
#include "data/stored.h"

namespace dl {

enum class CsvMissing { kError, kDrop, kMean, kZero, kNan, kConstant };

// A column as the user names it: by header text or by number from 0.
struct CsvColumn {
  std::string name;
  int64_t number = -1;  // >= 0: by number
};

struct CsvField {
  std::string name;
  bool target = false;
  bool all_others = false;  // every column that no other field takes
  std::vector<CsvColumn> columns;
};

struct CsvOneHot {
  CsvColumn column;
  std::string key;                  // as written
  std::vector<std::string> values;  // empty: learned from the training data
  bool unknown_zeros = false;       // a value that is not listed gives zeros
};

struct CsvSpec {
  std::vector<std::string> paths;
  bool header = true;
  char delimiter = ',';
  int64_t skip_lines = 0;
  std::vector<CsvField> fields;
  std::vector<CsvOneHot> one_hot;
  ClassSpec classes;
  CsvMissing missing = CsvMissing::kError;
  float constant = 0;  // for kConstant
  std::optional<Window> window;
  std::optional<CsvColumn> time;
  std::vector<TimeRange> excluded, anomalies;
  Dims shape;
  double rescale = 1, offset = 0;
};

CsvSpec read_csv_spec(spec::Reader& reader, const std::string& base_dir);

}  // namespace dl
