// The csv format: numeric columns, one-hot columns, class targets, missing-value policies, windows over a series.
// The file is read once into float32 columns; what is allowed is described in config.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "data/csv.h"
#include "data/number.h"
#include "data/source.h"

namespace dl {
namespace {

enum class Missing { kError, kDrop, kMean, kZero, kNan };
constexpr std::string_view kMissingNames[] = {"error", "drop", "mean", "zero", "nan"};

// A column as the user names it: by header text or by number from 0.
struct ColumnRef {
  std::string name;
  int64_t number = -1;  // >= 0: by number
};

struct FieldSpec {
  std::string name;
  bool target = false;
  bool all_others = false;  // every column that no other field takes
  std::vector<ColumnRef> columns;
};

struct OneHot {
  ColumnRef column;
  std::vector<std::string> values;
};

struct CsvSpec {
  std::string path;
  bool header = true;
  char delimiter = ',';
  int64_t skip_lines = 0;
  std::vector<FieldSpec> fields;
  std::vector<OneHot> one_hot;
  ClassSpec classes;
  Missing missing = Missing::kError;
  std::optional<Window> window;
  Dims shape;
  double rescale = 1, offset = 0;
};

// ---- YAML ----------------------------------------------------------------------------------------------------------------

std::optional<ColumnRef> read_column(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  if (node.is_string()) return ColumnRef{node.as_string(), -1};
  if (node.kind() == spec::Kind::kInt && node.as_int() >= 0) return ColumnRef{"", node.as_int()};
  problems.add(node.place(), path, "expected a column name or a column number from 0");
  return {};
}

std::vector<ColumnRef> read_columns(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  std::vector<ColumnRef> columns;
  if (!node.is_list()) {
    if (const auto column = read_column(node, path, problems)) columns.push_back(*column);
    return columns;
  }
  if (node.items().empty()) problems.add(node.place(), path, "an empty list; name at least one column");
  for (const spec::Node& item : node.items())
    if (const auto column = read_column(item, path, problems)) columns.push_back(*column);
  return columns;
}

// `x: [..]` is one field "x"; `x: {left: [..], right: [..]}` are several.
void read_fields(spec::Reader& columns, std::string_view key, bool target, std::vector<FieldSpec>& fields) {
  const spec::Node* node = columns.get(key);
  if (!node) return;
  const std::string path = columns.path_of(key);
  if (!node->is_map()) {
    fields.push_back({std::string(key), target, false, read_columns(*node, path, columns.problems())});
    return;
  }
  for (const auto& [name, child] : node->entries())
    fields.push_back({name, target, false, read_columns(child, path + "." + name, columns.problems())});
}

Window read_window(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  spec::Reader reader(node, path, problems);
  const spec::IntRange sizes{1, int64_t{1} << 31};
  const Window window{reader.get_int("length", {}, sizes), reader.get_int("horizon", 1, sizes), reader.get_int("stride", 1, sizes)};
  reader.finish();
  return window;
}

void read_one_hot(spec::Reader& reader, CsvSpec& csv) {
  const spec::Node* node = reader.get("one_hot");
  if (!node) return;
  if (!node->is_map()) return reader.report("one_hot", "expected a map from column to its list of values, such as {sex: [F, I, M]}");
  spec::Reader map(*node, reader.path_of("one_hot"), reader.problems());
  for (const auto& [key, child] : node->entries()) {
    OneHot one{{key, -1}, map.get_strings(key)};
    if (!csv.header && !key.empty() && std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; }) && key.size() < 10)
      one.column = {"", std::stoll(key)};
    csv.one_hot.push_back(std::move(one));
  }
}

void check(spec::Reader& reader, const CsvSpec& csv) {
  std::vector<std::string> names;
  int64_t targets = 0;
  bool by_name = false;
  for (const FieldSpec& field : csv.fields) {
    if (std::find(names.begin(), names.end(), field.name) != names.end())
      reader.report("columns", fmt::format("two fields are named '{}'", field.name));
    names.push_back(field.name);
    if (field.target) targets += static_cast<int64_t>(field.columns.size());
    for (const ColumnRef& column : field.columns) by_name = by_name || column.number < 0;
  }
  if (by_name && !csv.header) reader.report("columns", "columns are named, but header: false; give their numbers from 0");
  if (csv.classes.given && targets != 1) reader.report("classes", fmt::format("needs exactly one target column, found {}", targets));
  if (csv.window && csv.classes.given) reader.report("classes", "cannot be combined with window:");
  if (csv.window && csv.missing == Missing::kDrop)
    reader.report("missing", "drop would tear holes into the series of window:; use error, mean, zero or nan");
}

// ---- Reading -------------------------------------------------------------------------------------------------------------

bool is_missing(const CsvCell& cell) {
  static constexpr std::string_view kWords[] = {"", "nan", "na", "n/a", "null", "none", "?"};
  if (cell.quoted && !cell.text.empty()) return false;
  if (cell.text.size() > 4) return false;
  std::string lower(cell.text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

// What to do with one cell of a field.
struct Cell {
  size_t column;
  const OneHot* one_hot = nullptr;
};

class CsvTable {
 public:
  CsvTable(const CsvSpec& csv, const OpenOptions& options)
      : csv_(csv),
        stream_(open_bytes(csv.path)),
        reader_(*stream_, csv.delimiter),
        training_(options.training),
        inputs_only_(options.inputs_only) {
    for (const FieldSpec& field : csv.fields)
      if (!inputs_only_ || !field.target) fields_.push_back(&field);
  }

  OpenedSource read() {
    for (int64_t i = 0; i < csv_.skip_lines; ++i) reader_.skip_line();
    std::vector<CsvCell> cells;
    bool more = reader_.next(cells);
    if (csv_.header && more) {
      read_header(cells);
      more = reader_.next(cells);
    }
    if (!more)
      throw FileError(fmt::format("{}: no data rows{}", stream_->name(),
                                  csv_.header ? " (the first line is the header; header: false if it is data)" : ""));
    if (!csv_.header) width_ = cells.size();
    choose_columns();
    choose_classes(cells);
    for (; more; more = reader_.next(cells)) {
      if (cells.size() != width_)
        reader_.fail(cells[0].line, std::min(cells.size(), width_),
                     fmt::format("the row has {} cells, {} has {}", cells.size(), csv_.header ? "the header" : "the first row", width_));
      add_row(cells);
    }
    return finish();
  }

 private:
  void read_header(const std::vector<CsvCell>& cells) {
    width_ = cells.size();
    bool numbers = true;
    for (const CsvCell& cell : cells) {
      double value = 0;
      numbers = numbers && parse_number(cell.text, value) == NumberKind::kNumber;
      header_.emplace_back(cell.text);
    }
    if (numbers) reader_.fail(cells[0].line, 0, "the header row holds numbers only; if the file has no header, say header: false");
  }

  bool has_column(const ColumnRef& ref) const {
    return ref.number >= 0 ? static_cast<size_t>(ref.number) < width_
                           : std::find(header_.begin(), header_.end(), ref.name) != header_.end();
  }

  size_t find_column(const ColumnRef& ref) const {
    if (ref.number >= 0) {
      if (static_cast<size_t>(ref.number) < width_) return static_cast<size_t>(ref.number);
      throw FileError(fmt::format("{}: no column {}; the columns are 0 to {}", stream_->name(), ref.number, width_ - 1));
    }
    const auto first = std::find(header_.begin(), header_.end(), ref.name);
    if (first == header_.end()) {
      std::vector<std::string_view> known(header_.begin(), header_.end());
      throw FileError(
          fmt::format("{}: no column '{}'{}", stream_->name(), printable(ref.name), printable(spec::suggestion(ref.name, known))));
    }
    const auto second = std::find(first + 1, header_.end(), ref.name);
    if (second != header_.end())
      throw FileError(fmt::format("{}: two columns are named '{}', numbers {} and {}; choose one by its number", stream_->name(),
                                  printable(ref.name), first - header_.begin(), second - header_.begin()));
    return static_cast<size_t>(first - header_.begin());
  }

  void choose_columns() {
    std::vector<bool> taken(width_, false);
    std::map<size_t, const OneHot*> one_hot;
    for (const OneHot& one : csv_.one_hot) one_hot[find_column(one.column)] = &one;
    for (const FieldSpec* field : fields_) {
      std::vector<Cell> cells;
      for (const ColumnRef& ref : field->columns) {
        cells.push_back({find_column(ref)});
        taken[cells.back().column] = true;
      }
      plan_.push_back(std::move(cells));
    }
    if (inputs_only_)  // a target column that is there is not an input
      for (const FieldSpec& field : csv_.fields)
        for (const ColumnRef& ref : field.columns)
          if (field.target && has_column(ref)) taken[find_column(ref)] = true;
    for (size_t f = 0; f < plan_.size(); ++f) {
      if (fields_[f]->all_others)
        for (size_t c = 0; c < width_; ++c)
          if (!taken[c]) plan_[f].push_back({c});
      if (plan_[f].empty()) throw FileError(fmt::format("{}: no column is left for field '{}'", stream_->name(), fields_[f]->name));
      int64_t elements = 0;
      for (Cell& cell : plan_[f]) {
        if (const auto found = one_hot.find(cell.column); found != one_hot.end() && !fields_[f]->target) cell.one_hot = found->second;
        elements += cell.one_hot ? static_cast<int64_t>(cell.one_hot->values.size()) : 1;
      }
      elements_.push_back(elements);
    }
    values_.resize(plan_.size());
  }

  // Class target: asked for, used by the training part, or a first value that is no number.
  void choose_classes(const std::vector<CsvCell>& first_row) {
    for (size_t f = 0; f < plan_.size(); ++f) {
      if (!fields_[f]->target || plan_[f].size() != 1 || csv_.window) continue;
      const Field* trained = training_ ? find_field(*training_, fields_[f]->name) : nullptr;
      double value = 0;
      const size_t column = plan_[f][0].column;
      const bool text = column < first_row.size() && !is_missing(first_row[column]) &&
                        parse_number(first_row[column].text, value) == NumberKind::kNotNumber;
      if (trained ? trained->classes.empty() : !(csv_.classes.given || text)) continue;
      class_field_ = f;
      if (trained)
        class_names_ = trained->classes;
      else if (!csv_.classes.names.empty())
        class_names_ = csv_.classes.names;
      fixed_classes_ = !class_names_.empty();
      for (size_t i = 0; i < class_names_.size(); ++i) class_numbers_[class_names_[i]] = static_cast<int32_t>(i);
    }
  }

  int32_t class_number(const std::vector<CsvCell>& cells, size_t column) {
    const std::string text(cells[column].text);
    const auto found = class_numbers_.find(text);
    if (found != class_numbers_.end()) return found->second;
    if (fixed_classes_) {
      const std::vector<std::string_view> known(class_names_.begin(), class_names_.end());
      const std::string help = known.size() <= 12 ? fmt::format("; known: {}", fmt::join(known, ", ")) : spec::suggestion(text, known);
      reader_.fail(cells[column].line, column, fmt::format("'{}' is not a known class{}", excerpt(text), printable(help)));
    }
    if (class_names_.size() >= 100'000)
      reader_.fail(cells[column].line, column, "more than 100000 different classes; is this column a number to predict?");
    class_names_.push_back(text);
    class_numbers_[text] = static_cast<int32_t>(class_names_.size() - 1);
    return static_cast<int32_t>(class_names_.size() - 1);
  }

  static std::string excerpt(std::string_view text) {
    return text.size() <= 40 ? printable(text) : fmt::format("{}...", printable(text.substr(0, 37)));
  }

  float number(const std::vector<CsvCell>& cells, size_t column) const {
    double value = 0;
    const CsvCell& cell = cells[column];
    switch (parse_number(cell.text, value)) {
      case NumberKind::kNumber:
        break;
      case NumberKind::kNotFinite:
        reader_.fail(cell.line, column, fmt::format("'{}' is not a finite number", excerpt(cell.text)));
      case NumberKind::kTooLarge:
        value = HUGE_VAL;
        break;
      case NumberKind::kNotNumber:
        reader_.fail(cell.line, column,
                     fmt::format("'{}' is not a number{}", excerpt(cell.text),
                                 cell.text.find(',') != std::string_view::npos
                                     ? " (the decimal separator is a point)"
                                     : "; for text use one_hot:, classes:, or leave the column out of columns:"));
    }
    if (value > std::numeric_limits<float>::max() || value < -std::numeric_limits<float>::max())
      reader_.fail(cell.line, column, fmt::format("'{}' is too large for float32", excerpt(cell.text)));
    return static_cast<float>(value);
  }

  void add_row(const std::vector<CsvCell>& cells) {
    const auto sizes = [&](size_t f) { return values_[f].size(); };
    std::vector<size_t> before;
    for (size_t f = 0; f < plan_.size(); ++f) before.push_back(sizes(f));
    const size_t labels = labels_.size();
    bool drop = false;
    for (size_t f = 0; f < plan_.size() && !drop; ++f)
      for (const Cell& cell : plan_[f])
        if (!add_cell(cells, f, cell)) drop = true;
    if (!drop) {
      ++rows_;
      return;
    }
    ++dropped_;
    labels_.resize(labels);
    for (size_t f = 0; f < plan_.size(); ++f) values_[f].resize(before[f]);
  }

  // False: the row is to be dropped.
  bool add_cell(const std::vector<CsvCell>& cells, size_t f, const Cell& cell) {
    const CsvCell& text = cells[cell.column];
    if (f == class_field_) {
      const bool known = class_numbers_.contains(std::string(text.text));  // a class may be called "?" or "none"
      if (!known && is_missing(text)) {
        if (csv_.missing == Missing::kDrop) return false;
        reader_.fail(text.line, cell.column, "missing class; missing: drop leaves such rows out");
      }
      labels_.push_back(class_number(cells, cell.column));
    } else if (cell.one_hot) {
      const std::vector<std::string>& values = cell.one_hot->values;
      const auto found = std::find(values.begin(), values.end(), text.text);
      if (found == values.end()) {
        if (is_missing(text) && csv_.missing == Missing::kDrop) return false;
        const std::vector<std::string_view> known(values.begin(), values.end());
        if (!is_missing(text) || csv_.missing != Missing::kZero)
          reader_.fail(text.line, cell.column,
                       fmt::format("'{}' is not in the column's one_hot list{}", excerpt(text.text), spec::suggestion(text.text, known)));
      }
      for (auto v = values.begin(); v != values.end(); ++v) values_[f].push_back(v == found ? 1.0f : 0.0f);
    } else if (is_missing(text)) {
      if (csv_.missing == Missing::kDrop) return false;
      if (csv_.missing == Missing::kError || (csv_.missing == Missing::kMean && fields_[f]->target && !csv_.window))
        reader_.fail(text.line, cell.column,
                     text.text.empty() ? "missing value; say missing: drop, mean, zero or nan"
                                       : fmt::format("missing value '{}'; say missing: drop, mean, zero or nan", excerpt(text.text)));
      values_[f].push_back(csv_.missing == Missing::kZero ? 0.0f : std::numeric_limits<float>::quiet_NaN());
    } else {
      values_[f].push_back(number(cells, cell.column));
    }
    return true;
  }

  // Distinct classes in the order of their numbers, or of their bytes when one of them is not a number.
  void sort_classes() {
    if (fixed_classes_ || !class_field_) return;
    std::vector<std::string> sorted = class_names_;
    const auto value_of = [](const std::string& s, double& v) { return parse_number(s, v) == NumberKind::kNumber; };
    const bool numbers = std::all_of(sorted.begin(), sorted.end(), [&](const std::string& s) {
      double v = 0;
      return value_of(s, v);
    });
    std::sort(sorted.begin(), sorted.end(), [&](const std::string& a, const std::string& b) {
      double x = 0, y = 0;
      if (numbers && value_of(a, x) && value_of(b, y) && x != y) return x < y;
      return a < b;
    });
    std::vector<int32_t> renumber(sorted.size());
    for (size_t i = 0; i < sorted.size(); ++i) renumber[static_cast<size_t>(class_numbers_[sorted[i]])] = static_cast<int32_t>(i);
    for (int32_t& label : labels_) label = renumber[static_cast<size_t>(label)];
    class_names_ = std::move(sorted);
  }

  OpenedSource finish() {
    if (rows_ == 0) throw FileError(fmt::format("{}: missing: drop left no rows of {}", stream_->name(), dropped_));
    sort_classes();
    OpenedSource opened;
    std::vector<MemoryColumn> columns;
    for (size_t f = 0; f < plan_.size(); ++f) {
      const FieldSpec& spec = *fields_[f];
      if (f == class_field_) {
        columns.push_back({{spec.name, DType::kInt32, {}, true, class_names_}, Tensor::from<int32_t>({rows_}, labels_), 1, 0});
        continue;
      }
      MemoryColumn column{
          {spec.name, DType::kFloat32, {elements_[f]}, spec.target, {}}, Tensor::from<float>({rows_, elements_[f]}, values_[f]), 1, 0};
      std::vector<float>().swap(values_[f]);
      if (!spec.target) {
        column.scale = csv_.rescale;
        column.offset = csv_.offset;
        apply_shape(column.field, csv_.shape, stream_->name());
      }
      if (csv_.missing == Missing::kMean) opened.impute.push_back(spec.name);
      columns.push_back(std::move(column));
    }
    if (csv_.window) {
      opened.ordered = true;
      Window window = *csv_.window;
      if (inputs_only_) window.horizon = 0;  // the last window is what comes after the series
      opened.dataset = make_window_dataset(std::move(columns), rows_, window);
      if (opened.dataset->size() == 0)
        throw FileError(fmt::format("{}: {} rows are too few for a window of length {} + horizon {}", stream_->name(), rows_, window.length,
                                    window.horizon));
    } else {
      opened.dataset = make_memory_dataset(std::move(columns), rows_);
    }
    if (dropped_)
      opened.notes.push_back(fmt::format("{}: {} of {} rows dropped for missing values", stream_->name(), dropped_, dropped_ + rows_));
    return opened;
  }

  const CsvSpec& csv_;
  std::unique_ptr<ByteStream> stream_;
  CsvReader reader_;
  const std::vector<Field>* training_;
  bool inputs_only_;
  std::vector<const FieldSpec*> fields_;
  size_t width_ = 0;
  std::vector<std::string> header_;
  std::vector<std::vector<Cell>> plan_;  // per field
  std::vector<int64_t> elements_;        // per field and row
  std::vector<std::vector<float>> values_;
  std::optional<size_t> class_field_;
  bool fixed_classes_ = false;
  std::vector<std::string> class_names_;
  std::unordered_map<std::string, int32_t> class_numbers_;
  std::vector<int32_t> labels_;
  int64_t rows_ = 0, dropped_ = 0;
};

class CsvSource : public Source {
 public:
  explicit CsvSource(CsvSpec csv) : csv_(std::move(csv)) {}
  OpenedSource open(const OpenOptions& options) const override { return CsvTable(csv_, options).read(); }

 private:
  CsvSpec csv_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  CsvSpec csv;
  csv.path = read_path(reader, "path", base_dir);
  csv.header = reader.get_bool("header", true);
  csv.skip_lines = reader.get_int("skip_lines", 0, {0, 1'000'000});
  const std::string delimiter = reader.get_string("delimiter", ",");
  if (delimiter.size() != 1 || delimiter == "\"" || delimiter == "\n" || delimiter == "\r")
    reader.report("delimiter", "expected one character other than a quote or a line break");
  else
    csv.delimiter = delimiter[0];
  if (const spec::Node* columns = reader.get("columns")) {
    spec::Reader inner(*columns, reader.path_of("columns"), reader.problems());
    read_fields(inner, "x", false, csv.fields);
    read_fields(inner, "y", true, csv.fields);
    inner.finish();
  }
  if (std::none_of(csv.fields.begin(), csv.fields.end(), [](const FieldSpec& f) { return !f.target; }))
    csv.fields.insert(csv.fields.begin(), {"x", false, true, {}});
  csv.classes = read_classes(reader, "classes");
  read_one_hot(reader, csv);
  const std::string missing = reader.get_choice("missing", kMissingNames, "error");
  csv.missing = static_cast<Missing>(std::find(std::begin(kMissingNames), std::end(kMissingNames), missing) - std::begin(kMissingNames));
  if (const spec::Node* window = reader.get("window")) {
    csv.window = read_window(*window, reader.path_of("window"), reader.problems());
    // A series predicts itself unless told otherwise.
    if (std::none_of(csv.fields.begin(), csv.fields.end(), [](const FieldSpec& f) { return f.target; }) && csv.fields.size() == 1) {
      FieldSpec target = csv.fields[0];
      target.name = std::string("y");
      target.target = true;
      csv.fields.push_back(target);
    }
  }
  csv.shape = read_shape(reader, "shape");
  csv.rescale = read_scale(reader, "rescale", 1);
  csv.offset = read_scale(reader, "offset", 0);
  check(reader, csv);
  return std::make_shared<CsvSource>(std::move(csv));
}

}  // namespace

const SourceFormat kCsvFormat{"csv", ".csv .csv.gz .tsv .data", parse};

}  // namespace dl
