// Feed: which field of the data goes to which input and output of the model, and the batches in the model's types.
// Who uses it: the training loop, evaluation, prediction, bench.
#pragma once

#include <optional>
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
  // `weights`: the field with the samples' weights, or "".
  Feed(const Model& model, const Precision& precision, const std::vector<TensorType>& targets, const std::vector<Field>& fields,
       const std::string& weights = "");

  // The dataset with its fields in the types that the model takes.
  DatasetPtr convert(DatasetPtr dataset) const;
  // Tensors of a batch in the order inputs, targets, and the weights, which are 1 where the data has none.
  void tensors(const Batch& batch, std::vector<Tensor>& into) const;

  const std::vector<FeedSlot>& inputs() const { return inputs_; }
  const std::vector<FeedSlot>& targets() const { return targets_; }

 private:
  std::vector<FeedSlot> inputs_, targets_;
  DType weight_type_ = DType::kFloat32;
  bool weighted_ = false;
  std::optional<size_t> weight_field_;
  std::vector<DType> dtypes_;  // by dataset field
};

// `predictions`: type of each output, in the order of feed.targets(). UserError where class numbers of the data have no score in the
// output.
void check_class_counts(const Feed& feed, std::span<const TensorType> predictions, const std::vector<Field>& fields);

}  // namespace dl
