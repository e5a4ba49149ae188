// The csv format: numeric columns, one-hot columns, class targets, missing-value policies, windows over one or more series.
// The files are read once, row by row, into a store of bounded memory (stored.h); what is allowed is described in config.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "data/class_names.h"
#include "data/csv.h"
#include "data/csv_spec.h"
#include "data/number.h"
#include "data/paths.h"
#include "data/source.h"
#include "data/stored.h"
#include "data/text_store.h"
#include "data/timestamp.h"

namespace dl {
namespace {

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
  const std::vector<std::string>* one_hot = nullptr;  // the values
  bool unknown_zeros = false;
};

constexpr size_t kMaxLearned = 10'000;

// One file as records with its header.
struct OpenCsv {
  OpenCsv(const CsvSpec& csv, const std::string& path) : stream(open_bytes(path)), reader(*stream, csv.delimiter) {
    for (int64_t i = 0; i < csv.skip_lines; ++i) reader.skip_line();
    more = reader.next(cells);
    if (csv.header && more) {
      for (const CsvCell& cell : cells) header.emplace_back(cell.text);
      line = cells[0].line;
      more = reader.next(cells);
    }
    if (!more)
      throw FileError(fmt::format("{}: no data rows{}", stream->name(),
                                  csv.header ? " (the first line is the header; header: false if it is data)" : ""));
  }
  std::unique_ptr<ByteStream> stream;
  CsvReader reader;
  std::vector<std::string> header;
  int64_t line = 1;  // of the header
  std::vector<CsvCell> cells;
  bool more = false;
};

class CsvTable {
 public:
  CsvTable(const CsvSpec& csv, const OpenOptions& options)
      : csv_(csv),
        paths_(expand_paths(csv.paths)),
        training_(options.training),
        options_(options),
        inputs_only_(options.inputs_only),
        rows_(std::make_shared<StoredRows>()),
        times_(csv.time ? std::make_shared<Spill>(kTimesInMemory) : nullptr) {
    for (const CsvField& field : csv.fields)
      if (!inputs_only_ || !field.target) fields_.push_back(&field);
  }

  OpenedSource read() {
    for (const std::string& path : paths_) {
      file_.emplace(csv_, path);
      if (width_ == 0) begin();
      if (file_->header != header_) fail_header();
      const int64_t first = rows_->rows;
      for (; file_->more; file_->more = file_->reader.next(file_->cells)) {
        check_width(*file_);
        add_row(file_->cells);
      }
      series_.push_back({first, rows_->rows});
    }
    return finish();
  }

 private:
  static constexpr size_t kTimesInMemory = size_t{8} << 20;

  const std::string& name() const { return file_->stream->name(); }
  CsvReader& reader() { return file_->reader; }

  // The first file says which columns there are.
  void begin() {
    header_ = file_->header;
    width_ = csv_.header ? header_.size() : file_->cells.size();
    if (csv_.header) check_header();
    choose_columns();
    choose_classes(file_->cells);
  }

  void check_width(const OpenCsv& file) const {
    if (file.cells.size() == width_) return;
    file.reader.fail(
        file.cells[0].line, std::min(file.cells.size(), width_),
        fmt::format("the row has {} cells, {} has {}", file.cells.size(), csv_.header ? "the header" : "the first row", width_));
  }

  void check_header() {
    const bool numbers = std::all_of(header_.begin(), header_.end(), [](const std::string& text) {
      double value = 0;
      return parse_number(text, value) == NumberKind::kNumber;
    });
    if (numbers) reader().fail(file_->line, 0, "the header row holds numbers only; if the file has no header, say header: false");
  }

  [[noreturn]] void fail_header() {
    for (size_t c = 0; c < std::max(header_.size(), file_->header.size()); ++c)
      if (c >= header_.size() || c >= file_->header.size() || header_[c] != file_->header[c])
        reader().fail(file_->line, c, fmt::format("the header differs from that of {}", printable(paths_[0])));
    throw InternalError("equal headers differ");
  }

  // The distinct values of the one-hot columns that are to be learned, sorted by bytes; reads all files once for it.
  void learn_one_hot(const std::vector<std::pair<size_t, const CsvOneHot*>>& wanted) {
    std::vector<std::set<std::string, std::less<>>> found(wanted.size());
    for (const std::string& path : paths_) {
      OpenCsv file(csv_, path);
      for (; file.more; file.more = file.reader.next(file.cells)) {
        check_width(file);
        for (size_t i = 0; i < wanted.size(); ++i) {
          const CsvCell& cell = file.cells[wanted[i].first];
          if (is_missing(cell) || found[i].contains(cell.text)) continue;
          found[i].emplace(cell.text);
          if (found[i].size() > kMaxLearned)
            file.reader.fail(cell.line, wanted[i].first,
                             fmt::format("more than {} different values of a one_hot column; is it a number?", kMaxLearned));
        }
      }
    }
    for (size_t i = 0; i < wanted.size(); ++i) values_of_[wanted[i].second].assign(found[i].begin(), found[i].end());
  }

  // The values of each one-hot column: listed, those of the training part, or learned here.
  void choose_one_hot() {
    std::vector<std::pair<size_t, const CsvOneHot*>> wanted;
    for (const CsvOneHot& one : csv_.one_hot) {
      const size_t column = find_column(one.column);
      one_hot_[column] = &one;
      values_of_[&one] = one.values;
      if (!one.values.empty()) continue;
      for (const Field& field : training_ ? *training_ : std::vector<Field>{})
        for (const Field::Vocabulary& v : field.vocabularies)
          if (v.key == one.key) values_of_[&one] = v.values;
      if (values_of_[&one].empty()) wanted.emplace_back(column, &one);
    }
    if (!wanted.empty()) learn_one_hot(wanted);
  }

  bool has_column(const CsvColumn& ref) const {
    return ref.number >= 0 ? static_cast<size_t>(ref.number) < width_
                           : std::find(header_.begin(), header_.end(), ref.name) != header_.end();
  }

  size_t find_column(const CsvColumn& ref) const {
    if (ref.number >= 0) {
      if (static_cast<size_t>(ref.number) < width_) return static_cast<size_t>(ref.number);
      throw FileError(fmt::format("{}: no column {}; the columns are 0 to {}", name(), ref.number, width_ - 1));
    }
    const auto first = std::find(header_.begin(), header_.end(), ref.name);
    if (first == header_.end()) {
      std::vector<std::string_view> known(header_.begin(), header_.end());
      throw FileError(fmt::format("{}: no column '{}'{}", name(), printable(ref.name), printable(spec::suggestion(ref.name, known))));
    }
    const auto second = std::find(first + 1, header_.end(), ref.name);
    if (second != header_.end())
      throw FileError(fmt::format("{}: two columns are named '{}', numbers {} and {}; choose one by its number", name(),
                                  printable(ref.name), first - header_.begin(), second - header_.begin()));
    return static_cast<size_t>(first - header_.begin());
  }

  void choose_columns() {
    std::vector<bool> taken(width_, false);
    choose_one_hot();
    if (csv_.time) {
      time_column_ = find_column(*csv_.time);
      taken[*time_column_] = true;
    }
    for (const CsvField* field : fields_) {
      std::vector<Cell> cells;
      for (const CsvColumn& ref : field->columns) {
        cells.push_back({find_column(ref)});
        taken[cells.back().column] = true;
      }
      plan_.push_back(std::move(cells));
    }
    if (inputs_only_)  // a target column that is there is not an input
      for (const CsvField& field : csv_.fields)
        for (const CsvColumn& ref : field.columns)
          if (field.target && has_column(ref)) taken[find_column(ref)] = true;
    for (size_t f = 0; f < plan_.size(); ++f) {
      if (fields_[f]->all_others)
        for (size_t c = 0; c < width_; ++c)
          if (!taken[c]) plan_[f].push_back({c});
      if (plan_[f].empty()) throw FileError(fmt::format("{}: no column is left for field '{}'", name(), fields_[f]->name));
      int64_t elements = 0;
      for (Cell& cell : plan_[f]) {
        if (const auto found = one_hot_.find(cell.column); found != one_hot_.end() && !fields_[f]->target) {
          cell.one_hot = &values_of_[found->second];
          cell.unknown_zeros = found->second->unknown_zeros;
        }
        elements += cell.one_hot ? static_cast<int64_t>(cell.one_hot->size()) : 1;
      }
      elements_.push_back(elements);
      const bool text = !fields_[f]->target && options_.is_text(fields_[f]->name);
      texts_.push_back(text ? std::make_shared<TextStore>() : nullptr);
      if (!text) continue;
      if (csv_.window)
        throw UserError(
            fmt::format("{}: field '{}' has a step of texts, which windows do not hold; leave its columns out", name(), fields_[f]->name));
      for (const Cell& cell : plan_[f])
        if (cell.one_hot)
          throw UserError(
              fmt::format("{}: field '{}' has a step of texts and a column with one_hot; choose one", name(), fields_[f]->name));
    }
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
      classes_.emplace(csv_.classes, trained);
    }
  }

  float number(const std::vector<CsvCell>& cells, size_t column) {
    double value = 0;
    const CsvCell& cell = cells[column];
    switch (parse_number(cell.text, value)) {
      case NumberKind::kNumber:
        break;
      case NumberKind::kNotFinite:
        reader().fail(cell.line, column, fmt::format("'{}' is not a finite number", excerpt(cell.text)));
      case NumberKind::kTooLarge:
        value = HUGE_VAL;
        break;
      case NumberKind::kNotNumber:
        reader().fail(cell.line, column,
                      fmt::format("'{}' is not a number{}", excerpt(cell.text),
                                  cell.text.find(',') != std::string_view::npos
                                      ? " (the decimal separator is a point)"
                                      : "; for text use a step of data.preprocess (StringLookup), one_hot:, classes:, or leave the column "
                                        "out of columns:"));
    }
    if (value > std::numeric_limits<float>::max() || value < -std::numeric_limits<float>::max())
      reader().fail(cell.line, column, fmt::format("'{}' is too large for float32", excerpt(cell.text)));
    return static_cast<float>(value);
  }

  void add_row(const std::vector<CsvCell>& cells) {
    row_.clear();
    for (size_t f = 0; f < plan_.size(); ++f)
      for (const Cell& cell : plan_[f])
        if (!add_cell(cells, f, cell)) {
          ++dropped_;
          return;
        }
    if (time_column_) add_time(cells[*time_column_]);
    rows_->spill.append(std::as_bytes(std::span(row_)));
    ++rows_->rows;
  }

  void add_time(const CsvCell& cell) {
    const std::optional<int64_t> time = parse_timestamp(cell.text);
    if (!time)
      reader().fail(cell.line, *time_column_,
                    fmt::format("'{}' is not a time; expected one such as 2014-02-07 14:55:00", excerpt(cell.text)));
    const bool first = series_.empty() ? rows_->rows == 0 : rows_->rows == series_.back().end;
    if (!first && *time < last_time_ && backward_++ == 0) backward_place_ = reader().place(file_->cells, *time_column_);
    last_time_ = *time;
    times_->append(std::as_bytes(std::span(&*time, 1)));
  }

  // False: the row is to be dropped.
  bool add_cell(const std::vector<CsvCell>& cells, size_t f, const Cell& cell) {
    const CsvCell& text = cells[cell.column];
    if (f == class_field_) {
      if (!classes_->knows(text.text) && is_missing(text)) {  // a class may be called "?" or "none"
        if (csv_.missing == CsvMissing::kDrop) return false;
        reader().fail(text.line, cell.column, "missing class; missing: drop leaves such rows out");
      }
      const std::optional<int32_t> number = classes_->number(text.text);
      if (!number) reader().fail(text.line, cell.column, classes_->explain(text.text));
      row_.push_back(std::bit_cast<float>(*number));
    } else if (texts_[f]) {
      if (text.text.empty() && !text.quoted) {
        if (csv_.missing == CsvMissing::kDrop) return false;
        if (csv_.missing == CsvMissing::kError)
          reader().fail(text.line, cell.column, "missing text; say missing: drop, or zero for the empty text");
      }
      row_.push_back(std::bit_cast<float>(texts_[f]->append(text.text)));
    } else if (cell.one_hot) {
      const std::vector<std::string>& values = *cell.one_hot;
      const auto found = std::find(values.begin(), values.end(), text.text);
      if (found == values.end()) {
        if (is_missing(text) && csv_.missing == CsvMissing::kDrop) return false;
        const std::vector<std::string_view> known(values.begin(), values.end());
        if (is_missing(text) ? csv_.missing != CsvMissing::kZero && !cell.unknown_zeros : !cell.unknown_zeros)
          reader().fail(text.line, cell.column,
                        fmt::format("'{}' is not in the column's one_hot list{}; unknown: zeros allows others", excerpt(text.text),
                                    spec::suggestion(text.text, known)));
      }
      for (auto v = values.begin(); v != values.end(); ++v) row_.push_back(v == found ? 1.0f : 0.0f);
    } else if (is_missing(text)) {
      if (csv_.missing == CsvMissing::kDrop) return false;
      if (csv_.missing == CsvMissing::kError || (csv_.missing == CsvMissing::kMean && fields_[f]->target && !csv_.window))
        reader().fail(text.line, cell.column,
                      text.text.empty()
                          ? "missing value; say missing: drop, mean, zero, nan or a number"
                          : fmt::format("missing value '{}'; say missing: drop, mean, zero, nan or a number", excerpt(text.text)));
      row_.push_back(csv_.missing == CsvMissing::kZero       ? 0.0f
                     : csv_.missing == CsvMissing::kConstant ? csv_.constant
                                                             : std::numeric_limits<float>::quiet_NaN());
    } else {
      row_.push_back(number(cells, cell.column));
    }
    return true;
  }

  OpenedSource finish() {
    if (rows_->rows == 0) throw FileError(fmt::format("{}: missing: drop left no rows of {}", describe_paths(paths_), dropped_));
    rows_->spill.finish();
    OpenedSource opened;
    for (size_t f = 0; f < plan_.size(); ++f) {
      const CsvField& spec = *fields_[f];
      StoredColumn column;
      if (f == class_field_) {
        column.renumber = classes_->sort();
        column.field = {spec.name, DType::kInt32, {}, true, classes_->names()};
        rows_->columns.push_back(std::move(column));
        continue;
      }
      column.field = {spec.name, texts_[f] ? DType::kInt32 : DType::kFloat32, {elements_[f]}, spec.target, {}};
      if (texts_[f]) {
        texts_[f]->finish();
        column.field.texts = texts_[f];
        rows_->columns.push_back(std::move(column));
        continue;
      }
      for (const Cell& cell : plan_[f])
        if (cell.one_hot && one_hot_[cell.column]->values.empty())
          column.field.vocabularies.push_back({one_hot_[cell.column]->key, *cell.one_hot});
      if (!spec.target) {
        column.scale = csv_.rescale;
        column.offset = csv_.offset;
        apply_shape(column.field, csv_.shape, describe_paths(paths_));
      }
      if (csv_.missing == CsvMissing::kMean) opened.impute.push_back(spec.name);
      rows_->columns.push_back(std::move(column));
    }
    if (csv_.window)
      add_windows(opened);
    else
      opened.dataset = make_stored_dataset(rows_);
    if (dropped_)
      opened.notes.push_back(
          fmt::format("{}: {} of {} rows dropped for missing values", describe_paths(paths_), dropped_, dropped_ + rows_->rows));
    return opened;
  }

  void add_windows(OpenedSource& opened) {
    Window window = *csv_.window;
    if (inputs_only_) window.horizon = 0;  // the last window is what comes after the series
    if (times_) times_->finish();
    opened.ordered = true;
    opened.series = make_layout(series_, window, times_, csv_.anomalies);
    opened.dataset = make_window_dataset(rows_, opened.series);
    for (size_t s = 0; s < paths_.size(); ++s)
      if (opened.series->windows_of(s) == 0)
        throw FileError(fmt::format("{}: {} rows are too few for a window of length {}{} + horizon {}", printable(paths_[s]),
                                    series_[s].end - series_[s].begin, window.length,
                                    window.gap ? fmt::format(" + gap {}", window.gap) : "", window.horizon));
    if (backward_ > 0)
      opened.notes.push_back(
          fmt::format("{}: {} rows are earlier than the row before them, the first here; rows stay in the order of the file",
                      backward_place_, backward_));
    std::vector<TimeRange> excluded = csv_.excluded;
    excluded.insert(excluded.end(), csv_.anomalies.begin(), csv_.anomalies.end());
    if (excluded.empty() || inputs_only_) return;
    opened.excluded = [layout = opened.series, ranges = std::move(excluded)](int64_t w) {
      const IndexRange rows = layout->rows_of(w);
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const int64_t time = layout->time_of(row);
        if (std::any_of(ranges.begin(), ranges.end(), [time](const TimeRange& r) { return r.meets({time, time}); })) return true;
      }
      return false;
    };
  }

  const CsvSpec& csv_;
  std::vector<std::string> paths_;
  std::optional<OpenCsv> file_;  // being read
  const std::vector<Field>* training_;
  const OpenOptions& options_;
  bool inputs_only_;
  std::vector<const CsvField*> fields_;
  std::vector<std::shared_ptr<TextStore>> texts_;  // by field; null where it holds no texts
  size_t width_ = 0;
  std::vector<std::string> header_;
  std::map<size_t, const CsvOneHot*> one_hot_;  // by column
  std::map<const CsvOneHot*, std::vector<std::string>> values_of_;
  std::vector<std::vector<Cell>> plan_;  // per field
  std::vector<int64_t> elements_;        // per field and row
  std::optional<size_t> class_field_, time_column_;
  std::optional<ClassNames> classes_;
  std::vector<float> row_;  // of all fields; a class number by its bits
  std::shared_ptr<StoredRows> rows_;
  std::shared_ptr<Spill> times_;
  int64_t last_time_ = 0, backward_ = 0;  // rows earlier than the one before
  std::string backward_place_;            // of the first of them
  std::vector<IndexRange> series_;        // rows of each file read so far
  int64_t dropped_ = 0;
};

class CsvSource : public Source {
 public:
  explicit CsvSource(CsvSpec csv) : csv_(std::move(csv)) {}
  OpenedSource open(const OpenOptions& options) const override { return CsvTable(csv_, options).read(); }

 private:
  CsvSpec csv_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  return std::make_shared<CsvSource>(read_csv_spec(reader, base_dir));
}

}  // namespace

const SourceFormat kCsvFormat{"csv", ".csv .csv.gz .tsv .data", parse};

}  // namespace dl
