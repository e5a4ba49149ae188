// Records with named values, as JSON lines and tf.train.Example are, to samples: which keys make which field, numbers, classes, words of a
// text, images. Values are stored in bounded memory (stored.h); images stay encoded until a sample is asked for.
// Who uses it: the jsonl, tfrecord and text sources.
// Errors: FileError "place: key 'k': what is wrong".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/class_names.h"
#include "data/image_rows.h"
#include "data/source.h"
#include "data/stored.h"
#include "data/tokenizer.h"

namespace dl {

struct RecordValue {
  enum class Kind { kMissing, kNumbers, kText };
  Kind kind = Kind::kMissing;
  std::vector<double> numbers;  // row-major; NaN: a missing element
  Dims dims;                    // of the numbers; {} for a single one
  bool integer = false;         // a single integer of a format that tells integers from other numbers
  std::string text;             // text or bytes
};

struct RecordField {
  std::string name;
  bool target = false;
  std::vector<std::string> keys;
};

struct RecordSpec {
  enum class Missing { kError, kDrop, kMean, kZero, kConstant };
  std::vector<RecordField> fields;
  ClassSpec classes;
  Missing missing = Missing::kError;
  float constant = 0;
  std::optional<TextOptions> text;
  ImageOptions image;  // rescale and offset are those of all inputs
  Dims shape;
};

// Files of such records, and what is made of them.
struct RecordFiles {
  std::vector<std::string> paths;
  RecordSpec records;
};
// The keys path, x, y, classes, missing, text, shape and those of images.
RecordFiles read_record_files(spec::Reader& reader, const std::string& base_dir);

class RecordTable {
 public:
  RecordTable(const RecordSpec& spec, const OpenOptions& options);
  ~RecordTable();

  // The keys whose values add() takes, in this order.
  const std::vector<std::string>& keys() const { return keys_; }
  // One record. `place` is called for messages only.
  void add(const std::vector<RecordValue>& values, const std::function<std::string()>& place);
  // `name` stands for the whole in messages.
  OpenedSource finish(const std::string& name);

 private:
  struct Column;
  void begin(const std::vector<RecordValue>& values, const std::function<std::string()>& place);
  bool add_numbers(Column& column, const std::vector<RecordValue>& values, const std::function<std::string()>& place);
  bool add_class(Column& column, const RecordValue& value, const std::function<std::string()>& place);
  bool add_texts(Column& column, const std::vector<RecordValue>& values, const std::function<std::string()>& place);
  bool add_tokens(Column& column, const RecordValue& value, const std::function<std::string()>& place);
  bool missing(const Column& column, size_t key, const std::function<std::string()>& place) const;  // false: drop the record

  const RecordSpec& spec_;
  const OpenOptions& options_;
  std::vector<std::string> keys_;
  std::vector<Column> columns_;
  std::shared_ptr<StoredRows> rows_;
  std::shared_ptr<Spill> blobs_;
  std::vector<float> row_;
  bool begun_ = false;
  int64_t dropped_ = 0;
};

}  // namespace dl
