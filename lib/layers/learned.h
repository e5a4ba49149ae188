// What layers learn from the training data before a model can be built, since it decides shapes: the borders of Discretization, the
// vocabulary of IntegerLookup. It is written into the config of the layer, as if the user had given it.
// Who uses it: train/adapt.cpp learns, the trainer and the reader of checkpoints set what was learned.
// Statistics that are weights (Normalization) are a matter of layers_to_adapt in model.h.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "layers/model.h"
#include "tensor/tensor.h"

namespace dl {

// Takes all training data once, batch after batch of whole samples, in bounded memory. How the data falls into batches makes no difference.
class Learner {
 public:
  virtual ~Learner() = default;
  virtual void add(const Tensor& batch) = 0;  // UserError where the data cannot be learned from
  virtual const char* keys() const = 0;       // that a user can give instead
  virtual spec::Node finish() = 0;            // the keys of the config and their values
};
// The layer is kept by reference. As Keras's adapt of all data at once; beyond `chunk` numbers, as of batches of that many. num_bins,
// epsilon.
std::unique_ptr<Learner> make_bin_learner(const Layer& layer, int64_t chunk = int64_t{1} << 24);
// max_tokens, num_oov_indices, mask_token, oov_token, output_mode.
std::unique_ptr<Learner> make_integer_learner(const Layer& layer);

struct LearnRequest {
  std::string layer;
  ModelRef input;  // whose data to take: model_up_to(model, input)
  std::unique_ptr<Learner> learner;
};
// The first layer, in the order of calls, that has to learn; nullopt: none.
std::optional<LearnRequest> next_to_learn(const Model& model);
// Has this layer still to learn? Building it would fail.
bool must_learn(const Layer& layer);

// The model's tree with `learned`, {layer: {key: value}}, in it. Names are those of `model`, which was parsed from the tree.
spec::Node with_learned(const spec::Node& tree, const Model& model, const spec::Node& learned);

}  // namespace dl
