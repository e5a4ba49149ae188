// What the files of losses/ share: Keras's numbers, keys and axes. Private to lib/layers/losses.
#pragma once

#include <string>
#include <vector>

#include "layers/losses.h"

namespace dl {

#define DL_LOSS(name) extern const LossDef loss_##name;
#include "layers/losses.def"
#undef DL_LOSS

inline constexpr double kLossEpsilon = 1e-7;  // Keras's fuzz factor

Var clip_probability(Var p);
// Probabilities that sum to 1 along the axis, away from 0 and 1.
Var normalized_probability(Var p, int64_t axis = -1);
// x / its length along the axis, which is at least the fuzz factor.
Var unit_vectors(Var x, int64_t axis);
// The logits that softmax or sigmoid made y_pred of, or y_pred where the key from_logits says so; else invalid.
Var logits_of(const LossCall& call, const char* op_name);
// With the key label_smoothing towards 1 / classes (last axis of y_true), or towards one half.
Var smooth_classes(const LossCall& call);
Var smooth_binary(const LossCall& call);

ConfigKey from_logits_key();
ConfigKey smoothing_key();
ConfigKey axis_key();                   // one axis, default -1
ConfigKey optional_axes_key();          // null (all), one or several
int64_t axis_of(const LossCall& call);  // counted from 0
std::vector<int64_t> axes_of(const LossCall& call);
// The axis moved to the end.
Var with_last(Var x, int64_t axis);

}  // namespace dl
