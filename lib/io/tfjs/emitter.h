// The model that is being written: TF.js layers with their weights and connections, as Keras 2 would describe them.
// Who uses it: the lowerings (call.h, lower_*.cpp) add to it, write.cpp writes it.
// It knows one quirk of TF.js that decides what may stand in a model: a mask, once there, is given to every recurrent layer that runs
// later and has none of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "spec/node.h"
#include "tensor/dim.h"
#include "tensor/tensor.h"

namespace dl::tfjs {

// A weight to be written; `make` is called when its turn comes.
struct OutWeight {
  std::string leaf;  // "kernel"
  Dims dims;
  std::function<Tensor()> make;
};

// Which mask TF.js keeps with a value: one of the program's masks, or none, or one that it computes wrongly.
struct MaskState {
  enum { kNone, kOwn, kBroken } kind = kNone;
  dl::Value source = {};
  friend bool operator==(const MaskState&, const MaskState&) = default;
};

// A value of the written model.
struct Ref {
  size_t layer = 0, node = 0, tensor = 0;
  Shape shape;  // with the batch; inside of TimeDistributed without the time
  DType dtype = DType::kFloat32;
  MaskState mask = {};
};

// From what a mask can be computed as numbers: steps count where an index is not 0, or where any feature is not `value`.
struct MaskSource {
  Ref input;
  bool indices = false;
  int64_t count = 0;  // of different indices
  double value = 0;
};

struct OutLayer {
  std::string name, class_name;
  spec::Node config;
  std::vector<OutWeight> weights;
  std::vector<std::vector<Ref>> nodes;  // the inputs of each call; an InputLayer has none
  size_t outputs = 1;
  size_t wrapped = 0;  // in so many TimeDistributed
  bool trainable = true;
};

class Emitter {
 public:
  // A name that TF.js takes and that is not in use: what it does not take becomes '_'.
  std::string unique_name(std::string_view wanted);
  Ref add_input(const std::string& name, const Shape& shape, DType dtype);

  // The layer of the model that is lowered now. Calls of one layer share the pieces with weights.
  // `used`: the mask of its first input; `made`: that of its first output.
  void begin_call(size_t layer, const std::string& name, bool trainable, MaskState used, MaskState made);
  // Adds a layer, or a call of it. `piece`: "" for what carries the layer's name.
  std::vector<Ref> apply(std::string_view piece, std::string_view class_name, spec::Node config, std::vector<OutWeight> weights,
                         const std::vector<Ref>& inputs, const std::vector<Shape>& shapes);
  // Gives the layer behind `ref` this name, which unique_name once gave; another layer that has it by now gets that layer's.
  void rename(const Ref& ref, const std::string& name);

  void wrap() { ++wrapped_; }
  void unwrap() { --wrapped_; }
  size_t wrapped() const { return wrapped_; }
  // Whether TF.js is to handle masks. Else there are none in the written model: they are of no use, or given as numbers.
  void set_keeps_masks(bool keeps) { keeps_masks_ = keeps; }
  void add_mask_source(dl::Value mask, MaskSource source) { sources_[mask] = std::move(source); }
  // Of the mask that the model's layer works with; null where it has none. UserError where it cannot be computed.
  const MaskSource* mask_source() const;
  bool keeps_masks() const { return keeps_masks_; }

  const std::vector<OutLayer>& layers() const { return layers_; }
  // Recurrent layers that would be given a mask that is not theirs, by name.
  std::vector<std::string> misled_layers() const;

 private:
  std::vector<Ref> without_repeats(std::vector<Ref> inputs);
  MaskState mask_after(const OutLayer& layer, const std::vector<Ref>& inputs) const;
  void check_mask(const OutLayer& layer, const std::vector<Ref>& inputs);

  std::vector<OutLayer> layers_;
  std::map<std::string, size_t> names_;  // of layers_
  std::map<std::pair<size_t, size_t>, size_t> shared_;
  size_t model_layer_ = 0, weighted_ = 0, wrapped_ = 0;
  std::string base_;
  bool trainable_ = true, keeps_masks_ = true, has_masks_ = false;
  MaskState used_, made_;
  std::vector<std::string> unmasked_;
  std::map<dl::Value, MaskSource> sources_;
};

// [null, 28, 28, 1]
spec::Node shape_node(const Shape& shape);

}  // namespace dl::tfjs
