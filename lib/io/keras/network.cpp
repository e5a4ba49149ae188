#include "io/keras/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <set>

#include "base/error.h"
#include "io/keras/import.h"
#include "io/keras/operation.h"
#include "layers/array_node.h"
#include "layers/build.h"
#include "layers/expression_builder.h"
#include "ops/builders.h"

namespace dl {
namespace {

using spec::Node;
using Argument = NetworkArgument;
using Kind = NetworkOperation::Kind;

template <class Range>
bool contains(const Range& range, std::string_view name) {
  return std::find(std::begin(range), std::end(range), name) != std::end(range);
}

constexpr std::string_view kCells[] = {"LSTMCell", "GRUCell", "SimpleRNNCell"};
constexpr std::string_view kRecurrent[] = {"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"};
constexpr std::string_view kHeads[] = {"MultiHeadAttention", "GroupQueryAttention"};
constexpr std::string_view kAttention[] = {"Attention", "AdditiveAttention"};
constexpr std::string_view kMerges[] = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"};
// Layers whose call takes a mask in Keras 3.
constexpr std::string_view kTakesMask[] = {"LSTM",
                                           "GRU",
                                           "SimpleRNN",
                                           "RNN",
                                           "Bidirectional",
                                           "ConvLSTM1D",
                                           "ConvLSTM2D",
                                           "ConvLSTM3D",
                                           "TimeDistributed",
                                           "BatchNormalization",
                                           "GlobalAveragePooling1D",
                                           "Softmax"};

void collect(const Argument& argument, std::vector<NetworkTensor>& tensors) {
  if (argument.kind == Argument::Kind::kTensor) tensors.push_back(argument.tensor);
  for (const Argument& item : argument.items) collect(item, tensors);
}

class Maker {
 public:
  Maker(const Model& model, KerasVersion version) : model_(model), version_(version) {}

  KerasNetwork make() {
    WeightRegistry registry;
    built_ = build_model(model_, graph_, registry, {});
    for (const ModelInput& input : model_.inputs) names_.insert(input.name);
    for (const std::shared_ptr<const Layer>& layer : model_.layers) names_.insert(layer->name);
    for (const LayerCall& call : model_.calls) names_.insert(call.name);
    for (const ModelInput& input : model_.inputs) add_input(input);
    for (size_t c = 0; c < model_.calls.size(); ++c) add_call(c);
    for (const ModelOutput& output : model_.outputs) net_.outputs.push_back(tensor_of(output.ref));
    net_.chain = is_chain();
    return std::move(net_);
  }

 private:
  void problem(const LayerCall& call, const std::string& why) {
    const Layer& layer = layer_of(model_, call);
    net_.problems.push_back(fmt::format("layer '{}' ({}): {}", call.name, layer.def->class_name, why));
  }

  void add_input(const ModelInput& input) {
    std::vector<Node> shape;
    for (const Dim& size : input.shape) shape.push_back(size.known() ? Node::integer(size.value()) : Node());
    NetworkOperation operation;
    operation.kind = Kind::kInput;
    operation.name = input.name;
    operation.class_name = "InputLayer";
    operation.module = "keras.layers";
    operation.config = Node::map({{version_ == KerasVersion::k2 ? "batch_input_shape" : "batch_shape", Node::list(std::move(shape))},
                                  {"dtype", Node::string(std::string(name_of(input.dtype)))},
                                  {"sparse", Node::boolean(false)}});
    if (version_ == KerasVersion::k2) operation.config.set("ragged", Node::boolean(false));
    operation.config.set("name", Node::string(input.name));
    operation.calls.push_back({{}, {}, {}, {{input.dtype, input.shape}}});
    net_.inputs.push_back({net_.operations.size(), 0, 0});
    net_.operations.push_back(std::move(operation));
  }

  NetworkTensor tensor_of(const ModelRef& ref) const {
    if (ref.is_input) return net_.inputs[ref.index];
    return results_[ref.index].at(std::min(ref.output, results_[ref.index].size() - 1));
  }

  Var mask_of(const ModelRef& ref) const { return ref.is_input ? Var() : built_.calls[ref.index].outputs.at(ref.output).mask; }

  std::vector<TensorType> types_of(size_t call) const {
    std::vector<TensorType> types;
    for (const MaskedVar& output : built_.calls[call].outputs) types.push_back(graph_.type(output.value.value));
    return types;
  }

  void add_call(size_t c) {
    const LayerCall& call = model_.calls[c];
    const Layer& layer = layer_of(model_, call);
    if (std::string_view(layer.def->class_name) == "Lambda") return add_lambda(c);
    const auto [found, is_new] = operations_.emplace(call.layer, net_.operations.size());
    if (is_new) {
      if (const std::string why = why_not_keras(layer, version_); !why.empty()) problem(call, why);
      Node config = export_layer_config(layer, version_);
      if (version_ == KerasVersion::k2 && std::string_view(layer.def->class_name) == "MultiHeadAttention") add_built_shapes(call, config);
      net_.operations.push_back({Kind::kLayer, layer.name, layer.def->class_name, layer.def->keras_module, std::move(config), &layer, {}});
    }
    const size_t operation = found->second;
    NetworkCall made = make_call(call, layer);
    made.outputs = types_of(c);
    if (version_ == KerasVersion::k3) made.masks = implied_masks(call, layer, made);
    if (version_ == KerasVersion::k3) give_mask(call, layer, made);
    check_masks(call, layer);
    const size_t number = net_.operations[operation].calls.size();
    std::vector<NetworkTensor>& results = results_.emplace_back();
    for (size_t o = 0; o < made.outputs.size(); ++o) results.push_back({operation, number, o});
    net_.operations[operation].calls.push_back(std::move(made));
    if (version_ == KerasVersion::k3) note_masks(c);
  }

  // Keras 2 keeps what MultiHeadAttention was built for in its config.
  void add_built_shapes(const LayerCall& call, Node& config) const {
    const char* const keys[] = {"query_shape", "value_shape", "key_shape"};
    for (size_t i = 0; i < std::size(keys); ++i) {
      const ModelRef& ref = call.inputs[std::min(i, call.inputs.size() - 1)];
      const Value value = ref.is_input ? built_.inputs[ref.index].value : built_.calls[ref.index].outputs.at(ref.output).value.value;
      std::vector<Node> sizes;
      for (const Dim& size : graph_.type(value).shape) sizes.push_back(size.known() ? Node::integer(size.value()) : Node());
      config.set(keys[i], Node::list(std::move(sizes)));
    }
  }

  // ---- expressions: one function of Keras for each node of the tree
  void add_lambda(size_t c) {
    const LayerCall& call = model_.calls[c];
    const Layer& layer = layer_of(model_, call);
    const spec::Expr tree = spec::parse_expression(layer.config.text("expression"));
    std::map<std::string, Var> variables;
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      const ModelRef& ref = call.inputs[i];
      const Value value = ref.is_input ? built_.inputs[ref.index].value : built_.calls[ref.index].outputs.at(ref.output).value.value;
      variables[fmt::format("x{}", i)] = {&graph_, value};
      if (i == 0) variables["x"] = {&graph_, value};
    }
    if (layer.config.given("constants")) {
      const std::vector<Node>& constants = layer.config.node("constants").items();
      for (size_t i = 0; i < constants.size(); ++i) variables[fmt::format("c{}", i)] = constant(graph_, *array_of(constants[i]));
    }
    std::vector<NetworkTensor>& results = results_.emplace_back();
    try {
      Argument made = lower(tree, c, variables, true);
      // An input as it is only loses its mask.
      if (made.kind == Argument::Kind::kTensor && tree.kind == spec::Expr::Kind::kName && needs_operation(c))
        made = lower(spec::parse_expression(layer.config.text("expression") + " * 1"), c, variables, true);
      if (made.kind != Argument::Kind::kTensor) throw UserError("is a number alone");
      results = {made.tensor};
    } catch (const UserError& error) {
      problem(call, error.what());
      results = {tensor_of(call.inputs[0])};
    }
  }

  // Whether somebody sees the difference between the result of an expression and its input: a mask, or the name of an output.
  bool needs_operation(size_t c) const {
    for (const ModelOutput& output : model_.outputs)
      if (!output.ref.is_input && output.ref.index == c) return true;
    if (!mask_of(model_.calls[c].inputs[0]).valid()) return false;
    for (const LayerCall& user : model_.calls)
      for (size_t i = 0; i < user.inputs.size(); ++i) {
        if (user.inputs[i].is_input || user.inputs[i].index != c) continue;
        // Keras 3 itself gives a recurrent layer no mask beside initial states.
        const bool with_states = contains(kRecurrent, model_.layers[user.layer]->def->class_name) && user.inputs.size() > 1;
        if (!(with_states && version_ == KerasVersion::k3)) return true;
      }
    return false;
  }

  Argument lower(const spec::Expr& e, size_t c, const std::map<std::string, Var>& variables, bool whole) {
    using Expr = spec::Expr;
    const LayerCall& call = model_.calls[c];
    switch (e.kind) {
      case Expr::Kind::kNumber:
        return Argument::constant(e.integral ? Node::integer(static_cast<int64_t>(e.number)) : Node::real(e.number));
      case Expr::Kind::kName:
        if (e.name == "x") return Argument::of(tensor_of(call.inputs[0]));
        if (e.name == "pi") return Argument::constant(Node::real(std::numbers::pi));
        if (e.name == "e") return Argument::constant(Node::real(std::numbers::e));
        for (size_t i = 0; i < call.inputs.size(); ++i)
          if (e.name == fmt::format("x{}", i)) return Argument::of(tensor_of(call.inputs[i]));
        if (const auto found = variables.find(e.name); found != variables.end()) return array(c, e.name, found->second.dtype());
        throw UserError(fmt::format("uses the unknown name '{}'", e.name));
      default:
        break;
    }
    std::vector<Argument> arguments;
    for (const spec::Expr& argument : e.args) arguments.push_back(lower(argument, c, variables, false));
    if (e.kind == Expr::Kind::kList) return Argument::list(std::move(arguments));
    if (e.kind == Expr::Kind::kUnary && e.name == "+") return arguments[0];
    const bool constant = std::all_of(arguments.begin(), arguments.end(),
                                      [](const Argument& a) { return a.kind == Argument::Kind::kValue && a.value.is_number(); });
    if (constant && (e.kind == Expr::Kind::kUnary || e.kind == Expr::Kind::kBinary)) return Argument::constant(fold(e, arguments));
    // TensorFlow takes the type of the first operand.
    if (version_ == KerasVersion::k2 && arguments[0].kind == Argument::Kind::kValue && arguments[0].value.kind() == spec::Kind::kInt)
      arguments[0].value = Node::real(arguments[0].value.as_double());
    // Keras's legacy reader knows no Ellipsis.
    if (e.kind == Expr::Kind::kCall && e.name == "slice" && arguments.size() > 2 && arguments[1].kind == Argument::Kind::kValue &&
        arguments[1].value.kind() == spec::Kind::kInt && arguments[1].value.as_int() < 0)
      arguments[1].value = Node::integer(arguments[1].value.as_int() + build_expression(graph_, e.args[0], variables).rank());
    std::optional<WrittenOperation> made = write_operation(e, std::move(arguments), version_);
    if (!made)
      throw UserError(
          fmt::format("its expression uses '{}', which Keras {} has no function for", e.name, version_ == KerasVersion::k3 ? 3 : 2));
    return Argument::of(add_function(std::move(*made), c, build_expression(graph_, e, variables), whole));
  }

  // The array c0, c1, ... of a Lambda layer, as Keras writes a tensor that is an argument; TensorFlow takes lists.
  Argument array(size_t c, const std::string& name, DType dtype) const {
    const Node& constants = model_.layers[model_.calls[c].layer]->config.node("constants");
    const Node& value = constants.items().at(std::stoul(name.substr(1)));
    if (version_ == KerasVersion::k2) return Argument::constant(value);
    return Argument::constant(Node::map(
        {{"class_name", Node::string("__tensor__")}, {"config", Node::map({{"value", value}, {"dtype", Node::string(name_of(dtype))}})}}));
  }

  static Node fold(const spec::Expr& e, const std::vector<Argument>& arguments) {
    const double a = arguments[0].value.as_double(), b = arguments.size() > 1 ? arguments[1].value.as_double() : 0;
    const bool integral =
        std::all_of(arguments.begin(), arguments.end(), [](const Argument& x) { return x.value.kind() == spec::Kind::kInt; });
    const double value = e.kind == spec::Expr::Kind::kUnary ? -a
                         : e.name == "+"                    ? a + b
                         : e.name == "-"                    ? a - b
                         : e.name == "*"                    ? a * b
                         : e.name == "/"                    ? a / b
                         : e.name == "**"                   ? std::pow(a, b)
                                                            : std::nan("");
    if (std::isnan(value)) throw UserError("its expression compares numbers");
    const bool whole = integral && e.name != "/" && value == std::floor(value) && std::abs(value) < 1e15;
    return whole ? Node::integer(static_cast<int64_t>(value)) : Node::real(value);
  }

  // `whole`: the last one, which has the name of the layer.
  NetworkTensor add_function(WrittenOperation made, size_t c, Var value, bool whole) {
    const std::string& base = model_.calls[c].name;
    std::string name = base;
    for (int i = 1; !whole && !names_.insert(name = fmt::format("{}_{}", base, i)).second; ++i) {
    }
    Node config = Node::map({{"name", Node::string(name)}});
    for (const auto& [key, entry] : made.config.entries()) config.set(key, entry);
    made.call.outputs = {graph_.type(value.value)};
    net_.operations.push_back({Kind::kFunction, name, made.class_name, made.module, std::move(config), nullptr, {std::move(made.call)}});
    return {net_.operations.size() - 1, 0, 0};
  }

  NetworkCall make_call(const LayerCall& call, const Layer& layer) const {
    const std::string_view name = layer.def->class_name;
    std::vector<Argument> refs;
    for (const ModelRef& ref : call.inputs) refs.push_back(Argument::of(tensor_of(ref)));
    NetworkCall made;
    const auto rest = [&] { return Argument::list(std::vector<Argument>(refs.begin() + 1, refs.end())); };
    if (contains(kHeads, name)) {
      const Argument& value = refs.size() > 1 ? refs[1] : refs[0];
      if (version_ == KerasVersion::k3)
        made.arguments = {refs[0], value};
      else
        made.arguments = {refs[0]}, made.keywords.emplace_back("value", value);
      if (refs.size() > 2) made.keywords.emplace_back("key", refs[2]);
      if (refs.size() > 3) made.keywords.emplace_back("attention_mask", refs[3]);
    } else if (contains(kAttention, name) || contains(kMerges, name) || name == "CustomScaleLayer" || name == "HashedCrossing") {
      made.arguments = {Argument::list(refs)};
    } else if (contains(kRecurrent, name) && refs.size() > 1) {
      if (version_ == KerasVersion::k3)
        made.arguments = {refs[0]}, made.keywords.emplace_back("initial_state", rest());
      else
        made.arguments = {Argument::list(refs)};
    } else if (contains(kCells, name)) {
      if (version_ == KerasVersion::k3)
        made.arguments = {refs[0], rest()};
      else
        made.arguments = {refs[0]}, made.keywords.emplace_back("states", rest());
    } else if (name == "Softmax" && refs.size() > 1) {
      made.arguments = {refs[0]};
      made.keywords.emplace_back("mask", refs[1]);
    } else if (name == "CategoryEncoding" && refs.size() > 1) {
      made.arguments = {refs[0]};
      made.keywords.emplace_back("count_weights", refs[1]);
    } else {
      made.arguments = refs;
    }
    for (const char* flag : {"return_attention_scores", "use_causal_mask", "reverse"})
      if (layer.config.has(flag) && layer.config.flag(flag)) made.keywords.emplace_back(flag, Argument::constant(Node::boolean(true)));
    return made;
  }

  // ---- masks: their operations count where Keras sorts the layers
  std::optional<NetworkTensor> mask_tensor(const ModelRef& ref) const {
    if (ref.is_input) return std::nullopt;
    const auto found = masks_.find({ref.index, ref.output});
    return found == masks_.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<NetworkTensor> implied_masks(const LayerCall& call, const Layer& layer, const NetworkCall& made) const {
    if (!contains(kTakesMask, layer.def->class_name) || !made.keywords.empty()) return {};
    const std::optional<NetworkTensor> mask = mask_tensor(call.inputs[0]);
    return mask ? std::vector<NetworkTensor>{*mask} : std::vector<NetworkTensor>();
  }

  NetworkTensor add_implied(const std::string& class_name, std::vector<Argument> arguments) {
    NetworkOperation operation;
    operation.kind = Kind::kImplied;
    operation.class_name = class_name;
    operation.module = "keras.src.ops.numpy";
    NetworkCall call;
    call.arguments = std::move(arguments);
    call.outputs = {{DType::kBool, {}}};
    operation.calls.push_back(std::move(call));
    net_.operations.push_back(std::move(operation));
    return {net_.operations.size() - 1, 0, 0};
  }

  // Makes the operations behind a mask part of the file. False where a file cannot hold them.
  bool write_out(const NetworkTensor& mask) {
    if (net_.operations[mask.operation].kind != Kind::kImplied) return true;
    for (const NetworkTensor& source : tensors_of(net_.operations[mask.operation].calls[0]))
      if (!write_out(source)) return false;
    NetworkOperation& operation = net_.operations[mask.operation];
    if (operation.class_name.empty()) return false;
    operation.kind = Kind::kFunction;
    const std::string base = snake_case(operation.class_name);
    for (int i = 0; operation.name.empty() || !names_.insert(operation.name).second; ++i)
      operation.name = i == 0 ? base : fmt::format("{}_{}", base, i);
    operation.config = Node::map({{"name", Node::string(operation.name)}});
    if (operation.class_name == "Any") {
      operation.config.set("axis", Node::integer(-1));
      operation.config.set("keepdims", Node::boolean(false));
    }
    return true;
  }

  // The operations by which Keras computes the mask of a call's outputs.
  void note_masks(size_t c) {
    const LayerCall& call = model_.calls[c];
    std::optional<NetworkTensor> made;
    const std::vector<MaskedVar>& outputs = built_.calls[c].outputs;
    for (size_t o = 0; o < outputs.size(); ++o) {
      if (!outputs[o].mask.valid()) continue;
      if (!made) made = make_mask(call, layer_of(model_, call));
      if (made) masks_.emplace(std::pair(c, o), *made);
    }
  }

  std::optional<NetworkTensor> make_mask(const LayerCall& call, const Layer& layer) {
    const std::string_view name = layer.def->class_name;
    const auto input = [&](size_t i) { return Argument::of(tensor_of(call.inputs[i])); };
    if (name == "Embedding") return add_implied("NotEqual", {input(0), Argument::constant(Node::integer(0))});
    if (name == "Masking") {
      const Argument value = Argument::constant(layer.config.node("mask_value"));
      return add_implied("Any", {Argument::of(add_implied("NotEqual", {input(0), value}))});
    }
    if (name == "Concatenate") {
      std::vector<Argument> parts;
      for (size_t i = 0; i < call.inputs.size(); ++i) {
        const Argument like = Argument::of(add_implied("", {input(i)}));
        const std::optional<NetworkTensor> mask = mask_tensor(call.inputs[i]);
        parts.push_back(mask ? Argument::of(add_implied("", {Argument::of(add_implied("", {Argument::of(*mask)})), like})) : like);
      }
      return add_implied("", {Argument::of(add_implied("", parts))});
    }
    if (!contains(kMerges, name)) return mask_tensor(call.inputs[0]);
    std::optional<NetworkTensor> made;
    for (const ModelRef& ref : call.inputs) {
      const std::optional<NetworkTensor> mask = mask_tensor(ref);
      if (mask) made = made ? add_implied("LogicalOr", {Argument::of(*made), Argument::of(*mask)}) : *mask;
    }
    return made;
  }

  // Keras 3 passes a mask on to a layer's call only where one argument holds tensors: not beside initial states.
  void give_mask(const LayerCall& call, const Layer& layer, NetworkCall& made) {
    const std::optional<NetworkTensor> mask = mask_tensor(call.inputs[0]);
    if (!mask || !contains(kRecurrent, layer.def->class_name) || call.inputs.size() < 2) return;
    if (write_out(*mask)) {
      made.keywords.emplace_back("mask", Argument::of(*mask));
    } else {
      problem(call, "takes the mask of a Concatenate together with initial states, which Keras 3 does not do; write --keras-version 2");
    }
  }

  void check_masks(const LayerCall& call, const Layer& layer) {
    if (version_ == KerasVersion::k3) return;
    std::vector<Var> masks;
    for (const ModelRef& ref : call.inputs) masks.push_back(mask_of(ref));
    if (const std::string why = keras2_mask_difference(layer, masks); !why.empty()) problem(call, why + "; write --keras-version 3");
  }

  bool is_chain() const {
    if (net_.inputs.size() != 1 || net_.outputs.size() != 1) return false;
    NetworkTensor last = net_.inputs[0];
    for (const NetworkOperation& operation : net_.operations) {
      if (operation.kind == Kind::kInput || operation.kind == Kind::kImplied) continue;
      if (operation.kind != Kind::kLayer || operation.calls.size() != 1) return false;
      const NetworkCall& call = operation.calls[0];
      if (call.arguments.size() != 1 || !call.keywords.empty() || call.arguments[0].kind != Argument::Kind::kTensor) return false;
      const NetworkTensor& input = call.arguments[0].tensor;
      if (call.outputs.size() != 1 || input.operation != last.operation || input.output != 0) return false;
      last = {static_cast<size_t>(&operation - net_.operations.data()), 0, 0};
    }
    return last.operation == net_.outputs[0].operation && net_.operations[last.operation].kind == Kind::kLayer;
  }

  const Model& model_;
  KerasVersion version_;
  Graph graph_;
  ModelGraph built_;
  KerasNetwork net_;
  std::set<std::string> names_;
  std::map<size_t, size_t> operations_;                       // by layer
  std::vector<std::vector<NetworkTensor>> results_;           // of each call of the model
  std::map<std::pair<size_t, size_t>, NetworkTensor> masks_;  // by call and output
};

// Keras's way of sorting: by depth, counted from the outputs, then by the order in which a walk from the outputs meets the operations.
class Sorter {
 public:
  explicit Sorter(KerasNetwork& net) : net_(net) {}

  void sort() {
    for (const NetworkTensor& output : net_.outputs) walk({output.operation, output.call});
    std::map<Id, int64_t> depths;
    std::map<size_t, int64_t> operation_depths;
    for (size_t i = finished_.size(); i-- > 0;) {
      const Id id = finished_[i];
      int64_t& of_operation = operation_depths[id.first];
      of_operation = std::max(of_operation, depths[id]);
      depths[id] = of_operation;
      for (const NetworkTensor& source : sources_of(id)) {
        int64_t& deeper = depths[{source.operation, source.call}];
        deeper = std::max(deeper, of_operation + 1);
      }
    }
    std::vector<size_t> order;
    for (const auto& [operation, depth] : operation_depths)
      if (net_.operations[operation].kind != Kind::kImplied) order.push_back(operation);
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const int64_t da = operation_depths.at(a), db = operation_depths.at(b);
      return da != db ? da > db : met_.at(a) < met_.at(b);
    });
    net_.order = std::move(order);
  }

 private:
  using Id = std::pair<size_t, size_t>;  // operation, call

  std::vector<NetworkTensor> sources_of(Id id) const {
    const NetworkCall& call = net_.operations[id.first].calls[id.second];
    std::vector<NetworkTensor> sources = tensors_of(call);
    sources.insert(sources.end(), call.masks.begin(), call.masks.end());
    return sources;
  }

  // Depth first, without recursion: a chain may be as long as the file.
  void walk(Id first) {
    struct Step {
      Id id;
      std::vector<NetworkTensor> sources;
      size_t next = 0;
    };
    std::vector<Step> steps;
    const auto enter = [&](Id id) {
      if (!seen_.insert(id).second) return;
      met_.emplace(id.first, met_.size());
      steps.push_back({id, sources_of(id), 0});
    };
    enter(first);
    while (!steps.empty()) {
      Step& step = steps.back();
      if (step.next < step.sources.size()) {
        const NetworkTensor source = step.sources[step.next++];
        enter({source.operation, source.call});
      } else {
        finished_.push_back(step.id);
        steps.pop_back();
      }
    }
  }

  KerasNetwork& net_;
  std::set<Id> seen_;
  std::map<size_t, size_t> met_;  // operation -> place in the walk
  std::vector<Id> finished_;
};

}  // namespace

std::vector<NetworkTensor> tensors_of(const NetworkCall& call) {
  std::vector<NetworkTensor> tensors;
  for (const Argument& argument : call.arguments) collect(argument, tensors);
  for (const auto& [name, argument] : call.keywords) collect(argument, tensors);
  return tensors;
}

KerasNetwork make_keras_network(const Model& model, KerasVersion version) {
  KerasNetwork net = Maker(model, version).make();
  Sorter(net).sort();
  return net;
}

}  // namespace dl
