// The npy, npz and hdf5 formats: arrays whose first axis counts the samples. Options in config.h.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/file.h"
#include "data/npy.h"
#include "data/source.h"
#include "hdf5/hdf5_file.h"

namespace dl {
namespace {

constexpr std::string_view kDTypeNames[] = {"float32", "float64", "int32", "int64", "uint8", "bool"};

struct ArrayRef {
  std::string field;
  std::string array;  // the path of an .npy file, or the name within the file
};

struct ArraySpec {
  std::string path;  // of the .npz or HDF5 file
  std::vector<ArrayRef> inputs, targets;
  ClassSpec classes;
  Dims shape;
  DType dtype = DType::kFloat32;
  double rescale = 1, offset = 0;
};

using Arrays = std::vector<std::pair<const ArrayRef*, ArrayRows>>;

// An integer target of rank 1 is a class number; other targets are float32.
ArrayColumn make_target(const ArrayRef& ref, ArrayRows rows, const ArraySpec& spec, const std::vector<Field>* training,
                        const std::string& place) {
  const bool column = rows.rank() == 1 || (rows.rank() == 2 && rows.dims()[1] == 1);
  const Field* trained = training ? find_field(*training, ref.field) : nullptr;
  const bool integer = is_integer(rows.dtype()) || rows.dtype() == DType::kBool;
  if (column && (trained ? trained->dtype == DType::kInt32 : integer || spec.classes.given))
    return make_class_column(ref.field, rows.tensor(), spec.classes, training, place);
  Dims dims(rows.dims().begin() + 1, rows.dims().end());
  if (dims.empty()) dims = {1};
  return {{ref.field, DType::kFloat32, std::move(dims), true, {}}, std::move(rows), 1, 0};
}

OpenedSource build(const ArraySpec& spec, Arrays inputs, Arrays targets, const std::vector<Field>* training, const std::string& place) {
  std::vector<ArrayColumn> columns;
  int64_t samples = -1;
  const auto check_rows = [&](const ArrayRef& ref, const ArrayRows& array) {
    if (array.rank() == 0)
      throw FileError(fmt::format("{}: '{}' is a single number; its first axis must count the samples", place, printable(ref.array)));
    const int64_t rows = array.dims()[0];
    if (samples < 0) samples = rows;
    if (rows != samples)
      throw FileError(fmt::format("{}: '{}' holds {} samples, '{}' holds {}", place, printable(ref.array), rows,
                                  printable(inputs[0].first->array), samples));
  };
  for (const auto& [ref, rows] : inputs) check_rows(*ref, rows);
  for (const auto& [ref, rows] : targets) check_rows(*ref, rows);
  if (samples == 0) throw FileError(place + ": holds no samples");
  for (auto& [ref, rows] : inputs) {
    Dims dims(rows.dims().begin() + 1, rows.dims().end());
    if (dims.empty()) dims = {1};
    Field field{ref->field, spec.dtype, std::move(dims), false, {}};
    apply_shape(field, spec.shape, place);
    columns.push_back({std::move(field), std::move(rows), spec.rescale, spec.offset});
  }
  for (auto& [ref, rows] : targets) columns.push_back(make_target(*ref, std::move(rows), spec, training, place));
  return {make_array_dataset(std::move(columns), samples), {}, {}, false};
}

class NpySource : public Source {
 public:
  explicit NpySource(ArraySpec spec) : spec_(std::move(spec)) {}
  OpenedSource open(const OpenOptions& options) const override {
    const auto read = [](const std::vector<ArrayRef>& refs) {
      Arrays arrays;
      for (const ArrayRef& ref : refs) arrays.emplace_back(&ref, read_npy_rows(ref.array));
      return arrays;
    };
    return build(spec_, read(spec_.inputs), options.inputs_only ? Arrays{} : read(spec_.targets), options.training,
                 printable(spec_.inputs[0].array));
  }

 private:
  ArraySpec spec_;
};

class NpzSource : public Source {
 public:
  explicit NpzSource(ArraySpec spec) : spec_(std::move(spec)) {}
  OpenedSource open(const OpenOptions& options) const override {
    std::vector<std::string> names;
    for (const ArrayRef& ref : spec_.inputs) names.push_back(ref.array);
    if (!options.inputs_only)
      for (const ArrayRef& ref : spec_.targets) names.push_back(ref.array);
    const std::map<std::string, ArrayRows> members = read_npz_rows(spec_.path, names);
    const auto pick = [&](const std::vector<ArrayRef>& refs) {
      Arrays arrays;
      for (const ArrayRef& ref : refs) arrays.emplace_back(&ref, members.at(ref.array));
      return arrays;
    };
    return build(spec_, pick(spec_.inputs), options.inputs_only ? Arrays{} : pick(spec_.targets), options.training, printable(spec_.path));
  }

 private:
  ArraySpec spec_;
};

class Hdf5Source : public Source {
 public:
  explicit Hdf5Source(ArraySpec spec) : spec_(std::move(spec)) {}
  OpenedSource open(const OpenOptions& options) const override {
    const std::string place = printable(spec_.path);
    const std::unique_ptr<Hdf5File> file = open_hdf5(spec_.path);
    const auto read = [&](const std::vector<ArrayRef>& refs) {
      Arrays arrays;
      for (const ArrayRef& ref : refs) arrays.emplace_back(&ref, read_dataset(*file, ref.array));
      return arrays;
    };
    return build(spec_, read(spec_.inputs), options.inputs_only ? Arrays{} : read(spec_.targets), options.training, place);
  }

 private:
  static std::unique_ptr<Hdf5File> open_hdf5(const std::string& path) {
    if (path == "-") throw UserError("standard input: HDF5 is read from a file only; save it to one");
    const int fd = open_regular(path);
    struct stat status {};
    std::unique_ptr<Hdf5File> file;
    try {
      if (fstat(fd, &status) != 0 || status.st_size == 0) throw FileError(printable(path) + ": is empty, no HDF5 file");
      file = std::make_unique<Hdf5File>(printable(path), FileRange{fd, 0, static_cast<uint64_t>(status.st_size)});
    } catch (...) {
      ::close(fd);
      throw;
    }
    ::close(fd);
    return file;
  }

  static ArrayRows read_dataset(Hdf5File& file, const std::string& path) {
    constexpr size_t kListed = 20;
    if (!file.dataset(path)) {
      std::vector<std::string> names;
      for (const auto& [name, dataset] : file.datasets()) names.push_back(printable(name));
      const size_t more = names.size() - std::min(names.size(), kListed);
      names.resize(names.size() - more);
      throw FileError(fmt::format("{}: no dataset '{}'; the file holds {}{}", file.name(), printable(path),
                                  names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")),
                                  more ? fmt::format(" and {} more", more) : ""));
    }
    const Hdf5Dataset& dataset = file.begin(path);
    return ArrayRows::read(dataset.dtype, dataset.dims, [&](std::span<std::byte> into) { file.next(into); });
  }

  ArraySpec spec_;
};

// `x: a` is the field "x" from array a; `x: [a, b]` are the fields a and b (npz and hdf5 only); `x: {left: a}` names the fields.
std::vector<ArrayRef> read_arrays(spec::Reader& reader, std::string_view key, bool lists) {
  std::vector<ArrayRef> arrays;
  const spec::Node* node = reader.get(key);
  if (!node) return arrays;
  const auto add = [&](const std::string& field, const spec::Node& child) {
    if (child.is_string() && !child.as_string().empty())
      arrays.push_back({field.empty() ? child.as_string() : field, child.as_string()});
    else
      reader.problems().add(child.place(), reader.path_of(key),
                            fmt::format("expected the name of an array, found {}", name_of(child.kind())));
  };
  if (node->is_map())
    for (const auto& [field, child] : node->entries()) add(field, child);
  else if (node->is_list() && lists)
    for (const spec::Node& child : node->items()) add("", child);
  else
    add(std::string(key), *node);
  for (size_t i = 0; i < arrays.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (arrays[i].field == arrays[j].field) reader.report(key, fmt::format("two fields are named '{}'", arrays[i].field));
  return arrays;
}

void parse_common(spec::Reader& reader, ArraySpec& spec) {
  spec.classes = read_classes(reader, "classes");
  if (spec.classes.given && spec.targets.size() != 1)
    reader.report("classes", fmt::format("needs exactly one target, found {}", spec.targets.size()));
  spec.shape = read_shape(reader, "shape");
  spec.dtype = parse_dtype(reader.get_choice("dtype", kDTypeNames, "float32")).value_or(DType::kFloat32);
  spec.rescale = read_scale(reader, "rescale", 1);
  spec.offset = read_scale(reader, "offset", 0);
}

std::shared_ptr<const Source> parse_npy(spec::Reader& reader, const std::string& base_dir) {
  ArraySpec spec;
  if (!reader.has("x")) reader.report("x", "required: the path of the .npy file with the inputs");
  spec.inputs = read_arrays(reader, "x", false);
  spec.targets = read_arrays(reader, "y", false);
  for (auto* refs : {&spec.inputs, &spec.targets})
    for (ArrayRef& ref : *refs) ref.array = resolve_path(base_dir, ref.array);
  parse_common(reader, spec);
  return std::make_shared<NpySource>(std::move(spec));
}

ArraySpec parse_members(spec::Reader& reader, const std::string& base_dir) {
  ArraySpec spec;
  spec.path = read_path(reader, "path", base_dir);
  spec.inputs = read_arrays(reader, "x", true);
  spec.targets = read_arrays(reader, "y", true);
  if (!reader.has("x")) spec.inputs = {{"x", "x"}};
  parse_common(reader, spec);
  return spec;
}

std::shared_ptr<const Source> parse_npz(spec::Reader& reader, const std::string& base_dir) {
  return std::make_shared<NpzSource>(parse_members(reader, base_dir));
}

std::shared_ptr<const Source> parse_hdf5(spec::Reader& reader, const std::string& base_dir) {
  ArraySpec spec = parse_members(reader, base_dir);
  for (auto* refs : {&spec.inputs, &spec.targets})
    for (ArrayRef& ref : *refs) ref.array.erase(0, ref.array.find_first_not_of('/'));
  return std::make_shared<Hdf5Source>(std::move(spec));
}

}  // namespace

const SourceFormat kNpyFormat{"npy", "", parse_npy};
const SourceFormat kNpzFormat{"npz", ".npz", parse_npz};
const SourceFormat kHdf5Format{"hdf5", ".h5 .hdf5", parse_hdf5};

}  // namespace dl
