// Losses as graph builders, with Keras's names, aliases, keys and numbers. A loss maps (y_true, y_pred) to a scalar: the mean
// over batch and all axes that are left after the loss's own reduction (Keras: sum_over_batch_size), weighted by the mask.
// Who uses it: train and eval. Everything is computed in float32 (float64 for float64 models), whatever the layers use.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/var.h"
#include "layers/config.h"
#include "spec/reader.h"

namespace dl {

// Operands of a loss, of equal rank and in the loss's type. y_true is an integer for sparse losses.
struct LossCall {
  const Config& config;
  Var y_true, y_pred;
};

struct LossDef {
  const char* name;        // "mean_squared_error"
  const char* class_name;  // "MeanSquaredError"
  std::vector<const char*> aliases;
  std::vector<ConfigKey> keys;
  bool sparse = false;            // y_true holds class indices and lacks the last axis of y_pred
  Var (*build)(const LossCall&);  // one value per sample (and further axes)
};
std::span<const LossDef* const> loss_table();  // every row of losses.def

// A validated loss; `expression` is set instead of `def` for {expression: "..."}.
struct Loss {
  const LossDef* def = nullptr;
  Config config;
  std::string expression;
  std::string name() const { return def ? def->name : "expression"; }
};
// "mse", {Huber: {delta: 2}}, {expression: "square(y_true - y_pred)"}.
Loss read_loss(const spec::Node& node, const std::string& path, spec::Problems& problems);

// `loss:` (one for all outputs, a list, or a map from output names) and `loss_weights:` (a list or map; null: all 1).
struct OutputLoss {
  Loss loss;
  double weight = 1;
};
std::vector<OutputLoss> read_losses(const spec::Node& loss, const spec::Node* weights, std::span<const std::string> output_names,
                                    const std::string& path, spec::Problems& problems);

// The type that the targets should have for predictions of this type: class indices int64 [batch, ...] for sparse losses, else
// float32 (float64) of the same shape.
TensorType target_type(const Loss& loss, const TensorType& y_pred);

// One value per sample: y_pred's shape without the last axis. When y_pred is the result of a softmax or sigmoid, the
// crossentropies start from its logits, as Keras does on TensorFlow: same numbers, but no loss of digits near 0 and 1.
Var loss_per_sample(const Loss& loss, Var y_true, Var y_pred);
// The scalar. mask and sample_weight may be invalid; both broadcast from [batch] or [batch, time].
Var build_loss(const Loss& loss, Var y_true, Var y_pred, Var mask = {}, Var sample_weight = {});

// What softmax or sigmoid made y_pred (casts in between are looked through); invalid when nothing did.
Var find_logits(Var y_pred, const std::string& op_name);

}  // namespace dl
