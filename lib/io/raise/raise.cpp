#include "io/raise/raise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "base/error.h"
#include "graph/op_def.h"
#include "io/raise/match.h"
#include "io/raise/normal_form.h"
#include "io/raise/rules.h"
#include "layers/build.h"
#include "layers/graph_layer.h"
#include "ops/ops.h"
#include "spec/yaml.h"

namespace dl {
namespace {

using namespace raise;
using SpecNode = spec::Node;

constexpr const char* kLayer = "layer";  // the name of the only layer of a pattern

// What an output of a layer is, of operands of given types, in normal form; null where it does not take them.
class Patterns {
 public:
  const Program* find(const Proposal& proposal, const Graph& graph) {
    std::string key = fmt::format("{}:{} {}\n{}", proposal.class_name, proposal.output, proposal.spelling, spec::to_yaml(proposal.config));
    for (const Value v : proposal.operands) key += to_string(graph.type(v)) + "\n";
    const auto [entry, added] = known_.try_emplace(key);
    if (added) entry->second = build(proposal, graph);
    return entry->second.get();
  }

 private:
  static std::unique_ptr<Program> build(const Proposal& proposal, const Graph& graph) {
    if (proposal.spelled) return std::make_unique<Program>(normal_form(proposal.spelled()));
    spec::Problems problems;
    SpecNode config = proposal.config;
    config.set("name", SpecNode::string(kLayer));
    Model model;
    std::shared_ptr<const Layer> layer = read_child_layer(SpecNode::map({{proposal.class_name, config}}), "", problems);
    if (!layer || !problems.empty()) return nullptr;
    LayerCall call{kLayer, 0, {}, {}};
    for (size_t i = 0; i < proposal.operands.size(); ++i) {
      const TensorType& type = graph.type(proposal.operands[i]);
      call.inputs.push_back({true, i, 0});
      model.inputs.push_back({fmt::format("x{}", i), type.shape, type.dtype, false, {}});
    }
    model.layers.push_back(std::move(layer));
    model.calls.push_back(std::move(call));
    model.outputs.push_back({kLayer, {false, 0, proposal.output}});
    try {
      const Program numbers_folded = fold_weights(normal_form(build_inference_program(model)), {}).program;
      return std::make_unique<Program>(normal_form(numbers_folded));
    } catch (const UserError&) {  // the layer does not take these shapes
      return nullptr;
    }
  }

  std::map<std::string, std::unique_ptr<Program>> known_;
};

// One layer of the result.
struct Entry {
  std::string class_name, name;
  SpecNode config;
  std::vector<Value> operands;
  int users = 0;
  bool folded = false;   // an activation that its operand's layer has taken over
  bool shared = false;   // called again with other operands
  size_t of = SIZE_MAX;  // a further call: the layer that is called
};

// A layer's output.
struct Result {
  size_t layer = SIZE_MAX;  // index into layers_; none: what no layer gives
  size_t output = 0;
};

class Raiser {
 public:
  explicit Raiser(Folded graph) : graph_(std::move(graph)), users_(graph_.program.graph.size()) {
    const std::vector<char> live = live_nodes(graph_.program);
    for (uint32_t n = 0; n < graph_.program.graph.size(); ++n)
      if (live[n])
        for (const Value in : graph_.program.graph.node(n).inputs) users_[in.node].push_back(n), read_.insert(in);
    // A value that is an output stays one, whatever reads it.
    for (const NamedValue& out : graph_.program.outputs) users_[out.value.node].push_back(UINT32_MAX), read_.insert(out.value);
    for (const NamedValue& in : graph_.program.inputs) {
      const bool plain = in.name.find_first_of("/:") == std::string::npos;
      const std::string name = plain ? in.name : plain_name(in.name);
      input_[in.value] = plain ? name : free_name(name.empty() ? "input" : name);
      taken_.insert(input_[in.value]);
      input_names_[in.value] = input_[in.value];
    }
  }

  // What no layer gives, if anything; then the result is left alone.
  std::vector<std::string> run(const std::string& model_name, SavedModel& result) {
    for (const NamedValue& out : graph_.program.outputs) realise(out.value);
    if (!left_.empty()) return left_;
    for (const NamedValue& out : graph_.program.outputs)
      if (input_.contains(out.value)) copy_input(out.value);
    fold_activations();
    result.model_tree = tree(model_name);
    result.weights = std::move(weights_);
    return {};
  }

 private:
  // Index of the layer that gives `value`, made with all that it needs; nullopt for an input of the graph and what could not be raised.
  void realise(Value value) {
    // By hand instead of by recursion: graphs are thousands of operators deep.
    std::vector<std::pair<Value, bool>> open = {{value, false}};
    while (!open.empty()) {
      auto [v, expanded] = open.back();
      if (input_.contains(v) || layer_of_.contains(v)) {
        open.pop_back();
      } else if (expanded) {
        open.pop_back();
        add_layer(v);
      } else {
        open.back().second = true;
        for (const Value operand : operands_of(v))
          if (!input_.contains(operand) && !layer_of_.contains(operand)) open.emplace_back(operand, false);
      }
    }
  }

  // Finds the layer of a value once; its operands are what has to be realised before it.
  std::vector<Value> operands_of(Value v) {
    if (const auto known = chosen_.find(v); known != chosen_.end()) return known->second ? known->second->proposal.operands : others(v);
    std::optional<Choice> choice = choose(v);
    if (!choice) report(v);
    const std::vector<Value> operands = choice ? choice->proposal.operands : others(v);
    chosen_.emplace(v, std::move(choice));
    return operands;
  }

  struct Choice {
    Proposal proposal;
    Match match;
  };

  std::optional<Choice> choose(Value v) {
    const Site site(graph_.program, graph_.weights, read_, v);
    if (site.is_weight(v)) return std::nullopt;
    for (const Rule rule : all_rules()) {
      std::vector<Proposal> proposals;
      rule(site, proposals);
      for (Proposal& proposal : proposals)
        if (std::optional<Match> found = try_proposal(proposal, v)) return Choice{std::move(proposal), std::move(*found)};
    }
    return std::nullopt;
  }

  std::optional<Match> try_proposal(const Proposal& proposal, Value v) {
    const Program* pattern = patterns_.find(proposal, graph_.program.graph);
    if (!pattern) return std::nullopt;
    Match found;
    if (!match(*pattern, graph_.program, graph_.weights, v, proposal.operands, users_, found)) return std::nullopt;
    found.weights.merge(std::map(proposal.given));
    return found;
  }

  // What a value that could not be raised depends on, so that the rest is looked at too.
  std::vector<Value> others(Value v) const {
    std::vector<Value> values;
    for (const Value in : graph_.program.graph.node(v).inputs)
      if (const OpDef* op = graph_.program.graph.node(in).op; op != &op_parameter && op != &op_constant) values.push_back(in);
    return values;
  }

  void report(Value v) {
    const Node& node = graph_.program.graph.node(v);
    std::vector<std::string> operands;
    for (const Value in : node.inputs) operands.push_back(to_string(graph_.program.graph.type(in)));
    const std::string& scope = graph_.program.graph.scope_name(node.scope);
    std::string line = fmt::format("no layer gives {}({}) -> {}{}", node.op->name, fmt::join(operands, ", "),
                                   to_string(graph_.program.graph.type(v)), scope.empty() ? "" : " of '" + scope + "'");
    if (std::find(left_.begin(), left_.end(), line) == left_.end()) left_.push_back(std::move(line));
  }

  void add_layer(Value v) {
    std::optional<Choice>& choice = chosen_.at(v);
    if (!choice) {
      layer_of_[v] = {};  // reported; looked at once
      return;
    }
    const Proposal& proposal = choice->proposal;
    const std::string kind = proposal.class_name + "\n" + spec::to_yaml(proposal.config);
    const auto [known, is_new] = made_.try_emplace({kind, v.node, proposal.operands}, layers_.size());
    layer_of_[v] = {known->second, proposal.output};
    if (!is_new) return;  // another output of it
    for (const Value operand : proposal.operands)
      if (const auto found = layer_of_.find(operand); found != layer_of_.end() && found->second.layer != SIZE_MAX)
        ++layers_[found->second.layer].users;
    Entry entry{proposal.class_name, "", proposal.config, proposal.operands};
    entry.of = layer_with_weights(kind, choice->match);
    if (entry.of != SIZE_MAX) {
      layers_[entry.of].shared = true;
      entry.name = free_name(layers_[entry.of].name);
    } else {
      entry.name = unique_name(entry.class_name, choice->match);
      for (auto& [name, tensor] : choice->match.weights) weights_[entry.name + name.substr(std::string(kLayer).size())] = tensor;
    }
    layers_.push_back(std::move(entry));
  }

  // The layer that has these very weights of the graph already, which is then called again; SIZE_MAX: none.
  size_t layer_with_weights(const std::string& kind, const Match& match) {
    std::string key = kind;
    for (const auto& [name, tensor] : match.weights) {
      const auto origin = match.origin.find(name);
      if (origin == match.origin.end() || origin->second.empty()) return SIZE_MAX;
      key += "\n" + name + " " + origin->second;
    }
    if (match.weights.empty()) return SIZE_MAX;
    const auto [found, is_new] = with_weights_.try_emplace(key, layers_.size());
    return is_new ? SIZE_MAX : found->second;
  }

  // After the weights where their names tell a layer: "conv2d/kernel", "features.0.weight".
  std::string unique_name(const std::string& class_name, const Match& match) {
    std::string name;
    for (const auto& [weight, origin] : match.origin) {
      const size_t slash = origin.find('/'), dot = origin.rfind('.');
      if (slash != std::string::npos)
        name = origin.substr(0, slash);
      else if (dot != std::string::npos)
        name = origin.substr(0, dot);
      if (!name.empty()) break;
    }
    name = plain_name(name);
    return free_name(name.empty() ? snake_case(class_name) : name);
  }

  static std::string plain_name(std::string name) {
    for (char& c : name)
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '_';
    while (!name.empty() && !std::isalnum(static_cast<unsigned char>(name[0]))) name.erase(0, 1);
    return name;
  }

  std::string free_name(const std::string& name) {
    std::string free = name;
    for (int i = 1; !taken_.insert(free).second; ++i) free = fmt::format("{}_{}", name, i);
    return free;
  }

  // An output that is an input.
  void copy_input(Value v) {
    const std::string input = input_.at(v);
    input_.erase(v);
    Entry entry{"Activation", unique_name("Activation", {}), map_of({{"activation", SpecNode::string("linear")}}), {}};
    entry.config.set("inputs", SpecNode::string(input));
    layer_of_[v] = {layers_.size(), 0};
    layers_.push_back(std::move(entry));
    copied_[v] = input;
  }

  // Dense, then Activation relu: Dense with activation relu, as people write it.
  void fold_activations() {
    static const std::set<std::string> kTakers = {"Dense",           "Conv1D",          "Conv2D",          "Conv3D",
                                                  "DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose",
                                                  "Conv3DTranspose", "SeparableConv1D", "SeparableConv2D", "EinsumDense"};
    std::set<Value> outputs;
    for (const NamedValue& out : graph_.program.outputs) outputs.insert(out.value);
    for (auto& [value, result] : layer_of_) {
      Entry& entry = layers_[result.layer];
      if (entry.class_name != "Activation" || entry.operands.size() != 1 || outputs.contains(entry.operands[0])) continue;
      const auto below = layer_of_.find(entry.operands[0]);
      if (below == layer_of_.end()) continue;
      Entry& taker = layers_[below->second.layer];
      if (taker.users != 1 || taker.shared || taker.of != SIZE_MAX || !kTakers.contains(taker.class_name) ||
          taker.config.find("activation"))
        continue;
      taker.config.set("activation", *entry.config.find("activation"));
      entry.folded = true;
      result = below->second;
    }
  }

  std::string name_of(Value v) const {
    if (const auto in = input_.find(v); in != input_.end()) return in->second;
    if (const auto in = copied_.find(v); in != copied_.end()) return in->second;
    return output_name(v);
  }

  std::string output_name(Value v) const {
    const Result& result = layer_of_.at(v);
    return layers_[result.layer].name + (result.output ? fmt::format(":{}", result.output) : "");
  }

  static SpecNode sizes(const Shape& shape) {
    std::vector<SpecNode> items;
    for (size_t i = 0; i < shape.size(); ++i)
      items.push_back(shape[i].known() ? SpecNode::integer(shape[i].value()) : SpecNode::string(to_string(shape[i])));
    return SpecNode::list(std::move(items));
  }

  SpecNode tree(const std::string& model_name) const {
    SpecNode::Map inputs;
    for (const NamedValue& in : graph_.program.inputs) {
      if (!read_.contains(in.value)) continue;  // a model of layers has no input that leads to no output
      const TensorType& type = graph_.program.graph.type(in.value);
      inputs.emplace_back(input_names_.at(in.value),
                          SpecNode::map({{"batch_shape", sizes(type.shape)}, {"dtype", SpecNode::string(dl::name_of(type.dtype))}}));
    }
    std::vector<SpecNode> layers, outputs;
    for (const Entry& entry : layers_) {
      if (entry.folded) continue;
      SpecNode config = entry.config;
      config.set("name", SpecNode::string(entry.name));
      std::vector<SpecNode> operands;
      for (const Value v : entry.operands) operands.push_back(SpecNode::string(name_of(v)));
      if (!operands.empty()) config.set("inputs", SpecNode::list(std::move(operands)));
      if (entry.of == SIZE_MAX) {
        layers.push_back(SpecNode::map({{entry.class_name, config}}));
        continue;
      }
      SpecNode call = map_of({{"layer", SpecNode::string(layers_[entry.of].name)}, {"name", SpecNode::string(entry.name)}});
      call.set("inputs", *config.find("inputs"));
      layers.push_back(SpecNode::map({{"call", call}}));
    }
    for (const NamedValue& out : graph_.program.outputs) outputs.push_back(SpecNode::string(output_name(out.value)));
    return SpecNode::map({{"name", SpecNode::string(model_name)},
                          {"inputs", SpecNode::map(std::move(inputs))},
                          {"layers", SpecNode::list(std::move(layers))},
                          {"outputs", SpecNode::list(std::move(outputs))}});
  }

  Folded graph_;
  std::vector<std::vector<uint32_t>> users_;  // of each node
  Patterns patterns_;
  std::map<Value, std::string> input_, input_names_, copied_;
  std::map<Value, std::optional<Choice>> chosen_;
  std::set<Value> read_;
  std::map<Value, Result> layer_of_;
  std::map<std::tuple<std::string, uint32_t, std::vector<Value>>, size_t> made_;  // layers by what they compute
  std::map<std::string, size_t> with_weights_;
  std::vector<Entry> layers_;
  std::set<std::string> taken_;
  std::map<std::string, Tensor> weights_;
  std::vector<std::string> left_;
};

constexpr int kFoldings = 3;  // the normal form makes numbers of weights, and numbers make more normal

}  // namespace

SavedModel raise_to_layers(SavedModel model, std::vector<std::string>& left) {
  const std::string name = model.model.name;
  Folded graph{build_inference_program(model.model), std::move(model.weights)};
  for (int i = 0; i < kFoldings; ++i) {
    graph.program = normal_form(graph.program);
    graph = fold_weights(graph.program, std::move(graph.weights));
  }
  model.model_tree = {};
  model.weights.clear();
  model.slots.clear();
  model.training = {};
  left = Raiser(std::move(graph)).run(name, model);
  if (!left.empty()) return model;
  spec::Problems problems;
  model.model = parse_model(model.model_tree, "", problems);
  problems.throw_if_any();
  return model;
}

}  // namespace dl
