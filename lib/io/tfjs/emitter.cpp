#include "io/tfjs/emitter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"

namespace dl::tfjs {
namespace {

using spec::Node;

constexpr std::string_view kRecurrent[] = {"SimpleRNN", "LSTM", "GRU", "Bidirectional"};
constexpr std::string_view kMerges[] = {"Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"};
constexpr std::string_view kPassing[] = {"Dropout", "SpatialDropout1D",  "Dense",        "Activation",         "ReLU",
                                         "PReLU",   "GaussianNoise",     "AlphaDropout", "BatchNormalization", "GaussianDropout",
                                         "Masking", "LayerNormalization"};
// Layers that give integers for integers.
constexpr std::string_view kUntyped[] = {"Reshape",    "Permute",       "Flatten", "RepeatVector", "Concatenate",
                                         "Cropping2D", "ZeroPadding2D", "Dropout", "Activation"};

template <size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool flag(const Node& config, std::string_view key) {
  const Node* value = config.find(key);
  return value && *value == Node::boolean(true);
}

}  // namespace

Node shape_node(const Shape& shape) {
  std::vector<Node> sizes;
  for (const Dim size : shape) sizes.push_back(size.known() ? Node::integer(size.value()) : Node());
  return Node::list(std::move(sizes));
}

std::string Emitter::unique_name(std::string_view wanted) {
  std::string name(wanted);
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 128 || (!std::isalnum(byte) && c != '-' && c != '.' && c != '_')) c = '_';
  }
  if (name.empty() || !std::isalnum(static_cast<unsigned char>(name[0]))) name = "layer" + name;
  std::string unique = name;
  for (int i = 1; names_.contains(unique); ++i) unique = fmt::format("{}_{}", name, i);
  return unique;
}

Ref Emitter::add_input(const std::string& name, const Shape& shape, DType dtype) {
  OutLayer layer;
  layer.name = unique_name(name);
  layer.class_name = "InputLayer";
  const DType held = is_float(dtype) ? DType::kFloat32 : dtype == DType::kBool ? DType::kBool : DType::kInt32;
  layer.config =
      Node::map({{"batch_input_shape", shape_node(shape)}, {"dtype", Node::string(name_of(held))}, {"sparse", Node::boolean(false)}});
  names_[layer.name] = layers_.size();
  layers_.push_back(std::move(layer));
  Ref ref;
  ref.layer = layers_.size() - 1;
  ref.shape = shape;
  ref.dtype = held;
  return ref;
}

void Emitter::begin_call(size_t layer, const std::string& name, bool trainable, MaskState used, MaskState made) {
  model_layer_ = layer;
  weighted_ = 0;
  base_ = name;
  trainable_ = trainable;
  used_ = used;
  made_ = made;
}

void Emitter::check_mask(const OutLayer& layer, const std::vector<Ref>& inputs) {
  if (!keeps_masks_ || !is_one_of(layer.class_name, kRecurrent)) return;
  const MaskState expected = layer.wrapped > 0 ? MaskState() : used_;
  const MaskState found = layer.wrapped > 0 ? MaskState() : inputs[0].mask;
  if (found != expected || found.kind == MaskState::kBroken) throw UserError("works with a mask that TF.js loses or computes otherwise");
  if (found.kind == MaskState::kNone) unmasked_.push_back(layer.name);
}

MaskState Emitter::mask_after(const OutLayer& layer, const std::vector<Ref>& inputs) const {
  if (layer.wrapped > 0) return inputs[0].mask;
  if (layer.class_name == "Embedding") return flag(layer.config, "mask_zero") ? made_ : MaskState();
  if (layer.class_name == "Masking") return made_;
  if (is_one_of(layer.class_name, kRecurrent)) {
    const Node* inner = layer.config.find("layer");
    const Node* config = inner ? inner->find("config") : &layer.config;
    return config && flag(*config, "return_sequences") ? inputs[0].mask : MaskState();
  }
  if (is_one_of(layer.class_name, kMerges)) {
    const bool masked = std::any_of(inputs.begin(), inputs.end(), [](const Ref& in) { return in.mask.kind != MaskState::kNone; });
    return masked ? MaskState{MaskState::kBroken, {}} : MaskState();
  }
  return is_one_of(layer.class_name, kPassing) ? inputs[0].mask : MaskState();
}

// TF.js frees a value that one layer takes twice before its other users have seen it.
std::vector<Ref> Emitter::without_repeats(std::vector<Ref> inputs) {
  for (size_t i = 1; i < inputs.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (inputs[i].layer == inputs[k].layer && inputs[i].node == inputs[k].node && inputs[i].tensor == inputs[k].tensor) {
        const Node config = Node::map({{"activation", Node::string("linear")}});
        inputs[i] = apply("copy", "Activation", config, {}, {inputs[i]}, {inputs[i].shape})[0];
      }
  return inputs;
}

std::vector<Ref> Emitter::apply(std::string_view piece, std::string_view class_name, Node config, std::vector<OutWeight> weights,
                                const std::vector<Ref>& given, const std::vector<Shape>& shapes) {
  const std::vector<Ref> inputs = without_repeats(given);
  size_t index = layers_.size();
  if (!weights.empty()) index = shared_.emplace(std::pair(model_layer_, weighted_++), index).first->second;
  if (index == layers_.size()) {
    OutLayer layer;
    layer.name = unique_name(piece.empty() ? base_ : fmt::format("{}_{}", base_, piece));
    layer.class_name = class_name;
    layer.config = std::move(config);
    layer.weights = std::move(weights);
    layer.outputs = shapes.size();
    // What combines several inputs element by element needs no wrapper.
    layer.wrapped = inputs.size() == 1 ? wrapped_ : 0;
    layer.trainable = trainable_;
    names_[layer.name] = index;
    layers_.push_back(std::move(layer));
  }
  OutLayer& layer = layers_[index];
  DL_CHECK(layer.class_name == class_name, "pieces of a shared layer differ");
  check_mask(layer, inputs);
  layer.nodes.push_back(inputs);
  std::vector<Ref> outputs;
  const MaskState mask = mask_after(layer, inputs);
  has_masks_ |= mask.kind != MaskState::kNone;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const DType dtype = is_one_of(class_name, kUntyped) ? inputs[0].dtype : DType::kFloat32;
    outputs.push_back({index, layer.nodes.size() - 1, i, shapes[i], dtype, mask});
  }
  return outputs;
}

void Emitter::rename(const Ref& ref, const std::string& name) {
  OutLayer& layer = layers_[ref.layer];
  if (layer.name == name) return;
  names_.erase(layer.name);
  if (const auto other = names_.find(name); other != names_.end()) {
    std::swap(layer.name, layers_[other->second].name);
    names_[layers_[other->second].name] = other->second;
  } else {
    layer.name = name;
  }
  names_[layer.name] = ref.layer;
}

const MaskSource* Emitter::mask_source() const {
  if (keeps_masks_ || used_.kind == MaskState::kNone) return nullptr;
  const auto found = sources_.find(used_.source);
  if (found == sources_.end()) throw UserError("works with a mask that cannot be written for TF.js");
  return &found->second;
}

std::vector<std::string> Emitter::misled_layers() const { return has_masks_ ? unmasked_ : std::vector<std::string>(); }

}  // namespace dl::tfjs
