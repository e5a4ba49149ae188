#include "data/record_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "data/file.h"
#include "data/number.h"
#include "data/paths.h"
#include "data/text_store.h"

namespace dl {
namespace {

using Place = std::function<std::string()>;
constexpr std::string_view kMissingNames[] = {"error", "drop", "mean", "zero"};

bool is_image(std::string_view bytes) { return bytes.starts_with("\xff\xd8\xff") || bytes.starts_with("\x89PNG"); }

std::vector<std::string> read_keys(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  std::vector<std::string> keys;
  const auto add = [&](const spec::Node& n) {
    if (n.is_string() && !n.as_string().empty())
      keys.push_back(n.as_string());
    else
      problems.add(n.place(), path, "expected the name of a key of the records, or a list of them");
  };
  if (!node.is_list()) {
    add(node);
  } else {
    for (const spec::Node& item : node.items()) add(item);
    if (node.items().empty()) problems.add(node.place(), path, "an empty list; name at least one key");
  }
  return keys;
}

void read_fields(spec::Reader& reader, std::string_view key, bool target, std::vector<RecordField>& fields) {
  const spec::Node* node = reader.get(key);
  if (!node) {
    if (!target) reader.report(key, "required: the key of the records that is the input");
    return;
  }
  const std::string path = reader.path_of(key);
  if (!node->is_map()) {
    fields.push_back({std::string(key), target, read_keys(*node, path, reader.problems())});
    return;
  }
  for (const auto& [name, child] : node->entries())
    fields.push_back({name, target, read_keys(child, path + "." + name, reader.problems())});
}

struct Blob {
  int64_t offset = 0, size = 0;
};

struct ImageColumn {
  Spill index{size_t{4} << 20};  // a Blob for each sample
  std::unique_ptr<ImageRows> rows;
};

// Stored numbers beside images that are decoded when asked for.
class RecordDataset : public Dataset {
 public:
  RecordDataset(std::string name, ImageOptions image, std::vector<Field> fields, std::shared_ptr<const StoredRows> rows,
                std::vector<std::shared_ptr<ImageColumn>> images, std::shared_ptr<const Spill> blobs)
      : name_(std::move(name)),
        image_(image),
        fields_(std::move(fields)),
        samples_(rows->rows),
        stored_(make_stored_dataset(std::move(rows))),
        images_(std::move(images)),
        blobs_(std::move(blobs)) {}
  int64_t size() const override { return samples_; }
  const std::vector<Field>& fields() const override { return fields_; }
  int32_t label(int64_t index, size_t field) const override {
    size_t stored = 0;
    for (size_t f = 0; f < field; ++f) stored += images_[f] == nullptr;
    return stored_->label(index, stored);
  }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    std::vector<std::byte*> numbers;
    for (size_t f = 0; f < rows.size(); ++f)
      if (!images_[f]) numbers.push_back(rows[f]);
    if (!stored_->get(index, numbers, draw)) return false;
    try {
      for (size_t f = 0; f < rows.size(); ++f)
        if (images_[f]) images_[f]->rows->write(index, reinterpret_cast<float*>(rows[f]), [&] { return decode(index, f); });
    } catch (const FileError&) {
      if (!image_.skip_corrupt) throw;
      return false;
    }
    return true;
  }

 private:
  Image decode(int64_t index, size_t f) const {
    Blob blob;
    images_[f]->index.read(index * static_cast<int64_t>(sizeof blob), std::as_writable_bytes(std::span(&blob, 1)));
    std::vector<std::byte> bytes(static_cast<size_t>(blob.size));
    blobs_->read(blob.offset, bytes);
    return decode_image(bytes, fmt::format("{}: sample {}: field '{}'", name_, index, fields_[f].name), image_.channels);
  }

  std::string name_;
  ImageOptions image_;
  std::vector<Field> fields_;
  int64_t samples_;
  DatasetPtr stored_;
  std::vector<std::shared_ptr<ImageColumn>> images_;  // by field; null for stored ones
  std::shared_ptr<const Spill> blobs_;
};

}  // namespace

struct RecordTable::Column {
  const RecordField* spec = nullptr;
  std::vector<size_t> keys;           // numbers in keys_
  std::vector<int64_t> elements;      // of each key
  Dims dims;                          // of the field
  std::optional<ClassNames> classes;  // one of these four, or else numbers
  std::optional<Tokenizer> tokens;
  std::shared_ptr<ImageColumn> images;
  std::shared_ptr<TextStore> texts;
};

RecordFiles read_record_files(spec::Reader& reader, const std::string& base_dir) {
  RecordFiles files;
  files.paths = read_paths(reader, "path", base_dir);
  RecordSpec& spec = files.records;
  read_fields(reader, "x", false, spec.fields);
  read_fields(reader, "y", true, spec.fields);
  for (size_t i = 0; i < spec.fields.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (spec.fields[i].name == spec.fields[j].name) reader.report("y", fmt::format("two fields are named '{}'", spec.fields[i].name));
  spec.classes = read_classes(reader, "classes");
  const spec::Node* missing = reader.has("missing") ? reader.get("missing") : nullptr;
  if (missing && missing->is_number()) {
    spec.missing = RecordSpec::Missing::kConstant;
    spec.constant = static_cast<float>(reader.get_float("missing", {}, {-3e38, 3e38}));
  } else {
    const std::string name = reader.get_choice("missing", kMissingNames, "error");
    spec.missing =
        static_cast<RecordSpec::Missing>(std::find(std::begin(kMissingNames), std::end(kMissingNames), name) - std::begin(kMissingNames));
  }
  if (const spec::Node* text = reader.get("text")) spec.text = read_text_options(*text, reader.path_of("text"), reader.problems());
  spec.image = read_image_options(reader);
  spec.shape = read_shape(reader, "shape");
  return files;
}

RecordTable::RecordTable(const RecordSpec& spec, const OpenOptions& options)
    : spec_(spec), options_(options), rows_(std::make_shared<StoredRows>()), blobs_(std::make_shared<Spill>()) {
  for (const RecordField& field : spec.fields) {
    if (options.inputs_only && field.target) continue;
    Column column;
    column.spec = &field;
    for (const std::string& key : field.keys) {
      const auto at = std::find(keys_.begin(), keys_.end(), key);
      column.keys.push_back(static_cast<size_t>(at - keys_.begin()));
      if (at == keys_.end()) keys_.push_back(key);
    }
    columns_.push_back(std::move(column));
  }
}

RecordTable::~RecordTable() = default;

// The first record with all its values says what each field holds.
void RecordTable::begin(const std::vector<RecordValue>& values, const Place& place) {
  begun_ = true;
  for (Column& column : columns_) {
    const RecordField& field = *column.spec;
    const RecordValue& first = values[column.keys[0]];
    const Field* trained = options_.training ? find_field(*options_.training, field.name) : nullptr;
    const auto fail = [&](const std::string& message) {
      throw FileError(fmt::format("{}: key '{}': {}", place(), printable(field.keys[0]), message));
    };
    if (field.target && column.keys.size() == 1) {
      const bool text = first.kind == RecordValue::Kind::kText;
      if (trained ? !trained->classes.empty() : spec_.classes.given || text || first.integer) {
        column.classes.emplace(spec_.classes, trained);
        continue;
      }
    }
    if (options_.is_text(field.name) && !field.target) {
      column.texts = std::make_shared<TextStore>();
      column.dims = {static_cast<int64_t>(column.keys.size())};
      continue;
    }
    if (!field.target && column.keys.size() == 1 && first.kind == RecordValue::Kind::kText) {
      if (is_image(first.text)) {
        column.images = std::make_shared<ImageColumn>();
        continue;
      }
      if (!spec_.text)
        fail("is text; data.preprocess makes numbers of it, such as " + field.name +
             ": [TextVectorization: {output_sequence_length: 100}]");
      std::vector<std::string> vocabulary = spec_.text->vocabulary;
      if (trained && !trained->vocabularies.empty()) vocabulary = trained->vocabularies[0].values;
      column.tokens.emplace(*spec_.text, vocabulary);
      column.dims = {spec_.text->length};
      continue;
    }
    int64_t total = 0;
    for (const size_t key : column.keys) {
      if (values[key].kind == RecordValue::Kind::kText)
        throw FileError(fmt::format("{}: key '{}': '{}' is text, not a number", place(), printable(keys_[key]), excerpt(values[key].text)));
      column.elements.push_back(element_count(values[key].dims));
      total += column.elements.back();
    }
    if (total == 0) fail("holds no numbers");
    if (total > int64_t{1} << 28) fail("holds more than 2^28 numbers");
    column.dims = column.keys.size() == 1 && !first.dims.empty() ? first.dims : Dims{total};
  }
}

bool RecordTable::missing(const Column& column, size_t key, const Place& place) const {
  const bool mean_of_target = spec_.missing == RecordSpec::Missing::kMean && column.spec->target;
  if (spec_.missing == RecordSpec::Missing::kDrop) return false;
  if (spec_.missing == RecordSpec::Missing::kError || mean_of_target || column.classes || column.tokens || column.images || column.texts)
    throw FileError(fmt::format("{}: key '{}': missing value; say missing: drop{}", place(), printable(keys_[key]),
                                column.classes || column.tokens || column.images || column.texts ? "" : ", mean, zero or a number"));
  return true;
}

bool RecordTable::add_numbers(Column& column, const std::vector<RecordValue>& values, const Place& place) {
  const float fill = spec_.missing == RecordSpec::Missing::kConstant ? spec_.constant
                     : spec_.missing == RecordSpec::Missing::kZero   ? 0.0f
                                                                     : std::numeric_limits<float>::quiet_NaN();
  for (size_t k = 0; k < column.keys.size(); ++k) {
    const RecordValue& value = values[column.keys[k]];
    const std::string& key = keys_[column.keys[k]];
    const auto fail = [&](const std::string& message) {
      throw FileError(fmt::format("{}: key '{}': {}", place(), printable(key), message));
    };
    if (value.kind == RecordValue::Kind::kMissing) {
      if (!missing(column, column.keys[k], place)) return false;
      row_.insert(row_.end(), static_cast<size_t>(column.elements[k]), fill);
      continue;
    }
    if (value.kind == RecordValue::Kind::kText) fail(fmt::format("'{}' is text, not a number", excerpt(value.text)));
    if (static_cast<int64_t>(value.numbers.size()) != column.elements[k] ||
        (column.keys.size() == 1 && !value.dims.empty() && value.dims != column.dims))
      fail(fmt::format("has shape {}, the first record's {}", to_string(std::span<const int64_t>(value.dims)),
                       to_string(std::span<const int64_t>(column.keys.size() == 1 ? column.dims : Dims{column.elements[k]}))));
    for (const double v : value.numbers) {
      if (std::isnan(v)) {
        if (!missing(column, column.keys[k], place)) return false;
        row_.push_back(fill);
        continue;
      }
      if (std::abs(v) > std::numeric_limits<float>::max()) fail(fmt::format("{} is no number that float32 holds", v));
      row_.push_back(static_cast<float>(v));
    }
  }
  return true;
}

bool RecordTable::add_class(Column& column, const RecordValue& value, const Place& place) {
  if (value.kind == RecordValue::Kind::kMissing) return missing(column, column.keys[0], place);
  const auto fail = [&](const std::string& message) {
    throw FileError(fmt::format("{}: key '{}': {}", place(), printable(keys_[column.keys[0]]), message));
  };
  if (value.kind == RecordValue::Kind::kNumbers && value.numbers.size() != 1)
    fail(fmt::format("holds {} numbers; a class is one", value.numbers.size()));
  const std::string text = value.kind == RecordValue::Kind::kText ? value.text : fmt::format("{}", value.numbers[0]);
  const auto number = column.classes->number(text);
  if (!number) fail(column.classes->explain(text));
  row_.push_back(std::bit_cast<float>(*number));
  return true;
}

bool RecordTable::add_tokens(Column& column, const RecordValue& value, const Place& place) {
  if (value.kind == RecordValue::Kind::kMissing) return missing(column, column.keys[0], place);
  if (value.kind != RecordValue::Kind::kText)
    throw FileError(fmt::format("{}: key '{}': not text, as in the first record", place(), printable(keys_[column.keys[0]])));
  std::vector<int32_t> numbers;
  column.tokens->encode(value.text, numbers);
  for (const int32_t n : numbers) row_.push_back(std::bit_cast<float>(n));
  return true;
}

bool RecordTable::add_texts(Column& column, const std::vector<RecordValue>& values, const Place& place) {
  for (const size_t key : column.keys) {
    const RecordValue& value = values[key];
    if (value.kind == RecordValue::Kind::kMissing) return missing(column, key, place);
    const bool number = value.kind == RecordValue::Kind::kNumbers;
    if (number && value.numbers.size() != 1)
      throw FileError(fmt::format("{}: key '{}': holds {} numbers, not a text", place(), printable(keys_[key]), value.numbers.size()));
    row_.push_back(std::bit_cast<float>(column.texts->append(number ? fmt::format("{}", value.numbers[0]) : value.text)));
  }
  return true;
}

void RecordTable::add(const std::vector<RecordValue>& values, const Place& place) {
  for (const Column& column : columns_)
    for (const size_t key : column.keys)
      if (values[key].kind == RecordValue::Kind::kMissing && (!begun_ || spec_.missing == RecordSpec::Missing::kDrop)) {
        if (spec_.missing != RecordSpec::Missing::kDrop)
          throw FileError(
              fmt::format("{}: key '{}' is missing{}", place(), printable(keys_[key]),
                          begun_ || spec_.missing == RecordSpec::Missing::kError ? "" : "; the first record must have every value"));
        ++dropped_;
        return;
      }
  if (!begun_) begin(values, place);
  row_.clear();
  std::vector<std::pair<ImageColumn*, const std::string*>> blobs;
  for (Column& column : columns_) {
    const RecordValue& first = values[column.keys[0]];
    bool keep = true;
    if (column.classes) {
      keep = add_class(column, first, place);
    } else if (column.tokens) {
      keep = add_tokens(column, first, place);
    } else if (column.texts) {
      keep = add_texts(column, values, place);
    } else if (!column.images) {
      keep = add_numbers(column, values, place);
    } else if (first.kind == RecordValue::Kind::kMissing) {
      keep = missing(column, column.keys[0], place);
    } else if (first.kind != RecordValue::Kind::kText) {
      throw FileError(fmt::format("{}: key '{}': not an image, as in the first record", place(), printable(keys_[column.keys[0]])));
    } else {
      blobs.emplace_back(column.images.get(), &first.text);
    }
    if (keep) continue;
    ++dropped_;
    return;
  }
  for (const auto& [images, bytes] : blobs) {
    const Blob blob{blobs_->append(std::as_bytes(std::span(*bytes))), static_cast<int64_t>(bytes->size())};
    images->index.append(std::as_bytes(std::span(&blob, 1)));
  }
  rows_->spill.append(std::as_bytes(std::span(row_)));
  ++rows_->rows;
}

OpenedSource RecordTable::finish(const std::string& name) {
  if (rows_->rows == 0)
    throw FileError(dropped_ ? fmt::format("{}: missing: drop left no records of {}", name, dropped_) : name + ": holds no records");
  rows_->spill.finish();
  blobs_->finish();
  OpenedSource opened;
  std::vector<Field> fields;
  std::vector<std::shared_ptr<ImageColumn>> images;
  ImageOptions image = spec_.image;
  for (Column& column : columns_) {
    StoredColumn stored;
    Field& field = stored.field;
    field = {column.spec->name, DType::kFloat32, column.dims, column.spec->target, {}};
    images.push_back(column.images);
    if (column.images) {
      column.images->index.finish();
      if (image.height == 0) {
        Blob blob;
        column.images->index.read(0, std::as_writable_bytes(std::span(&blob, 1)));
        std::vector<std::byte> bytes(static_cast<size_t>(blob.size));
        blobs_->read(blob.offset, bytes);
        const Image first = decode_image(bytes, fmt::format("{}: sample 0: field '{}'", name, field.name), image.channels);
        image.height = first.height;
        image.width = first.width;
      }
      field.dims = {image.height, image.width, image.channels};
      column.images->rows = std::make_unique<ImageRows>(image, rows_->rows, &opened.notes);
      fields.push_back(field);
      continue;
    }
    if (column.classes) {
      stored.renumber = column.classes->sort();
      field = {field.name, DType::kInt32, {}, true, column.classes->names()};
    } else if (column.tokens) {
      stored.renumber = column.tokens->learn();
      field.dtype = DType::kInt32;
      field.vocabularies.push_back({field.name, column.tokens->vocabulary()});
    } else if (column.texts) {
      column.texts->finish();
      field.dtype = DType::kInt32;
      field.texts = column.texts;
    } else if (!field.target) {
      stored.scale = spec_.image.rescale;
      stored.offset = spec_.image.offset;
      apply_shape(field, spec_.shape, name);
    }
    if (spec_.missing == RecordSpec::Missing::kMean && field.dtype == DType::kFloat32 && !field.target) opened.impute.push_back(field.name);
    fields.push_back(field);
    rows_->columns.push_back(std::move(stored));
  }
  opened.dataset = std::make_shared<RecordDataset>(name, image, std::move(fields), rows_, std::move(images), blobs_);
  if (dropped_)
    opened.notes.push_back(fmt::format("{}: {} of {} records dropped for missing values", name, dropped_, dropped_ + rows_->rows));
  return opened;
}

}  // namespace dl
