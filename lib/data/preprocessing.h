// What was learned from the training part and must be applied to every other part, to live input, and undone in results:
// means for missing values, standardization, normalization, class names.
// Who uses it: open_data (fits or applies it), checkpoints (as a spec::Node), predict and eval.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "spec/reader.h"

namespace dl {

// y = (x - center) * scale, element e of a sample with entry e % center.size(): one entry per element of the last axis.
// NaN becomes `fill` before, unless fill is empty.
struct FieldScaling {
  std::string field;
  std::vector<double> center, scale, fill;
  // Element number `element` of a sample, or of samples one after the other, with NaN filled.
  double filled(double value, int64_t element) const {
    return std::isnan(value) && !fill.empty() ? fill[static_cast<size_t>(element) % fill.size()] : value;
  }
  friend bool operator==(const FieldScaling&, const FieldScaling&) = default;
};

struct Preprocessing {
  std::vector<Field> fields;  // of the training part, as the source gives them
  spec::Node steps;           // `preprocess:` of the data section (steps.h); they come before the scalings
  std::vector<FieldScaling> scalings;
  bool reconstruct = false;                             // the target y is a copy of the input after all that
  const std::vector<std::string>& class_names() const;  // of the first class target; empty without one
  const FieldScaling* find(std::string_view field) const;
};

spec::Node to_node(const Preprocessing& preprocessing);
Preprocessing read_preprocessing(const spec::Node& node, const std::string& path, spec::Problems& problems);

enum class ScalingKind { kNone, kStandardize, kNormalize };
// Reads all of `training`. Standardize: mean 0, population standard deviation 1; normalize: minimum 0, maximum 1; per element of
// the last axis, NaN left out; a constant element only has its center removed. impute: also the mean as `fill`.
FieldScaling fit_scaling(const Dataset& training, size_t field, ScalingKind kind, bool impute);

// `base` with the scalings of its fields applied; fields without one pass through.
DatasetPtr apply_scalings(DatasetPtr base, const std::vector<FieldScaling>& scalings);
// Steps, scalings and, unless `inputs_only`, the reconstruction target.
DatasetPtr apply_preprocessing(DatasetPtr base, const Preprocessing& preprocessing, bool inputs_only = false);

// The input that `reconstruct:` copies, the first one. UserError when the source has a target y already.
const Field& reconstructed_field(const std::vector<Field>& fields);

// Predictions back in the units of the data: x = y / scale + center; float64 as it is, other floats in float32.
Tensor undo_scaling(const Tensor& values, const FieldScaling& scaling);

}  // namespace dl
