#include "data/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace dl {
namespace {

constexpr std::string_view kSplitNames[] = {"random", "last"};
constexpr int64_t kSplitEpoch = -1;  // the random split is the order of an epoch that no training reaches

PartSpec parse_part(spec::Reader& data, std::string_view key, const std::string& base_dir) {
  PartSpec part;
  const spec::Node* node = data.get(key);
  if (!node || node->is_null()) return part;
  const std::string path = data.path_of(key);
  if (!node->find("split")) {
    part.source = parse_source(*node, path, base_dir, data.problems());
    return part;
  }
  spec::Reader reader(*node, path, data.problems());
  SplitSpec split;
  split.fraction = reader.get_float("split", {}, {0, 1, true, true});
  if (reader.has("by")) split.random = reader.get_choice("by", kSplitNames) == "random";
  reader.finish();
  part.split = split;
  return part;
}

// Cuts the end off `order`.
std::vector<int64_t> cut(std::vector<int64_t>& order, int64_t count) {
  std::vector<int64_t> part(order.end() - count, order.end());
  order.resize(order.size() - static_cast<size_t>(count));
  return part;
}

struct Parts {
  DatasetPtr train, validation, test;
};

Parts split_parts(const DataSpec& spec, const OpenedSource& opened) {
  Parts parts;
  parts.train = opened.dataset;
  if (!spec.validation.split && !spec.test.split) return parts;
  const int64_t n = opened.dataset->size();
  const auto count_of = [&](const PartSpec& part) { return part.split ? std::llround(part.split->fraction * static_cast<double>(n)) : 0; };
  const int64_t validation = count_of(spec.validation), test = count_of(spec.test);
  if (validation + test >= n || (spec.validation.split && validation == 0) || (spec.test.split && test == 0))
    throw UserError(fmt::format("{}: splitting {} samples leaves {} for training, {} for validation, {} for test; every part needs one",
                                to_string(spec.place), n, n - validation - test, validation, test));
  const PartSpec& first = spec.validation.split ? spec.validation : spec.test;
  const bool random = first.split->random.value_or(!opened.ordered);
  if (!random) {
    parts.train = slice(opened.dataset, 0, n - validation - test);
    if (validation) parts.validation = slice(opened.dataset, n - validation - test, n - test);
    if (test) parts.test = slice(opened.dataset, n - test, n);
    return parts;
  }
  std::vector<int64_t> order = epoch_order(n, spec.seed, kSplitEpoch);
  std::vector<int64_t> test_order = cut(order, test), validation_order = cut(order, validation);
  for (auto* o : {&order, &validation_order, &test_order}) std::sort(o->begin(), o->end());
  parts.train = select(opened.dataset, std::move(order));
  if (validation) parts.validation = select(opened.dataset, std::move(validation_order));
  if (test) parts.test = select(opened.dataset, std::move(test_order));
  return parts;
}

void fit(const DataSpec& spec, const OpenedSource& opened, const Dataset& training, Preprocessing& result) {
  const std::vector<Field>& fields = training.fields();
  const auto contains = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto* names : {&spec.standardize, &spec.normalize}) {
    for (const std::string& name : *names) {
      const char* key = names == &spec.standardize ? "standardize" : "normalize";
      const Field* field = find_field(fields, name);
      std::vector<std::string_view> known;
      for (const Field& f : fields) known.push_back(f.name);
      if (!field)
        throw UserError(fmt::format("{}: data.{}: no field '{}'{}", to_string(spec.place), key, name, spec::suggestion(name, known)));
      if (field->dtype != DType::kFloat32 && field->dtype != DType::kFloat64)
        throw UserError(fmt::format("{}: data.{}: field '{}' holds {} and cannot be scaled", to_string(spec.place), key, name,
                                    field->classes.empty() ? name_of(field->dtype) : "class numbers"));
    }
  }
  for (size_t f = 0; f < fields.size(); ++f) {
    const ScalingKind kind = contains(spec.standardize, fields[f].name) ? ScalingKind::kStandardize
                             : contains(spec.normalize, fields[f].name) ? ScalingKind::kNormalize
                                                                        : ScalingKind::kNone;
    const bool impute = contains(opened.impute, fields[f].name);
    if (kind != ScalingKind::kNone || impute) result.scalings.push_back(fit_scaling(training, f, kind, impute));
  }
}

void check_fields(const std::vector<Field>& fields, const std::vector<Field>& training, bool inputs_only) {
  for (const Field& want : training) {
    if (inputs_only && want.target) continue;
    const Field* have = find_field(fields, want.name);
    if (!have) throw UserError(fmt::format("field '{}' of the training part is missing here", want.name));
    if (have->dims != want.dims || have->dtype != want.dtype)
      throw UserError(fmt::format("field '{}' is {} {} here, but {} {} in training", want.name, name_of(have->dtype),
                                  to_string(std::span<const int64_t>(have->dims)), name_of(want.dtype),
                                  to_string(std::span<const int64_t>(want.dims))));
  }
}

}  // namespace

DataSpec parse_data(const spec::Node& node, const std::string& path, const std::string& base_dir, spec::Problems& problems) {
  DataSpec data;
  data.place = node.place();
  spec::Reader reader(node, path, problems);
  if (const spec::Node* train = reader.get("train"))
    data.train = parse_source(*train, reader.path_of("train"), base_dir, problems);
  else
    reader.report("train", "required: the source of the training samples");
  data.validation = parse_part(reader, "validation", base_dir);
  data.test = parse_part(reader, "test", base_dir);
  const std::optional<SplitSpec>&v = data.validation.split, &t = data.test.split;
  if (v && t && v->random != t->random) reader.report("test", "by: must be the same for both splits of one source");
  if (v && t && v->fraction + t->fraction >= 1)
    reader.report("test", "the two splits leave nothing for training; their sum must be below 1");
  data.seed = static_cast<uint64_t>(reader.get_int("seed", 0, {0}));
  data.shuffle = reader.get_bool("shuffle", true);
  data.workers = static_cast<int>(reader.get_int("workers", 2, {0, 256}));
  data.prefetch = static_cast<int>(reader.get_int("prefetch", 4, {1, 1024}));
  data.standardize = reader.get_strings("standardize", std::vector<std::string>{});
  data.normalize = reader.get_strings("normalize", std::vector<std::string>{});
  for (const std::string& name : data.normalize)
    if (std::find(data.standardize.begin(), data.standardize.end(), name) != data.standardize.end())
      reader.report("normalize", fmt::format("'{}' is standardized already; choose one", name));
  reader.finish();
  return data;
}

DatasetPtr open_part(const Source& source, const Preprocessing& learned, bool inputs_only, std::vector<std::string>* notes) {
  OpenedSource opened = source.open({&learned.fields, inputs_only});
  check_fields(opened.dataset->fields(), learned.fields, inputs_only);
  if (notes) notes->insert(notes->end(), opened.notes.begin(), opened.notes.end());
  return apply_scalings(std::move(opened.dataset), learned.scalings);
}

Data open_data(const DataSpec& spec, const Preprocessing* learned) {
  DL_CHECK(spec.train, "a data section without a training source");
  Data data;
  OpenedSource opened = spec.train->open({learned ? &learned->fields : nullptr, false});
  if (learned) check_fields(opened.dataset->fields(), learned->fields, false);
  data.notes = opened.notes;
  const Parts parts = split_parts(spec, opened);
  if (learned) {
    data.preprocessing = *learned;
  } else {
    data.preprocessing.fields = parts.train->fields();
    fit(spec, opened, *parts.train, data.preprocessing);
  }
  const auto prepare = [&](const PartSpec& part, const DatasetPtr& split, const char* name) -> DatasetPtr {
    if (split) return apply_scalings(split, data.preprocessing.scalings);
    if (!part.source) return nullptr;
    try {
      return open_part(*part.source, data.preprocessing, false, &data.notes);
    } catch (UserError& e) {
      e.add_context(fmt::format("data.{}", name));
      throw;
    }
  };
  data.train = apply_scalings(parts.train, data.preprocessing.scalings);
  data.validation = prepare(spec.validation, parts.validation, "validation");
  data.test = prepare(spec.test, parts.test, "test");
  return data;
}

}  // namespace dl
