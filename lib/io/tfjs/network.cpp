#include "io/tfjs/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "io/tfjs/call.h"
#include "layers/build.h"
#include "layers/graph_layer.h"

namespace dl::tfjs {
namespace {

using spec::Node;

// Layers that give other numbers for masked steps, here or in TF.js.
constexpr std::string_view kRecurrent[] = {"SimpleRNN", "LSTM", "GRU", "RNN", "Bidirectional"};
constexpr std::string_view kMaskUsers[] = {"GlobalAveragePooling1D",
                                           "Attention",
                                           "AdditiveAttention",
                                           "MultiHeadAttention",
                                           "GroupQueryAttention",
                                           "Softmax",
                                           "Maximum",
                                           "Minimum",
                                           "Add",
                                           "Subtract",
                                           "Multiply",
                                           "Average",
                                           "TimeDistributed"};
// Layers that take integers as they are; others of TF.js want floats.
constexpr std::string_view kTakeIntegers[] = {"Embedding",   "Reshape",   "Permute",       "Flatten",    "RepeatVector",
                                              "Concatenate", "Rescaling", "Normalization", "Cropping1D", "Cropping2D",
                                              "Cropping3D",  "Identity",  "Dropout"};

template <size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

MaskState state_of(const MaskedVar& value) { return value.mask.valid() ? MaskState{MaskState::kOwn, value.mask.value} : MaskState(); }

class Lowering {
 public:
  explicit Lowering(const SavedModel& saved) : saved_(saved), model_(saved.model) {}

  Network run() {
    if (graph_of(model_)) {
      net_.problems.push_back("the model consists of operators, not of layers; TF.js holds layers only");
      return std::move(net_);
    }
    built_ = build_model(model_, graph_, registry_, {});
    if (!built_.states.empty()) net_.problems.push_back("stateful layers are not written to TF.js; set stateful: false");
    net_.emitter.set_keeps_masks(needs_masks());
    for (const ModelInput& input : model_.inputs) add_input(input);
    results_.resize(model_.calls.size());
    names_.resize(model_.calls.size());
    first_layers_.resize(model_.calls.size());
    for (size_t i = 0; i < model_.calls.size(); ++i) add_call(i);
    if (net_.problems.empty()) add_outputs();
    if (net_.problems.empty())
      for (const std::string& name : net_.emitter.misled_layers())
        net_.problems.push_back(fmt::format(
            "layer '{}': has no mask in a model where other layers have one; TF.js would give it that mask. Leave masks out", name));
    return std::move(net_);
  }

 private:
  const MaskedVar& value_of(const ModelRef& ref) const { return built_.calls[ref.index].outputs.at(ref.output); }
  MaskState mask_of(const ModelRef& ref) const { return ref.is_input ? MaskState() : state_of(value_of(ref)); }

  // Whether TF.js has to handle masks: not where nothing depends on one, nor where those who do can take it as numbers.
  bool needs_masks() const {
    for (const LayerCall& call : model_.calls) {
      const Layer& layer = *model_.layers[call.layer];
      if ((!is_one_of(layer.def->class_name, kRecurrent) && !uses_mask(call)) || takes_mask_as_numbers(layer)) continue;
      for (const ModelRef& ref : call.inputs)
        if (mask_of(ref).kind != MaskState::kNone) return true;
    }
    return false;
  }

  // What GRU with reset_after is rewritten to.
  static bool takes_mask_as_numbers(const Layer& layer) {
    const std::string_view name = layer.def->class_name;
    if (name == "Bidirectional")
      return std::all_of(layer.children.begin(), layer.children.end(),
                         [](const auto& child) { return takes_mask_as_numbers(*child.second); });
    return name == "GRU" && layer.config.flag("reset_after");
  }

  void add_mask_source(const LayerCall& call, const Layer& layer, const CallTrace& trace, const std::vector<Ref>& inputs) {
    const MaskState made = state_of(trace.outputs[0]);
    if (made.kind == MaskState::kNone) return;
    if (layer.def->class_name == std::string_view("Embedding") && layer.config.flag("mask_zero"))
      net_.emitter.add_mask_source(made.source, {inputs[0], true, layer.config.integer("input_dim"), 0});
    if (layer.def->class_name == std::string_view("Masking") && mask_of(call.inputs[0]).kind == MaskState::kNone)
      net_.emitter.add_mask_source(made.source, {inputs[0], false, 0, layer.config.real("mask_value")});
  }

  // Whether a mask of an input changes what the layer gives. Merges look at masks for Maximum and Minimum only.
  bool uses_mask(const LayerCall& call) const {
    const Layer& layer = *model_.layers[call.layer];
    const std::string_view name = layer.def->class_name;
    if (name == "TimeDistributed") {
      const auto child = layer.children.find("layer");
      return child != layer.children.end() &&
             (is_one_of(child->second->def->class_name, kRecurrent) || is_one_of(child->second->def->class_name, kMaskUsers));
    }
    if (name == "Add" || name == "Subtract" || name == "Multiply" || name == "Average") return false;
    return is_one_of(name, kMaskUsers);
  }

  void add_input(const ModelInput& input) {
    inputs_.push_back(net_.emitter.add_input(input.name, input.shape, input.dtype));
    net_.inputs.push_back(inputs_.back());
  }

  std::vector<WeightPlace> weights_of(const std::string& layer) const {
    std::vector<WeightPlace> places;
    for (const Weight& weight : registry_.weights())
      if (weight.layer == layer) places.push_back({weight.parameter.name, weight.object});
    return places;
  }

  void add_call(size_t index) {
    const LayerCall& call = model_.calls[index];
    const Layer& layer = *model_.layers[call.layer];
    // What comes after something that was refused is not looked at.
    for (const ModelRef& ref : call.inputs)
      if (!ref.is_input && results_[ref.index].empty()) return;
    try {
      results_[index] = lower(index, call, layer);
    } catch (const UserError& error) {
      net_.problems.push_back(fmt::format("layer '{}' ({}): {}", call.name, layer.def->class_name, error.what()));
    }
  }

  void check_layer(const LayerCall& call, const Layer& layer) const {
    if (!layer.dtype.empty() && layer.dtype != "float32")
      throw UserError(fmt::format("computes in {}, TF.js in float32 only", layer.dtype));
    if (!uses_mask(call)) return;
    for (const ModelRef& ref : call.inputs)
      if (mask_of(ref).kind != MaskState::kNone) throw UserError("takes a mask into account, which TF.js does not there");
  }

  std::vector<Ref> lower(size_t index, const LayerCall& call, const Layer& layer) {
    const std::string_view class_name = layer.def->class_name;
    const Lower function = find_lowering(class_name);
    if (!function) throw UserError("is not known to TF.js and cannot be rewritten for it");
    check_layer(call, layer);
    std::vector<WeightPlace> places = weights_of(layer.name);
    for (const WeightPlace& place : places)
      if (const Tensor& value = saved_.weights.at(place.parameter); value.dtype() != DType::kFloat32)
        throw UserError(fmt::format("has weights of type {}, TF.js computes in float32", name_of(value.dtype())));
    const MaskState used = call.inputs.empty() ? MaskState() : mask_of(call.inputs[0]);
    const std::string name = names_[index] = net_.emitter.unique_name(call.name);
    first_layers_[index] = net_.emitter.layers().size();
    const CallTrace& trace = built_.calls[index];
    net_.emitter.begin_call(call.layer, name, layer.trainable, used, state_of(trace.outputs[0]));
    const Call c(net_.emitter, layer, std::move(places), saved_.weights);
    std::vector<Ref> inputs;
    for (const ModelRef& ref : call.inputs) {
      const Ref& in = ref.is_input ? inputs_[ref.index] : results_[ref.index].at(ref.output);
      inputs.push_back(is_one_of(class_name, kTakeIntegers) ? in : c.to_float(in));
    }
    std::vector<Shape> shapes;
    for (const MaskedVar& output : trace.outputs) shapes.push_back(output.value.shape());
    add_mask_source(call, layer, trace, inputs);
    std::vector<Ref> results = function(c, inputs, shapes);
    DL_CHECK(results.size() == shapes.size(), fmt::format("{} gives {} outputs for {}", class_name, results.size(), shapes.size()));
    for (size_t i = 0; i < results.size(); ++i)
      DL_CHECK(results[i].shape == shapes[i],
               fmt::format("layer '{}' ({}): {} written for {}", call.name, class_name, to_string(results[i].shape), to_string(shapes[i])));
    return results;
  }

  // TF.js calls an output by its layer, and has each only once.
  void add_outputs() {
    std::set<std::pair<size_t, size_t>> seen;
    for (size_t i = 0; i < model_.outputs.size(); ++i) {
      const ModelOutput& output = model_.outputs[i];
      Ref ref = output.ref.is_input ? inputs_[output.ref.index] : results_[output.ref.index].at(output.ref.output);
      const bool again = !seen.insert({ref.layer, ref.node * 1000 + ref.tensor}).second;
      const bool own = !output.ref.is_input && ref.layer >= first_layers_[output.ref.index];
      if (again || !own) {
        net_.emitter.begin_call(model_.layers.size() + i, net_.emitter.unique_name(output.name), true, {}, {});
        ref = net_.emitter.apply("", "Activation", Node::map({{"activation", Node::string("linear")}}), {}, {ref}, {ref.shape})[0];
      } else if (ref.tensor == 0) {
        net_.emitter.rename(ref, names_[output.ref.index]);
      }
      net_.outputs.push_back(ref);
    }
  }

  const SavedModel& saved_;
  const Model& model_;
  Graph graph_;
  WeightRegistry registry_;
  ModelGraph built_;
  Network net_;
  std::vector<Ref> inputs_;
  std::vector<std::vector<Ref>> results_;  // of each call; empty: refused
  std::vector<std::string> names_;         // of each call
  std::vector<size_t> first_layers_;       // the first layer that each call may have added
};

}  // namespace

Network lower_model(const SavedModel& model) { return Lowering(model).run(); }

}  // namespace dl::tfjs
