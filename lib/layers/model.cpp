#include "layers/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "layers/graph_layer.h"
#include "layers/graph_text.h"
#include "spec/yaml.h"

namespace dl {

using spec::Place;
using spec::Problems;
using spec::Reader;

namespace {

// Reads one model; members are what names refer to so far.
class ModelParser {
 public:
  explicit ModelParser(Problems& problems) : problems_(problems) {}

  Model parse(const spec::Node& node) {
    Reader reader(node, "", problems_);
    if (node.find("class_name")) {
      reader.report("class_name", "is a key of a Keras config; give a model with inputs, layers and outputs, or the .keras file itself");
      return {};
    }
    model_.name = reader.get_string("name", std::string());
    if (const spec::Node* inputs = reader.get("inputs")) parse_inputs(*inputs);
    const spec::Node* layers = reader.get("layers");
    if (!layers || !layers->is_list() || layers->items().empty()) {
      reader.report("layers", "must be a list with at least one layer");
    } else {
      for (size_t i = 0; i < layers->items().size(); ++i) parse_layer(layers->items()[i], fmt::format("layers[{}]", i));
    }
    parse_outputs(reader.get("outputs"), node);
    reader.finish();
    if (problems_.empty()) check_reachable();
    return std::move(model_);
  }

 private:
  void report(const Place& place, const std::string& path, const std::string& message) { problems_.add(place, path, message); }

  // ---- inputs
  void parse_inputs(const spec::Node& node) {
    if (!node.is_map()) return report(node.place(), "inputs", "must be a map from input names to {shape: [...], dtype: ...}");
    for (const auto& [name, value] : node.entries()) {
      const std::string path = "inputs." + name;
      const Place place = node.key_place(name);
      if (value.is_list()) {
        add_input(name, parse_shape(value, path, name, true), std::nullopt, place, path);
        continue;
      }
      Reader reader(value, path, problems_);
      parse_input(reader, name, place, path);
      reader.finish();
    }
  }

  void parse_input(Reader& reader, const std::string& name, const Place& place, const std::string& path) {
    const spec::Node* shape = reader.get("shape");
    const spec::Node* batch_shape = reader.get("batch_shape");
    const std::string dtype = reader.get_string("dtype", std::string());
    for (const char* key : {"sparse", "ragged", "optional"}) {
      const spec::Node* value = reader.get(key);
      if (value && !(value->is_null() || *value == spec::Node::boolean(false))) reader.report(key, "is not supported yet; leave it out");
    }
    if ((shape != nullptr) == (batch_shape != nullptr)) {
      reader.report("shape", "is missing: the sizes of one sample, such as [28, 28, 1]");
      return;
    }
    const bool with_batch = batch_shape != nullptr;
    const spec::Node& sizes = with_batch ? *batch_shape : *shape;
    if (!dtype.empty() && !parse_dtype(dtype)) {
      reader.report("dtype", fmt::format("is '{}', must be a type such as float32, int32, uint8", dtype));
      return;
    }
    add_input(name, parse_shape(sizes, path + (with_batch ? ".batch_shape" : ".shape"), name, !with_batch),
              dtype.empty() ? std::nullopt : parse_dtype(dtype), place, path);
  }

  // Unknown sizes are symbols: the batch, then "time" for the first unknown size; every input has its own names after the
  // first, unless the user gives names to say that sizes agree.
  Shape parse_shape(const spec::Node& node, const std::string& path, const std::string& input_name, bool add_batch) {
    Shape shape;
    if (add_batch) shape.push_back(Dim::symbol("batch"));
    if (!node.is_list()) {
      report(node.place(), path, "must be a list of sizes, such as [28, 28, 1]");
      return shape;
    }
    for (size_t i = 0; i < node.items().size(); ++i) {
      const spec::Node& size = node.items()[i];
      const bool is_batch = !add_batch && i == 0;
      if (is_batch && size.is_null()) {
        shape.push_back(Dim::symbol("batch"));
      } else if (size.is_null()) {
        shape.push_back(Dim::symbol(unknown_size_name(input_name)));
      } else if (size.is_string() && !size.as_string().empty()) {
        shape.push_back(Dim::symbol(size.as_string()));
      } else if (size.kind() == spec::Kind::kInt && size.as_int() > 0 && size.as_int() < (int64_t{1} << 31)) {
        shape.push_back(Dim(size.as_int()));
      } else {
        report(size.place(), fmt::format("{}[{}]", path, i), "must be a positive integer, null (any size) or a name for a size");
      }
    }
    return shape;
  }

  std::string unknown_size_name(const std::string& input_name) {
    std::string name = model_.inputs.empty() ? "time" : input_name + "_time";
    for (int i = 2; !size_names_.insert(name).second; ++i)
      name = fmt::format("{}_{}", model_.inputs.empty() ? "time" : input_name + "_time", i);
    return name;
  }

  void add_input(const std::string& name, Shape shape, std::optional<DType> dtype, const Place& place, const std::string& path) {
    if (!claim_name(name, place, path)) return;
    refs_[name] = {true, model_.inputs.size(), 0};
    previous_ = refs_[name];
    model_.inputs.push_back({name, std::move(shape), dtype.value_or(DType::kFloat32), !dtype.has_value(), place});
  }

  // ---- layers
  void parse_layer(const spec::Node& node, const std::string& item_path) {
    const std::optional<spec::NamedConfig> named = read_object(node, item_path, problems_);
    if (!named) return poison();
    const std::string path = join_path(item_path, named->name);
    const Place place = place_of(*named);
    spec::Node empty = spec::Node::map({});
    empty.set_place(place);
    Reader reader(named->config && !named->config->is_null() ? *named->config : empty, path, problems_);
    if (named->name == "Input" || named->name == "InputLayer") return parse_input_layer(reader, place, path);
    if (named->name == "call") return parse_shared_call(reader, place, path);
    const LayerDef* def = find_layer_def(named->name);
    if (!def) {
      report(place, path, fmt::format("unknown layer '{}'{}", named->name, layer_suggestion(named->name)));
      if (const spec::Node* name = reader.get("name"); name && name->is_string())
        refs_.emplace(name->as_string(), ModelRef{false, SIZE_MAX, 0});
      return poison();
    }
    const std::string name = reader.get_string("name", std::string());
    auto layer = read_layer(reader, *def, place);
    layer->name = name.empty() ? default_name(def->class_name) : name;
    const std::optional<std::vector<ModelRef>> inputs = read_inputs(reader, *def, place, path);
    reader.finish();
    const bool claimed = claim_name(layer->name, place, path);
    if (!claimed || !inputs) {
      refs_.emplace(layer->name, ModelRef{false, SIZE_MAX, 0});
      return poison();
    }
    layers_[layer->name] = model_.layers.size();
    model_.layers.push_back(layer);
    add_call({layer->name, model_.layers.size() - 1, *inputs, place, nullptr});
  }

  void parse_input_layer(Reader& reader, const Place& place, const std::string& path) {
    std::string name = reader.get_string("name", std::string());
    if (name.empty()) name = default_name("InputLayer");
    parse_input(reader, name, place, path);
    reader.finish();
  }

  void parse_shared_call(Reader& reader, const Place& place, const std::string& path) {
    const std::string layer = reader.get_string("layer");
    std::string name = reader.get_string("name", std::string());
    const auto found = layers_.find(layer);
    if (found == layers_.end()) {
      if (!layer.empty()) reader.report("layer", fmt::format("no layer '{}' is defined above{}", layer, suggest(layer, layer_names())));
      return poison();
    }
    if (name.empty()) {
      for (int i = 1; name.empty() || refs_.count(name); ++i) name = fmt::format("{}_{}", layer, i);
    }
    const std::optional<std::vector<ModelRef>> inputs = read_inputs(reader, *model_.layers[found->second]->def, place, path);
    std::shared_ptr<const Layer> variant = read_variant(reader, *model_.layers[found->second]);
    reader.finish();
    if (!claim_name(name, place, path) || !inputs) return poison();
    add_call({name, found->second, *inputs, place, std::move(variant)});
  }

  // Of what a layer is told with each call: ReversibleEmbedding's `reverse`.
  static std::shared_ptr<const Layer> read_variant(Reader& reader, const Layer& layer) {
    constexpr const char* kReverse = "reverse";
    if (!layer.config.has(kReverse)) return nullptr;
    const bool reverse = reader.get_bool(kReverse, false);
    if (reverse == layer.config.flag(kReverse)) return nullptr;
    auto variant = std::make_shared<Layer>(layer);
    variant->config.set(kReverse, spec::Node::boolean(reverse));
    return variant;
  }

  void add_call(LayerCall call) {
    refs_[call.name] = {false, model_.calls.size(), 0};
    previous_ = refs_[call.name];
    model_.calls.push_back(std::move(call));
  }

  // After a broken layer, "the previous layer" means nothing; no follow-up errors.
  void poison() { previous_ = {false, SIZE_MAX, 0}; }

  std::optional<std::vector<ModelRef>> read_inputs(Reader& reader, const LayerDef& def, const Place& place, const std::string& path) {
    std::vector<ModelRef> refs;
    if (!reader.has("inputs")) {
      if (!previous_) {
        report(place, path, "has nothing before it: give the model `inputs:` or start with an Input layer");
        return std::nullopt;
      }
      if (model_.calls.empty() && model_.inputs.size() > 1 && previous_->is_input) {
        report(place, path, fmt::format("the model has {} inputs: say which with `inputs:`", model_.inputs.size()));
        return std::nullopt;
      }
      refs.push_back(*previous_);
    } else {
      const spec::Node* node = reader.get("inputs");
      const std::vector<spec::Node> names = node->is_list() ? node->items() : std::vector<spec::Node>{*node};
      for (const spec::Node& item : names) {
        const std::optional<ModelRef> ref = find_ref(item, reader.path_of("inputs"));
        if (!ref) return std::nullopt;
        refs.push_back(*ref);
      }
    }
    const int count = static_cast<int>(refs.size());
    if (count < def.min_inputs || (def.max_inputs >= 0 && count > def.max_inputs)) {
      const std::string wanted = def.max_inputs < 0                 ? fmt::format("at least {}", def.min_inputs)
                                 : def.min_inputs == def.max_inputs ? fmt::format("{}", def.min_inputs)
                                                                    : fmt::format("{} to {}", def.min_inputs, def.max_inputs);
      report(place, path, fmt::format("{} takes {} input(s), got {}: list them with `inputs: [a, b]`", def.class_name, wanted, count));
      return std::nullopt;
    }
    for (const ModelRef& ref : refs)
      if (ref.index == SIZE_MAX) return std::nullopt;
    return refs;
  }

  // "name" or "name:1".
  std::optional<ModelRef> find_ref(const spec::Node& node, const std::string& path) {
    if (!node.is_string()) {
      report(node.place(), path, "must be the name of an input or of a layer above, or a list of them");
      return std::nullopt;
    }
    std::string name = node.as_string();
    size_t output = 0;
    const size_t colon = name.rfind(':');
    if (!refs_.count(name) && colon != std::string::npos && colon + 2 == name.size() && name[colon + 1] >= '0' && name[colon + 1] <= '9') {
      output = static_cast<size_t>(name[colon + 1] - '0');
      name.resize(colon);
    }
    const auto found = refs_.find(name);
    if (found == refs_.end()) {
      std::vector<std::string_view> names;
      for (const auto& [known, ref] : refs_) names.emplace_back(known);
      report(node.place(), path, fmt::format("'{}' is neither an input nor a layer above{}", name, suggest(name, names)));
      return std::nullopt;
    }
    ModelRef ref = found->second;
    ref.output = output;
    return ref;
  }

  static std::string suggest(const std::string& word, const std::vector<std::string_view>& names) { return spec::suggestion(word, names); }
  std::vector<std::string_view> layer_names() const {
    std::vector<std::string_view> names;
    for (const auto& [name, index] : layers_) names.emplace_back(name);
    return names;
  }

  // ---- outputs
  void parse_outputs(const spec::Node* node, const spec::Node& model_node) {
    if (!node || node->is_null()) {
      if (!model_.calls.empty()) {
        model_.outputs.push_back({model_.calls.back().name, {false, model_.calls.size() - 1, 0}});
      } else if (problems_.empty()) {
        report(model_node.place(), "layers", "the model has no layer");
      }
      return;
    }
    const std::vector<spec::Node> names = node->is_list() ? node->items() : std::vector<spec::Node>{*node};
    if (names.empty()) report(node->place(), "outputs", "must name at least one layer");
    for (const spec::Node& item : names) {
      const std::optional<ModelRef> ref = find_ref(item, "outputs");
      if (!ref || ref->index == SIZE_MAX) continue;
      const bool twice =
          std::any_of(model_.outputs.begin(), model_.outputs.end(), [&](const ModelOutput& o) { return o.name == item.as_string(); });
      if (twice) report(item.place(), "outputs", fmt::format("'{}' is named twice", item.as_string()));
      model_.outputs.push_back({item.as_string(), *ref});
    }
  }

  void check_reachable() {
    std::vector<char> call_used(model_.calls.size()), input_used(model_.inputs.size());
    const auto mark = [&](const ModelRef& ref) { (ref.is_input ? input_used : call_used)[ref.index] = 1; };
    for (const ModelOutput& output : model_.outputs) mark(output.ref);
    for (size_t i = model_.calls.size(); i-- > 0;) {
      if (call_used[i])
        for (const ModelRef& ref : model_.calls[i].inputs) mark(ref);
    }
    for (size_t i = 0; i < model_.inputs.size(); ++i)
      if (!input_used[i]) report(model_.inputs[i].place, "inputs." + model_.inputs[i].name, "leads to no output: use it or remove it");
    for (size_t i = 0; i < model_.calls.size(); ++i)
      if (!call_used[i])
        report(model_.calls[i].place, "layers",
               fmt::format("layer '{}' leads to no output: name it in `outputs:` or remove it", model_.calls[i].name));
  }

  // ---- names
  bool claim_name(const std::string& name, const Place& place, const std::string& path) {
    if (name.empty() || name.find('/') != std::string::npos) {
      report(place, path, fmt::format("the name '{}' must not be empty or hold '/'", name));
      return false;
    }
    if (names_.insert(name).second) return true;
    report(place, path,
           fmt::format("the name '{}' is taken; names of inputs and layers must differ. To apply a layer again, write - call: {{layer: {}, "
                       "inputs: ...}}",
                       name, name));
    return false;
  }

  std::string default_name(std::string_view class_name) {
    const std::string base = snake_case(class_name);
    for (;;) {
      const int count = class_counts_[base]++;
      std::string name = count == 0 ? base : fmt::format("{}_{}", base, count);
      if (!names_.count(name)) return name;
    }
  }

  static Place place_of(const spec::NamedConfig& named) {
    return named.source->is_map() && !named.source->find("class_name") ? named.source->key_place(named.name) : named.source->place();
  }

 public:
  static std::shared_ptr<Layer> read_layer(Reader& reader, const LayerDef& def, const Place& place) {
    auto layer = std::make_shared<Layer>();
    layer->def = &def;
    layer->place = place;
    layer->trainable = reader.get_bool("trainable", true);
    if (const spec::Node* dtype = reader.get("dtype"); dtype && !dtype->is_null()) {
      if (dtype->is_string() && parse_precision(dtype->as_string())) {
        layer->dtype = dtype->as_string();
      } else {
        reader.report("dtype", "must be float32, float64 or bfloat16");
      }
    }
    const size_t before = reader.problems().lines().size();
    layer->config = read_config(reader, def.keys);
    if (def.check && reader.problems().lines().size() == before) def.check(*layer, reader);
    return layer;
  }

 private:
  Problems& problems_;
  Model model_;
  std::map<std::string, ModelRef> refs_;
  std::map<std::string, size_t> layers_;
  std::set<std::string> names_, size_names_;
  std::map<std::string, int> class_counts_;
  std::optional<ModelRef> previous_;
};

}  // namespace

std::shared_ptr<const Layer> read_child_layer(const spec::Node& node, const std::string& path, Problems& problems) {
  const std::optional<spec::NamedConfig> named = read_object(node, path, problems);
  if (!named) return nullptr;
  const LayerDef* def = find_layer_def(named->name);
  if (!def) {
    problems.add(node.place(), path, fmt::format("unknown layer '{}'{}", named->name, layer_suggestion(named->name)));
    return nullptr;
  }
  static const spec::Node kEmpty = spec::Node::map({});
  const spec::Node& config = named->config ? *named->config : kEmpty;
  Reader reader(config, join_path(path, named->name), problems);
  const std::string name = reader.get_string("name", std::string());
  std::shared_ptr<Layer> layer = ModelParser::read_layer(reader, *def, config.place());
  layer->name = name.empty() ? snake_case(def->class_name) : name;
  reader.finish();
  return layer;
}

void wrap_child_layer(Layer& layer, spec::Reader& reader) {
  const auto child = read_child_layer(layer.config.node("layer"), reader.path_of("layer"), reader.problems());
  if (!child) return;
  if (child->def->min_inputs > 1) reader.report("layer", fmt::format("is {}, must be a layer of one input", child->def->class_name));
  auto wrapped = std::make_shared<Layer>(*child);
  wrapped->trainable = wrapped->trainable && layer.trainable;
  layer.children["layer"] = wrapped;
}

namespace {

// A model given as operators: {name, graph}.
Model parse_graph(const spec::Node& node, Problems& problems) {
  Reader reader(node, "", problems);
  const std::string name = reader.get_string("name", std::string());
  const std::shared_ptr<const Program> program = read_graph(*reader.get("graph"), "graph", problems);
  reader.finish();
  return program ? graph_model(name, program) : Model{};
}

}  // namespace

Model parse_model(const spec::Node& node, const std::string& base_dir, Problems& problems) {
  if (node.is_map() && node.find("graph")) return parse_graph(node, problems);
  if (!node.is_string()) return ModelParser(problems).parse(node);
  const std::filesystem::path path(node.as_string());
  const std::string file =
      path.is_absolute() || base_dir.empty() ? path.string() : (std::filesystem::path(base_dir) / path).lexically_normal().string();
  return parse_model(spec::load_yaml(file), "", problems);
}

Model load_model_spec(const std::string& path) {
  Problems problems;
  Model model = parse_model(spec::load_yaml(path), "", problems);
  problems.throw_if_any();
  return model;
}

Model model_up_to(const Model& model, const ModelRef& ref) {
  Model part;
  part.name = model.name;
  std::vector<char> call_used(model.calls.size()), input_used(model.inputs.size());
  (ref.is_input ? input_used : call_used)[ref.index] = 1;
  for (size_t i = model.calls.size(); i-- > 0;)
    for (const ModelRef& operand : model.calls[i].inputs)
      if (call_used[i]) (operand.is_input ? input_used : call_used)[operand.index] = 1;
  std::vector<size_t> new_input(model.inputs.size()), new_call(model.calls.size());
  const auto moved = [&](ModelRef old) {
    old.index = old.is_input ? new_input[old.index] : new_call[old.index];
    return old;
  };
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    new_input[i] = part.inputs.size();
    if (input_used[i]) part.inputs.push_back(model.inputs[i]);
  }
  part.layers = model.layers;
  for (size_t i = 0; i < model.calls.size(); ++i) {
    new_call[i] = part.calls.size();
    if (!call_used[i]) continue;
    LayerCall call = model.calls[i];
    for (ModelRef& operand : call.inputs) operand = moved(operand);
    part.calls.push_back(std::move(call));
  }
  part.outputs = {{ref.is_input ? model.inputs[ref.index].name : model.calls[ref.index].name, moved(ref)}};
  return part;
}

std::vector<AdaptRequest> layers_to_adapt(const Model& model) {
  std::vector<AdaptRequest> requests;
  std::set<size_t> seen;
  for (const LayerCall& call : model.calls) {
    const Layer& layer = *model.layers[call.layer];
    if (!layer.def->adapts || layer.config.given("mean") || !seen.insert(call.layer).second) continue;
    requests.push_back({layer.name, call.inputs[0], layer.config.integers("axis"), layer.name + "/mean", layer.name + "/variance"});
  }
  return requests;
}

}  // namespace dl
