#include "data/source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/file.h"
#include "data/number.h"

namespace dl {

std::string read_path(spec::Reader& reader, std::string_view key, const std::string& base_dir) {
  const std::string path = reader.get_string(key);
  if (path.empty() && reader.has(key)) reader.report(key, "an empty path; expected a file name");
  return path.empty() ? path : resolve_path(base_dir, path);
}

double read_scale(spec::Reader& reader, std::string_view key, double fallback) {
  const spec::Node* node = reader.get(key);
  if (!node) return fallback;
  if (!node->is_string()) return reader.get_float(key, fallback);
  const std::string& text = node->as_string();
  const size_t slash = text.find('/');
  double a = 0, b = 0;
  if (slash != std::string::npos && parse_number(text.substr(0, slash), a) == NumberKind::kNumber &&
      parse_number(text.substr(slash + 1), b) == NumberKind::kNumber && b != 0 && std::isfinite(a / b))
    return a / b;
  reader.report(key, fmt::format("'{}' is not a number; expected a number or a fraction such as 1/255", text));
  return fallback;
}

Dims read_shape(spec::Reader& reader, std::string_view key) {
  if (!reader.has(key)) return {};
  return reader.get_ints(key, {}, {1, int64_t{1} << 31});
}

void apply_shape(Field& field, const Dims& shape, const std::string& place) {
  if (shape.empty()) return;
  if (element_count(shape) != field.row_elements())
    throw UserError(fmt::format("{}: field '{}' has {} elements per sample {}, which do not fit shape: {}", place, field.name,
                                field.row_elements(), to_string(std::span<const int64_t>(field.dims)),
                                to_string(std::span<const int64_t>(shape))));
  field.dims = shape;
}

ClassSpec read_classes(spec::Reader& reader, std::string_view key) {
  ClassSpec classes;
  const spec::Node* node = reader.get(key);
  if (!node) return classes;
  classes.given = true;
  if (node->kind() == spec::Kind::kBool && node->as_bool()) {
    classes.distinct = true;
  } else if (node->kind() == spec::Kind::kBool) {
    classes.given = false;
  } else if (node->kind() == spec::Kind::kInt) {
    classes.count = reader.get_int(key, {}, {2, 1 << 24});
    classes.names = number_names(std::max<int64_t>(classes.count, 2));
  } else if (node->is_list()) {
    for (const spec::Node& item : node->items()) {
      if (item.is_string())
        classes.names.push_back(item.as_string());
      else if (item.kind() == spec::Kind::kInt)
        classes.names.push_back(std::to_string(item.as_int()));
      else
        reader.problems().add(item.place(), reader.path_of(key),
                              fmt::format("a class name must be a string, found {}", name_of(item.kind())));
    }
    classes.count = static_cast<int64_t>(classes.names.size());
    if (classes.count < 2) reader.report(key, "needs at least two classes");
    std::vector<std::string> sorted = classes.names;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) reader.report(key, fmt::format("class '{}' is listed twice", *twice));
  } else {
    reader.report(key, fmt::format("expected true, a number of classes or a list of names, found {}", name_of(node->kind())));
  }
  return classes;
}

std::vector<std::string> number_names(int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

const Field* find_field(const std::vector<Field>& fields, std::string_view name) {
  for (const Field& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

ArrayColumn make_class_column(const std::string& name, const Tensor& values, const ClassSpec& classes, const std::vector<Field>* training,
                              const std::string& place) {
  constexpr int64_t kMaxNamed = 100'000;
  const Field* trained = training ? find_field(*training, name) : nullptr;
  int64_t largest = -1;
  Tensor numbers(DType::kInt32, {values.size()});
  const int64_t limit = trained && !trained->classes.empty() ? static_cast<int64_t>(trained->classes.size())
                        : classes.count                      ? classes.count
                                                             : int64_t{1} << 31;
  for (int64_t i = 0; i < values.size(); ++i) {
    const double value = values.at(i);
    if (!(value >= 0 && value < static_cast<double>(limit)) || value != std::floor(value))
      throw FileError(fmt::format("{}: '{}' of sample {} is {}, not a class number from 0 to {}", place, name, i, value, limit - 1));
    numbers.data<int32_t>()[i] = static_cast<int32_t>(value);
    largest = std::max(largest, static_cast<int64_t>(value));
  }
  ArrayColumn column{{name, DType::kInt32, {}, true, {}}, std::move(numbers), 1, 0};
  if (trained)
    column.field.classes = trained->classes;
  else if (!classes.names.empty())
    column.field.classes = classes.names;
  else if (largest < kMaxNamed)
    column.field.classes = number_names(largest + 1);
  return column;
}

}  // namespace dl
