// Losses as graph builders, with Keras's names, aliases, keys and numbers; a family is a file of layers/losses/. A loss maps
// (y_true, y_pred) to values per sample, and these to a scalar by Keras's `reduction`, weighted by the mask and by sample weights.
// Who uses it: train and eval. Everything is computed in float32 (float64 for float64 models), whatever the layers use.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/var.h"
#include "layers/config.h"
#include "spec/reader.h"

namespace dl {

// What a loss wants of its targets.
enum class LossTarget : uint8_t {
  kSame,      // a value for each prediction
  kClass,     // class indices, without the axis of the classes
  kGroup,     // any integers, without the last axis
  kSequence,  // integers [batch, any length]
};

// Operands of a loss, in the loss's type and, for kSame, of equal rank. y_true is int64 for the other kinds.
struct LossCall {
  const Config& config;
  Var y_true, y_pred;
  Var* mask;  // set to a bool Var where only some of the values count
};

struct LossDef {
  const char* name;        // "mean_squared_error"
  const char* class_name;  // "MeanSquaredError"
  std::vector<const char*> aliases = {};
  std::vector<ConfigKey> keys = {};
  LossTarget target = LossTarget::kSame;
  void (*check)(const Config& config, spec::Reader& reader) = nullptr;
  Var (*build)(const LossCall&) = nullptr;  // one value per sample (and further axes), or one in all
};
std::span<const LossDef* const> loss_table();  // every row of losses.def

// How values become the loss: their mean, their sum, or their weighted sum over the sum of the weights.
enum class Reduction : uint8_t { kMean, kSum, kWeightedMean };

// A validated loss; `expression` is set instead of `def` for {expression: "..."}.
struct Loss {
  const LossDef* def = nullptr;
  Config config;
  std::string expression;
  Reduction reduction = Reduction::kMean;
  bool takes_classes() const { return def && def->target == LossTarget::kClass; }
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

// The type that the targets should have for predictions of this type: int64 for losses that take classes or other integers, else
// float32 (float64) of the same shape.
TensorType target_type(const Loss& loss, const TensorType& y_pred);

struct LossValues {
  Var values;
  Var mask;  // bool; invalid: all count
};
// One value per sample, mostly: y_pred's shape without the last axis. When y_pred is the result of a softmax or sigmoid, the
// crossentropies start from its logits, as Keras does on TensorFlow: same numbers, but no loss of digits near 0 and 1.
// `inputs`: further names that an expression may use, those of the model's inputs: grad(y_pred, x).
LossValues loss_per_sample(const Loss& loss, Var y_true, Var y_pred, const std::map<std::string, Var>& inputs = {});
// The scalar. mask and sample_weight may be invalid; both broadcast from [batch] or [batch, time].
Var build_loss(const Loss& loss, Var y_true, Var y_pred, Var mask = {}, Var sample_weight = {},
               const std::map<std::string, Var>& inputs = {});

// What softmax or sigmoid made y_pred (casts in between are looked through); invalid when nothing did.
Var find_logits(Var y_pred, const std::string& op_name);

}  // namespace dl
