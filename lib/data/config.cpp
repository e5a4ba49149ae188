#include "data/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/steps.h"
#include "data/text_steps.h"
#include "data/timestamp.h"

namespace dl {
namespace {

constexpr std::string_view kSplitNames[] = {"random", "last", "class"};
PartSpec parse_part(spec::Reader& data, std::string_view key, const std::string& base_dir) {
  PartSpec part;
  const spec::Node* node = data.get(key);
  if (!node || node->is_null()) return part;
  const std::string path = data.path_of(key);
  if (!node->find("split") && !node->find("after")) {
    part.source = parse_source(*node, path, base_dir, data.problems());
    return part;
  }
  spec::Reader reader(*node, path, data.problems());
  SplitSpec split;
  if (reader.has("after")) {
    split.after = parse_timestamp(reader.get_string("after"));
    if (!split.after) reader.report("after", "expected a time such as 2016-01-01 or \"2014-02-07 14:55:00\"");
  } else {
    split.fraction = reader.get_float("split", {}, {0, 1, true, true});
  }
  if (reader.has("by")) {
    const std::string by = reader.get_choice("by", kSplitNames);
    split.by = by == "random" ? SplitBy::kRandom : by == "class" ? SplitBy::kClass : SplitBy::kLast;
  }
  reader.finish();
  part.split = split;
  return part;
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

// Where the target is a reconstruction the source has none.
void check_fields(const std::vector<Field>& fields, const std::vector<Field>& training, bool inputs_only, bool reconstructed) {
  for (const Field& want : training) {
    if (want.target && (inputs_only || reconstructed)) continue;
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
  if (v && t && v->by != t->by) reader.report("test", "by: must be the same for both splits of one source");
  if (v && t && v->fraction + t->fraction >= 1)
    reader.report("test", "the two splits leave nothing for training; their sum must be below 1");
  data.seed = static_cast<uint64_t>(reader.get_int("seed", 0, {0}));
  data.shuffle = reader.get_bool("shuffle", true);
  data.reconstruct = reader.get_bool("reconstruct", false);
  static constexpr std::string_view kBalances[] = {"none", "oversample"};
  data.oversample = reader.get_choice("balance", kBalances, "none") == "oversample";
  data.workers = static_cast<int>(reader.get_int("workers", 2, {0, 256}));
  data.prefetch = static_cast<int>(reader.get_int("prefetch", 4, {1, 1024}));
  if (const spec::Node* steps = reader.get("preprocess")) {
    data.preprocess = *steps;
    check_steps(*steps, reader.path_of("preprocess"), reader.problems());
  }
  data.standardize = reader.get_strings("standardize", std::vector<std::string>{});
  data.normalize = reader.get_strings("normalize", std::vector<std::string>{});
  for (const std::string& name : data.normalize)
    if (std::find(data.standardize.begin(), data.standardize.end(), name) != data.standardize.end())
      reader.report("normalize", fmt::format("'{}' is standardized already; choose one", name));
  reader.finish();
  return data;
}

namespace {

// Results are in the units of the input.
void add_reconstruction(Preprocessing& preprocessing) {
  const Field& x = reconstructed_field(preprocessing.fields);
  Field y{"y", x.dtype, x.dims, true, {}};
  if (const FieldScaling* scaling = preprocessing.find(x.name)) {
    FieldScaling copy = *scaling;
    copy.field = "y";
    copy.fill.clear();
    preprocessing.scalings.push_back(std::move(copy));
  }
  preprocessing.fields.push_back(std::move(y));
  preprocessing.reconstruct = true;
}

DatasetPtr balanced(const DataSpec& spec, DatasetPtr train) {
  const std::vector<Field>& fields = train->fields();
  const auto field = std::find_if(fields.begin(), fields.end(), [](const Field& f) { return f.target && !f.classes.empty(); });
  if (field == fields.end()) throw UserError(to_string(spec.place) + ": data.balance: oversample needs a target with classes");
  const auto f = static_cast<size_t>(field - fields.begin());
  return oversample(std::move(train), f);
}
}  // namespace

namespace {
// With `exclude`, without the windows that the source excludes.
DatasetPtr open_prepared(const Source& source, const Preprocessing& learned, bool inputs_only, bool exclude,
                         std::vector<std::string>* notes) {
  OpenedSource opened = source.open({&learned.fields, inputs_only, text_fields(learned.steps)});
  check_fields(opened.dataset->fields(), learned.fields, inputs_only, learned.reconstruct);
  if (notes) notes->insert(notes->end(), opened.notes.begin(), opened.notes.end());
  if (!exclude) opened.excluded = nullptr;
  return apply_preprocessing(split_parts(opened, {}, {}, 0, "").train, learned, inputs_only);
}
}  // namespace

DatasetPtr open_part(const Source& source, const Preprocessing& learned, bool inputs_only, std::vector<std::string>* notes) {
  return open_prepared(source, learned, inputs_only, false, notes);
}

Data open_data(const DataSpec& spec, const Preprocessing* learned) {
  DL_CHECK(spec.train, "a data section without a training source");
  Data data;
  OpenedSource opened = spec.train->open({learned ? &learned->fields : nullptr, false, text_fields(spec.preprocess)});
  if (learned) check_fields(opened.dataset->fields(), learned->fields, false, learned->reconstruct);
  data.notes = opened.notes;
  Parts parts = split_parts(opened, spec.validation.split, spec.test.split, spec.seed, to_string(spec.place));
  if (learned) {
    data.preprocessing = *learned;
  } else {
    data.preprocessing.fields = parts.train->fields();
    data.preprocessing.steps = learn_texts(*parts.train, spec.preprocess);
    fit(spec, opened, *apply_steps(parts.train, data.preprocessing.steps), data.preprocessing);
    if (spec.reconstruct) add_reconstruction(data.preprocessing);
  }
  if (spec.oversample) parts.train = balanced(spec, parts.train);
  const auto prepare = [&](const PartSpec& part, const DatasetPtr& split, const char* name) -> DatasetPtr {
    if (split) return apply_preprocessing(split, data.preprocessing);
    if (!part.source) return nullptr;
    try {
      return open_prepared(*part.source, data.preprocessing, false, &part == &spec.validation, &data.notes);
    } catch (UserError& e) {
      e.add_context(fmt::format("data.{}", name));
      throw;
    }
  };
  data.train = apply_preprocessing(parts.train, data.preprocessing);
  data.validation = prepare(spec.validation, parts.validation, "validation");
  data.test = prepare(spec.test, parts.test, "test");
  return data;
}

}  // namespace dl
