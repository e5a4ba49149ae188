#include "train/feed.h"

#include <fmt/format.h>

#include "layers/build.h"

namespace dl {
namespace {

std::string describe(const std::vector<Field>& fields, bool target) {
  std::string text;
  for (const Field& f : fields)
    if (f.target == target)
      text += (text.empty() ? "" : ", ") + fmt::format("'{}' {}{}", f.name, name_of(f.dtype), to_string(std::span<const int64_t>(f.dims)));
  return text.empty() ? "none" : text;
}

std::vector<Dim> without_ones(const Shape& shape) {
  std::vector<Dim> result;
  for (size_t i = 1; i < shape.size(); ++i)
    if (!(shape[i] == Dim(1))) result.push_back(shape[i]);
  return result;
}

Dims without_ones(const Dims& dims) {
  Dims result;
  for (int64_t d : dims)
    if (d != 1) result.push_back(d);
  return result;
}

bool fits(const Shape& shape, const Dims& dims) {
  const std::vector<Dim> wanted = without_ones(shape);
  const Dims given = without_ones(dims);
  if (wanted.size() != given.size()) return false;
  for (size_t i = 0; i < given.size(); ++i)
    if (wanted[i].known() && wanted[i].value() != given[i]) return false;
  return true;
}

size_t find_field(const std::string& name, const std::vector<Field>& fields, bool target, bool only, const std::string& weights) {
  size_t candidate = fields.size(), count = 0;
  for (size_t f = 0; f < fields.size(); ++f) {
    if (fields[f].target != target || (!weights.empty() && fields[f].name == weights)) continue;
    if (fields[f].name == name) return f;
    candidate = f;
    ++count;
  }
  if (only && count == 1) return candidate;
  throw UserError(fmt::format("the model's {} '{}' has no field of the data with that name; the data has {}", target ? "output" : "input",
                              name, describe(fields, target)));
}

FeedSlot make_slot(const std::string& name, const TensorType& type, const std::vector<Field>& fields, bool target, bool only,
                   const std::string& weights) {
  const size_t f = find_field(name, fields, target, only, weights);
  if (!fits(type.shape, fields[f].dims)) {
    Shape given = {type.shape.at(0)};
    for (int64_t d : fields[f].dims) given.push_back(d);
    std::string advice;
    if (target && !fields[f].classes.empty() && type.shape.size() > 1)
      advice = "; class numbers go with sparse_categorical_crossentropy";
    else if (target)
      advice = "; change the last layer, the loss, or the columns of y";
    else
      advice = "; change the input's shape in the model, or shape: or columns: of the data";
    throw UserError(fmt::format("{} '{}' of the model takes {}, field '{}' of the data has {}{}", target ? "output" : "input", name,
                                to_string(type.shape), fields[f].name, to_string(given), advice));
  }
  return {name, type, f};
}

}  // namespace

Feed::Feed(const Model& model, const Precision& precision, const std::vector<TensorType>& targets, const std::vector<Field>& fields,
           const std::string& weights)
    : weight_type_(precision.variable), weighted_(!weights.empty()) {
  for (const Field& f : fields) dtypes_.push_back(f.dtype);
  for (const ModelInput& in : model.inputs)
    inputs_.push_back(make_slot(in.name, input_type(in, precision), fields, false, model.inputs.size() == 1, weights));
  for (size_t o = 0; o < targets.size(); ++o)
    targets_.push_back(make_slot(model.outputs[o].name, targets[o], fields, true, targets.size() == 1, weights));
  for (const auto* slots : {&inputs_, &targets_})
    for (const FeedSlot& s : *slots) dtypes_[s.field] = s.type.dtype;
  for (size_t f = 0; weighted_ && f < fields.size(); ++f) {
    if (fields[f].name != weights) continue;
    if (fields[f].row_elements() != 1)
      throw UserError(fmt::format("training.sample_weight: field '{}' of the data has {} numbers per sample, must have one", weights,
                                  fields[f].row_elements()));
    weight_field_ = f;
    dtypes_[f] = weight_type_;
  }
}

void check_class_counts(const Feed& feed, std::span<const TensorType> predictions, const std::vector<Field>& fields) {
  for (size_t o = 0; o < feed.targets().size() && o < predictions.size(); ++o) {
    const FeedSlot& slot = feed.targets()[o];
    const Shape& scores = predictions[o].shape;
    const int64_t classes = static_cast<int64_t>(fields[slot.field].classes.size());
    if (scores.size() != slot.type.shape.size() + 1 || !scores.back().known() || scores.back().value() >= classes) continue;
    throw UserError(fmt::format(
        "output '{}' of the model gives {} score(s) per sample, field '{}' of the data has {} classes; give the last layer {} units",
        slot.name, scores.back().value(), fields[slot.field].name, classes, classes));
  }
}

DatasetPtr Feed::convert(DatasetPtr dataset) const { return cast_fields(std::move(dataset), dtypes_); }

void Feed::tensors(const Batch& batch, std::vector<Tensor>& into) const {
  for (const auto* slots : {&inputs_, &targets_})
    for (const FeedSlot& s : *slots) {
      const Tensor& t = batch.fields[s.field].tensor;
      Tensor typed = t.cast(s.type.dtype);  // shared when the type is right already
      Dims dims = {t.dims()[0]};
      const Dims given = without_ones(Dims(t.dims().begin() + 1, t.dims().end()));
      size_t next = 0;
      for (size_t i = 1; i < s.type.shape.size(); ++i) {
        const Dim d = s.type.shape[i];
        dims.push_back(d == Dim(1) ? 1 : given.at(next++));
      }
      into.push_back(typed.reshaped(dims));
    }
  if (!weighted_) return;
  Tensor weights(weight_type_, {batch.count});
  if (weight_field_) {
    weights = batch.fields[*weight_field_].tensor.cast(weight_type_).reshaped({batch.count});
  } else {
    for (int64_t i = 0; i < batch.count; ++i) weights.set(i, 1);
  }
  into.push_back(weights);
}

}  // namespace dl
