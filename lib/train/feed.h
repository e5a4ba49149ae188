// Feed: which field of the data goes to which input and output of the model, and the batches in the model's types.
// Who uses it: the training loop, evaluation, prediction, bench.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/loader.h"
#include "graph/program.h"
#include "layers/model.h"

namespace dl {

// A model input or target and the dataset field that feeds it.
struct FeedSlot {
  std::string name;
  TensorType type;  // with a symbolic batch
  size_t field = 0;
};

class Feed {
 public:
  // Matches by name; a single input (target) takes the single input (target) field whatever its name. Shapes must agree up
  // to axes of size 1. UserError naming both sides, and what is there.
  Feed(const Model& model, const Precision& precision, const std::vector<TensorType>& targets, const std::vector<Field>& fields);

  // The dataset with its fields in the types that the model takes.
  DatasetPtr convert(DatasetPtr dataset) const;
  // Tensors of a batch in the order inputs, targets.
  void tensors(const Batch& batch, std::vector<Tensor>& into) const;

  const std::vector<FeedSlot>& inputs() const { return inputs_; }
  const std::vector<FeedSlot>& targets() const { return targets_; }

 private:
  std::vector<FeedSlot> inputs_, targets_;
  std::vector<DType> dtypes_;  // by dataset field
};

// `predictions`: type of each output, in the order of feed.targets(). UserError where class numbers of the data have no score in the
// output.
void check_class_counts(const Feed& feed, std::span<const TensorType> predictions, const std::vector<Field>& fields);

}  // namespace dl
