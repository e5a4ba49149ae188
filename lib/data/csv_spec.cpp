#include "data/csv_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/paths.h"
#include "data/timestamp.h"

namespace dl {
namespace {

constexpr std::string_view kMissingNames[] = {"error", "drop", "mean", "zero", "nan"};

std::optional<CsvColumn> read_column(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  if (node.is_string()) return CsvColumn{node.as_string(), -1};
  if (node.kind() == spec::Kind::kInt && node.as_int() >= 0) return CsvColumn{"", node.as_int()};
  problems.add(node.place(), path, "expected a column name or a column number from 0");
  return {};
}

std::vector<CsvColumn> read_columns(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  std::vector<CsvColumn> columns;
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
void read_fields(spec::Reader& columns, std::string_view key, bool target, std::vector<CsvField>& fields) {
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
  const spec::IntRange sizes{1, int64_t{1} << 31}, more{0, int64_t{1} << 31};
  const Window window{reader.get_int("length", {}, sizes), reader.get_int("horizon", 1, more), reader.get_int("stride", 1, sizes),
                      reader.get_int("gap", 0, more)};
  reader.finish();
  return window;
}

// [[from, to], ...]
std::vector<TimeRange> read_times(spec::Reader& reader, std::string_view key, const CsvSpec& csv) {
  std::vector<TimeRange> times;
  const spec::Node* node = reader.get(key);
  if (!node) return times;
  const auto bad = [&] { reader.report(key, "expected a list of pairs of times, such as [[2014-02-07 14:55, 2014-02-09 14:05]]"); };
  if (!csv.time) reader.report(key, "needs time:, the column that holds the times");
  if (!csv.window) reader.report(key, "needs window:");
  if (!node->is_list()) {
    bad();
    return times;
  }
  for (const spec::Node& pair : node->items()) {
    const bool strings = pair.is_list() && pair.items().size() == 2 && pair.items()[0].is_string() && pair.items()[1].is_string();
    const auto from = strings ? parse_timestamp(pair.items()[0].as_string()) : std::nullopt;
    const auto to = strings ? parse_timestamp(pair.items()[1].as_string()) : std::nullopt;
    if (!from || !to || *from > *to) {
      bad();
      return times;
    }
    times.push_back({*from, *to});
  }
  return times;
}

void read_one_hot(spec::Reader& reader, CsvSpec& csv) {
  static constexpr std::string_view kUnknown[] = {"error", "zeros"};
  const bool zeros = reader.get_choice("unknown", kUnknown, "error") == "zeros";
  const spec::Node* node = reader.get("one_hot");
  if (!node) return;
  if (!node->is_map())
    return reader.report("one_hot", "expected a map from column to its list of values or learn, such as {sex: [F, I, M], town: learn}");
  spec::Reader map(*node, reader.path_of("one_hot"), reader.problems());
  for (const auto& [key, child] : node->entries()) {
    CsvOneHot one{{key, -1}, key, {}, zeros};
    if (!child.is_string() || child.as_string() != "learn") one.values = map.get_strings(key);
    if (child.is_list() && child.items().empty()) map.report(key, "an empty list; give the values, or learn");
    if (!csv.header && !key.empty() && std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; }) && key.size() < 10)
      one.column = {"", std::stoll(key)};
    csv.one_hot.push_back(std::move(one));
  }
  if (csv.paths.size() == 1 && csv.paths[0] == "-" &&
      std::any_of(csv.one_hot.begin(), csv.one_hot.end(), [](const CsvOneHot& o) { return o.values.empty(); }))
    reader.report("one_hot", "learn reads the data twice, which standard input does not allow; list the values");
}

void read_missing(spec::Reader& reader, CsvSpec& csv) {
  const spec::Node* node = reader.has("missing") ? reader.get("missing") : nullptr;
  if (node && node->is_number()) {
    csv.missing = CsvMissing::kConstant;
    csv.constant = static_cast<float>(reader.get_float("missing", {}, {-3e38, 3e38}));
    return;
  }
  const std::string missing = reader.get_choice("missing", kMissingNames, "error");
  csv.missing = static_cast<CsvMissing>(std::find(std::begin(kMissingNames), std::end(kMissingNames), missing) - std::begin(kMissingNames));
}

void check(spec::Reader& reader, const CsvSpec& csv) {
  std::vector<std::string> names;
  int64_t targets = 0;
  bool by_name = false;
  for (const CsvField& field : csv.fields) {
    if (std::find(names.begin(), names.end(), field.name) != names.end())
      reader.report("columns", fmt::format("two fields are named '{}'", field.name));
    names.push_back(field.name);
    if (field.target) targets += static_cast<int64_t>(field.columns.size());
    for (const CsvColumn& column : field.columns) by_name = by_name || column.number < 0;
  }
  if (by_name && !csv.header) reader.report("columns", "columns are named, but header: false; give their numbers from 0");
  if (csv.classes.given && targets != 1) reader.report("classes", fmt::format("needs exactly one target column, found {}", targets));
  if (csv.window && csv.classes.given) reader.report("classes", "cannot be combined with window:");
  if (csv.window && csv.missing == CsvMissing::kDrop)
    reader.report("missing", "drop would tear holes into the series of window:; use error, mean, zero, nan or a number");
  if (csv.window && csv.window->horizon == 0 && targets > 0) reader.report("window", "horizon: 0 has no target; leave y out");
}

}  // namespace

CsvSpec read_csv_spec(spec::Reader& reader, const std::string& base_dir) {
  CsvSpec csv;
  csv.paths = read_paths(reader, "path", base_dir);
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
  if (std::none_of(csv.fields.begin(), csv.fields.end(), [](const CsvField& f) { return !f.target; }))
    csv.fields.insert(csv.fields.begin(), {"x", false, true, {}});
  csv.classes = read_classes(reader, "classes");
  read_one_hot(reader, csv);
  read_missing(reader, csv);
  if (const spec::Node* window = reader.get("window")) {
    csv.window = read_window(*window, reader.path_of("window"), reader.problems());
    // A series predicts itself unless told otherwise.
    if (csv.window->horizon > 0 && csv.fields.size() == 1 && !csv.fields[0].target) {
      CsvField target = csv.fields[0];
      target.name = std::string("y");
      target.target = true;
      csv.fields.push_back(target);
    }
  }
  if (const spec::Node* time = reader.get("time")) {
    csv.time = read_column(*time, reader.path_of("time"), reader.problems());
    if (!csv.window) reader.report("time", "needs window:; it says when the rows of a series were");
  }
  csv.excluded = read_times(reader, "exclude", csv);
  csv.anomalies = read_times(reader, "anomalies", csv);
  csv.shape = read_shape(reader, "shape");
  csv.rescale = read_scale(reader, "rescale", 1);
  csv.offset = read_scale(reader, "offset", 0);
  check(reader, csv);
  return csv;
}

}  // namespace dl
