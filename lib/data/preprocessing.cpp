#include "data/preprocessing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "data/source.h"
#include "data/steps.h"

namespace dl {
namespace {

double load(const std::byte* row, DType dtype, int64_t i) {
  return dtype == DType::kFloat32 ? static_cast<double>(reinterpret_cast<const float*>(row)[i]) : reinterpret_cast<const double*>(row)[i];
}

void store(std::byte* row, DType dtype, int64_t i, double value) {
  if (dtype == DType::kFloat32)
    reinterpret_cast<float*>(row)[i] = static_cast<float>(value);
  else
    reinterpret_cast<double*>(row)[i] = value;
}

class ScaledDataset : public Decorator {
 public:
  ScaledDataset(DatasetPtr base, const std::vector<FieldScaling>& scalings) : Decorator(std::move(base)) {
    for (size_t f = 0; f < base_->fields().size(); ++f)
      for (const FieldScaling& s : scalings)
        if (s.field == base_->fields()[f].name) {
          check(base_->fields()[f], s);
          work_.push_back({f, base_->fields()[f].row_elements(), s});
        }
  }
  const FieldScaling* scaling(size_t field) const override {
    for (const Work& work : work_)
      if (work.field == field) return &work.scaling;
    return base_->scaling(field);
  }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    if (!base_->get(index, rows, draw)) return false;
    for (const Work& work : work_) {
      const DType dtype = base_->fields()[work.field].dtype;
      const FieldScaling& s = work.scaling;
      const size_t period = s.center.size();
      for (int64_t i = 0; i < work.elements; ++i) {
        const size_t e = static_cast<size_t>(i) % period;
        const double value = s.filled(load(rows[work.field], dtype, i), i);
        store(rows[work.field], dtype, i, (value - s.center[e]) * s.scale[e]);
      }
    }
    return true;
  }

 private:
  struct Work {
    size_t field;
    int64_t elements;
    FieldScaling scaling;
  };

  static void check(const Field& field, const FieldScaling& s) {
    const size_t period = s.center.size();
    const bool sizes = period > 0 && s.scale.size() == period && (s.fill.empty() || s.fill.size() == period);
    if (!sizes || field.row_elements() % static_cast<int64_t>(period) != 0)
      throw FileError(fmt::format("field '{}' of shape {} does not fit the {} scalings learned in training", field.name,
                                  to_string(std::span<const int64_t>(field.dims)), period));
    DL_CHECK(field.dtype == DType::kFloat32 || field.dtype == DType::kFloat64, "scaled field is no float");
  }

  std::vector<Work> work_;
};

class Reconstruction : public Decorator {
 public:
  explicit Reconstruction(DatasetPtr base) : Decorator(std::move(base)), fields_(base_->fields()) {
    const Field& x = reconstructed_field(fields_);
    from_ = static_cast<size_t>(&x - fields_.data());
    Field y{"y", x.dtype, x.dims, true, {}};
    fields_.push_back(std::move(y));
  }
  const std::vector<Field>& fields() const override { return fields_; }
  const FieldScaling* scaling(size_t field) const override { return base_->scaling(field + 1 == fields_.size() ? from_ : field); }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    if (!base_->get(index, rows.first(rows.size() - 1), draw)) return false;
    std::memcpy(rows.back(), rows[from_], fields_[from_].row_bytes());
    return true;
  }

 private:
  std::vector<Field> fields_;
  size_t from_ = 0;
};

// One element of the last axis over all samples (Welford).
struct Moments {
  int64_t count = 0;
  double mean = 0, square = 0;
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double x) {
    if (std::isnan(x)) return;
    ++count;
    const double delta = x - mean;
    mean += delta / static_cast<double>(count);
    square += delta * (x - mean);
    low = std::min(low, x);
    high = std::max(high, x);
  }
};

std::vector<double> read_doubles(spec::Reader& reader, std::string_view key) {
  std::vector<double> values;
  const spec::Node* node = reader.get(key);
  if (!node) return values;
  if (!node->is_list()) {
    reader.report(key, "expected a list of numbers");
    return values;
  }
  for (const spec::Node& item : node->items()) {
    if (item.is_number())
      values.push_back(item.as_double());
    else
      reader.report(key, "expected a list of numbers");
  }
  return values;
}

spec::Node numbers(const std::vector<double>& values) {
  std::vector<spec::Node> items;
  for (const double v : values) items.push_back(spec::Node::real(v));
  return spec::Node::list(std::move(items));
}

}  // namespace

const std::vector<std::string>& Preprocessing::class_names() const {
  static const std::vector<std::string> kNoNames;
  for (const Field& field : fields)
    if (field.target && !field.classes.empty()) return field.classes;
  return kNoNames;
}

const FieldScaling* Preprocessing::find(std::string_view field) const {
  for (const FieldScaling& s : scalings)
    if (s.field == field) return &s;
  return nullptr;
}

const Field& reconstructed_field(const std::vector<Field>& fields) {
  if (find_field(fields, "y")) throw UserError("data.reconstruct: the source has a field y already; leave its target out");
  for (const Field& field : fields)
    if (!field.target) return field;
  throw UserError("data.reconstruct: the source has no input");
}

FieldScaling fit_scaling(const Dataset& training, size_t f, ScalingKind kind, bool impute) {
  const Field& field = training.fields()[f];
  const size_t period = field.dims.empty() ? 1 : static_cast<size_t>(field.dims.back());
  std::vector<Moments> moments(period);
  std::vector<std::vector<double>> buffers;  // double: aligned for every dtype
  std::vector<std::byte*> rows;
  for (const Field& any : training.fields()) buffers.emplace_back(any.row_bytes() / sizeof(double) + 1);
  for (std::vector<double>& buffer : buffers) rows.push_back(reinterpret_cast<std::byte*>(buffer.data()));
  const int64_t elements = field.row_elements();
  for (int64_t i = 0; i < training.size(); ++i) {
    if (!training.get(i, rows)) continue;
    for (int64_t e = 0; e < elements; ++e) moments[static_cast<size_t>(e) % period].add(load(rows[f], field.dtype, e));
  }
  FieldScaling scaling;
  scaling.field = field.name;
  for (const Moments& m : moments) {
    const double deviation = m.count ? std::sqrt(m.square / static_cast<double>(m.count)) : 0;
    const double range = m.count ? m.high - m.low : 0;
    const double spread = kind == ScalingKind::kStandardize ? deviation : kind == ScalingKind::kNormalize ? range : 1;
    scaling.center.push_back(kind == ScalingKind::kStandardize ? m.mean : kind == ScalingKind::kNormalize && m.count ? m.low : 0);
    scaling.scale.push_back(spread > 0 ? 1 / spread : 1);
    if (impute) scaling.fill.push_back(m.mean);
  }
  return scaling;
}

DatasetPtr apply_scalings(DatasetPtr base, const std::vector<FieldScaling>& scalings) {
  if (scalings.empty()) return base;
  return std::make_shared<ScaledDataset>(std::move(base), scalings);
}

DatasetPtr apply_preprocessing(DatasetPtr base, const Preprocessing& preprocessing, bool inputs_only) {
  base = apply_scalings(apply_steps(std::move(base), preprocessing.steps, inputs_only), preprocessing.scalings);
  if (!preprocessing.reconstruct || inputs_only) return base;
  return std::make_shared<Reconstruction>(std::move(base));
}

Tensor undo_scaling(const Tensor& values, const FieldScaling& scaling) {
  DL_CHECK(is_float(values.dtype()) && !scaling.center.empty(), "only floats are scaled");
  const auto undo = [&]<class T>(const Tensor& from, T) {
    Tensor result(from.dtype(), from.dims());
    const size_t period = scaling.center.size();
    size_t e = 0;
    for (int64_t i = 0; i < result.size(); ++i, e = e + 1 == period ? 0 : e + 1)
      result.data<T>()[i] = static_cast<T>(static_cast<double>(from.data<T>()[i]) / scaling.scale[e] + scaling.center[e]);
    return result;
  };
  return values.dtype() == DType::kFloat64 ? undo(values, double{}) : undo(values.cast(DType::kFloat32), float{});
}

spec::Node to_node(const Preprocessing& preprocessing) {
  using spec::Node;
  std::vector<Node> fields, scalings;
  for (const Field& field : preprocessing.fields) {
    std::vector<Node> dims, classes;
    for (const int64_t d : field.dims) dims.push_back(Node::integer(d));
    for (const std::string& name : field.classes) classes.push_back(Node::string(name));
    Node::Map vocabularies;
    for (const Field::Vocabulary& v : field.vocabularies) {
      std::vector<Node> values;
      for (const std::string& value : v.values) values.push_back(Node::string(value));
      vocabularies.emplace_back(v.key, Node::list(std::move(values)));
    }
    fields.push_back(Node::map({{"name", Node::string(field.name)},
                                {"dtype", Node::string(name_of(field.dtype))},
                                {"dims", Node::list(std::move(dims))},
                                {"target", Node::boolean(field.target)},
                                {"classes", Node::list(std::move(classes))},
                                {"vocabularies", Node::map(std::move(vocabularies))}}));
  }
  for (const FieldScaling& s : preprocessing.scalings)
    scalings.push_back(Node::map(
        {{"field", Node::string(s.field)}, {"center", numbers(s.center)}, {"scale", numbers(s.scale)}, {"fill", numbers(s.fill)}}));
  return Node::map({{"fields", Node::list(std::move(fields))},
                    {"steps", preprocessing.steps},
                    {"scalings", Node::list(std::move(scalings))},
                    {"reconstruct", Node::boolean(preprocessing.reconstruct)}});
}

Preprocessing read_preprocessing(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  Preprocessing result;
  spec::Reader reader(node, path, problems);
  const auto each = [&](std::string_view key, auto read) {
    const spec::Node* list = reader.get(key);
    if (!list || !list->is_list()) return reader.report(key, "expected a list");
    for (size_t i = 0; i < list->items().size(); ++i) {
      spec::Reader item(list->items()[i], fmt::format("{}[{}]", reader.path_of(key), i), problems);
      read(item);
      item.finish();
    }
  };
  each("fields", [&](spec::Reader& item) {
    Field field;
    field.name = item.get_string("name");
    const auto dtype = parse_dtype(item.get_string("dtype"));
    if (!dtype) item.report("dtype", "unknown dtype");
    field.dtype = dtype.value_or(DType::kFloat32);
    field.dims = item.get_ints("dims", {}, {0, int64_t{1} << 40});
    field.target = item.get_bool("target");
    field.classes = item.get_strings("classes");
    if (const spec::Node* learned = item.get("vocabularies"); learned && learned->is_map()) {
      spec::Reader map(*learned, item.path_of("vocabularies"), problems);
      for (const auto& [key, values] : learned->entries()) field.vocabularies.push_back({key, map.get_strings(key)});
    }
    result.fields.push_back(std::move(field));
  });
  if (const spec::Node* steps = reader.get("steps")) {
    check_steps(*steps, reader.path_of("steps"), problems);
    result.steps = *steps;
  }
  each("scalings", [&](spec::Reader& item) {
    FieldScaling s;
    s.field = item.get_string("field");
    s.center = read_doubles(item, "center");
    s.scale = read_doubles(item, "scale");
    s.fill = read_doubles(item, "fill");
    if (s.center.empty() || s.scale.size() != s.center.size() || (!s.fill.empty() && s.fill.size() != s.center.size()))
      item.report("center", "center, scale and fill must have the same length");
    result.scalings.push_back(std::move(s));
  });
  result.reconstruct = reader.get_bool("reconstruct", false);
  reader.finish();
  return result;
}

}  // namespace dl
