// LayerDef: everything known about one layer class, as data and plain functions; one constant per class, defined in
// layers/<layer>.cpp and listed in layers/layers.def. LayerContext is what its `build` works with.
// Who uses it: model parsing and building, the man page, importers and exporters.
// Weights appear in the order of add_weight; Keras's order is trainable ones first, then the others (WeightRegistry).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "graph/program.h"
#include "graph/var.h"
#include "layers/config.h"

namespace dl {

// A value with the mask that Keras would attach to it: bool [batch, time], invalid when there is none.
struct MaskedVar {
  Var value;
  Var mask;
};

enum class Mode { kInference, kTraining };

// Types of Keras's dtype policy: variables are stored in `variable`, layers compute in `compute`.
struct Precision {
  DType variable = DType::kFloat32;
  DType compute = DType::kFloat32;
};
// "float32", "float64", "bfloat16" (variables stay float32), also Keras's "mixed_bfloat16"; nullopt for another name.
std::optional<Precision> parse_precision(std::string_view name);

// One weight of a model.
struct Weight {
  Parameter parameter;         // name: Keras's path, "dense/kernel", "lstm/lstm_cell/kernel"
  std::string layer;           // name of the layer
  std::string object;          // Keras's path of the object inside the layer that owns it ("", "cell", "query_dense"), as in .weights.h5
  spec::Node constraint = {};  // what read_constraint gave; null: none
};

// The weights of one Program. Building a model twice into one Graph (micro-batches, training and evaluation) with the same
// registry shares them.
class WeightRegistry {
 public:
  const std::vector<Weight>& weights() const { return weights_; }
  // Indices of a layer's weights in Keras's order: trainable then non-trainable.
  std::vector<size_t> keras_order(const std::string& layer) const;
  std::optional<size_t> find(const std::string& name) const;
  std::vector<Parameter> parameters() const;                 // in the order of weights()
  size_t add(Graph& graph, Weight weight, TensorType type);  // UserError when it exists with another shape

 private:
  std::vector<Weight> weights_;
  std::map<std::string, size_t> index_;
};

struct WeightUpdate {
  size_t weight;  // index into the registry
  Var value;
};

// A value that is carried from one batch to the next, in inference too: what a stateful recurrent layer remembers. It starts with
// zeros and is no weight: files of models do not hold it, checkpoints of a run do.
struct CarriedState {
  std::string name;  // "lstm/rnn_state"
  Var value;         // node of operator `parameter`
  Var next;          // at the end of the batch
};

bool is_carried_state(std::string_view parameter);  // by its name

// What a build of a model gathers besides its outputs.
struct BuildResult {
  std::vector<WeightUpdate> updates;   // moving statistics; training only
  std::vector<WeightUpdate> assigned;  // of trainable weights, in order: see assign_weight; training only
  std::vector<CarriedState> states;
  std::vector<Var> losses;            // scalar penalties of regularisers, in the variable type; training only
  std::set<size_t> regularized;       // weights whose penalty is in `losses`
  std::vector<std::string> warnings;  // such as a mask that a layer drops
};

struct LayerDef;

// A validated layer: its class, name and complete config.
struct Layer {
  const LayerDef* def = nullptr;
  std::string name;
  Config config;
  bool trainable = true;
  std::string dtype;  // per-layer precision; "" = the model's
  spec::Place place;
  std::map<std::string, std::shared_ptr<const Layer>> children;  // of wrappers such as Bidirectional
  std::shared_ptr<const Program> graph;                          // of layer_graph
};

struct WeightSpec {
  std::string name;  // "kernel"
  Shape shape;
  Initializer initializer;
  spec::Node regularizer = {};
  spec::Node constraint = {};
  bool trainable = true;
  bool autocast = true;             // hand it out in the compute type
  std::optional<DType> dtype = {};  // of the variable; default: that of the precision
};

class LayerContext {
 public:
  struct Options {
    Mode mode = Mode::kInference;
    Precision precision;
    int64_t seed = 0;
    Var counter;  // int64 scalar that differs in every step; needed where training draws random numbers
  };
  LayerContext(Graph& graph, WeightRegistry& registry, BuildResult& result, const Options& options, const Layer& layer, int64_t call_index);

  Graph& graph() { return graph_; }
  bool training() const { return options_.mode == Mode::kTraining; }
  bool trainable() const { return layer_.trainable; }
  DType compute_dtype() const { return options_.precision.compute; }
  DType variable_dtype() const { return options_.precision.variable; }
  const Layer& layer() const { return layer_; }
  const Config& config() const { return layer_.config; }

  // The weight as a value, created on first use. The names get the prefix of the innermost SubLayer.
  Var add_weight(WeightSpec spec);
  // One whose name is complete already and gets no prefix.
  Var add_named_weight(WeightSpec spec);
  // What the keys `<key>_initializer`, `<key>_regularizer` and `<key>_constraint` (key defaults to name) say of a weight; and such a
  // weight.
  WeightSpec weight_spec(const std::string& name, Shape shape, const std::string& key = "") const;
  Var add_weight(const std::string& name, Shape shape, const std::string& key = "");
  // The weight, or the value that an earlier call of this layer in the same step has given it.
  Var latest(const std::string& name, Var weight) const;
  // New value of a non-trainable weight at the end of the step.
  void update_weight(const std::string& name, Var value);
  // Lets `assign` stand between this layer's own weights, not those of its sublayers, and their use: it gets the spec and a function
  // that makes the weight, and gives the value to use.
  using Assign = std::function<Var(const WeightSpec& spec, const std::function<Var()>& make)>;
  void intercept_weights(Assign assign) { assign_ = std::move(assign), assign_prefix_ = object_prefix_; }
  // The weight takes `value` during the step: gradients are taken of it, and the optimizer changes it and not the stored weight.
  // Gives the value back as one that no gradient passes.
  Var assign_weight(const std::string& name, Var value);

  // State i of the layer, of the variable type: what the last batch left, or an earlier call of the layer in this one. And its new value.
  Var state(size_t i, const Shape& shape);
  void set_state(size_t i, Var value);
  void add_loss(Var scalar);
  void warn(const std::string& message);

  // Uniform numbers in [0, 1), other ones in every step, layer, call and use. `seed`: the layer's own, or null.
  Var random_uniform(const Shape& shape, const spec::Node& seed);
  // x in the compute type.
  Var to_compute(Var x);

  // Weight names and objects get a prefix for its lifetime ("lstm_cell" owned as "cell").
  class SubLayer {
   public:
    SubLayer(LayerContext& context, const std::string& name, const std::string& object);
    ~SubLayer();
    SubLayer(const SubLayer&) = delete;
    SubLayer& operator=(const SubLayer&) = delete;

   private:
    LayerContext& context_;
    std::string saved_name_, saved_object_;
  };
  // A context for a layer inside this one (Bidirectional), sharing everything but the config.
  LayerContext child(const Layer& layer) const;

 private:
  Var register_weight(Weight weight, WeightSpec spec);
  std::string state_name(size_t i) const;

  Graph& graph_;
  WeightRegistry& registry_;
  BuildResult& result_;
  Options options_;
  const Layer& layer_;
  std::string owner_;  // name of the outermost layer
  std::string name_prefix_, object_prefix_, assign_prefix_;
  Assign assign_;
  int64_t call_index_;
  int64_t random_uses_ = 0;
};

enum class Masking : uint8_t {
  kDrop,  // Keras warns and drops the mask
  kPass,  // the outputs carry the first input's mask
  kOwn,   // build sets the masks
};

struct LayerDef {
  const char* class_name;
  const char* summary;  // one line for the man page
  int min_inputs = 1;
  int max_inputs = 1;  // -1: any number
  Masking masking = Masking::kDrop;
  bool autocast = true;  // floating-point inputs come in the compute type
  std::vector<ConfigKey> keys = {};
  // Cross-key checks, normalisation of kAny keys, and children. May be null.
  void (*check)(Layer& layer, spec::Reader& reader) = nullptr;
  std::vector<MaskedVar> (*build)(LayerContext& context, std::span<const MaskedVar> inputs) = nullptr;
  bool adapts = false;                        // has statistics to compute from the data before training (Normalization)
  const char* keras_module = "keras.layers";  // where Keras finds the class
};

#define DL_LAYER(name) extern const LayerDef layer_##name;
#include "layers/layers.def"
#undef DL_LAYER
std::span<const LayerDef* const> layer_table();               // every row of layers.def
const LayerDef* find_layer_def(std::string_view class_name);  // null when unknown
std::string layer_suggestion(std::string_view class_name);    // " (did you mean 'Conv2D'?)", or what Keras's class is here
// A layer of Keras that is none here.
struct AbsentLayer {
  std::string_view class_name;
  bool otherwise;         // what it does can be had
  std::string_view note;  // how, or why not
};
std::span<const AbsentLayer> absent_layers();
// Keras's default name of a class: "Conv2D" -> "conv2d", "MaxPooling2D" -> "max_pooling2d".
std::string snake_case(std::string_view class_name);
// A class with its config, without connections; null after reporting. For wrappers. Names default to snake_case.
std::shared_ptr<const Layer> read_child_layer(const spec::Node& node, const std::string& path, spec::Problems& problems);
// The check of a wrapper: reads its key `layer`, a layer of one input, into children.
void wrap_child_layer(Layer& layer, spec::Reader& reader);

}  // namespace dl
