#include "train/model_preprocessing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "data/source.h"
#include "layers/graph_layer.h"

namespace dl {
namespace {

using SpecNode = spec::Node;

// y = factor * x + offset, an entry for each element of the last axis, or one for all.
struct Affine {
  std::vector<double> factor = {1}, offset = {0};
  bool changes() const {
    const auto is = [](const std::vector<double>& values, double v) {
      return std::all_of(values.begin(), values.end(), [v](double x) { return x == v; });
    };
    return !is(factor, 1) || !is(offset, 0);
  }
};

SpecNode reals(const std::vector<double>& values) {
  if (values.size() == 1) return SpecNode::real(values[0]);
  std::vector<SpecNode> items;
  for (const double v : values) items.push_back(SpecNode::real(v));
  return SpecNode::list(std::move(items));
}

// Numbers of one element as Rescaling; others as Normalization, which every reader takes with lists.
SpecNode as_layer(const Affine& a, const std::string& name, const std::string& input) {
  SpecNode::Map config = {{"name", SpecNode::string(name)}, {"inputs", SpecNode::string(input)}};
  if (a.factor.size() == 1 && a.offset.size() == 1) {
    config.emplace_back("scale", reals(a.factor));
    config.emplace_back("offset", reals(a.offset));
    return SpecNode::map({{"Rescaling", SpecNode::map(std::move(config))}});
  }
  std::vector<double> mean, variance;
  for (size_t i = 0; i < a.factor.size(); ++i) {
    mean.push_back(-a.offset[i] / a.factor[i]);
    variance.push_back(1 / (a.factor[i] * a.factor[i]));
  }
  config.emplace_back("axis", SpecNode::integer(-1));
  config.emplace_back("mean", reals(mean));
  config.emplace_back("variance", reals(variance));
  return SpecNode::map({{"Normalization", SpecNode::map(std::move(config))}});
}

std::string ref_text(const Model& model, const ModelRef& ref) {
  if (ref.is_input) return model.inputs[ref.index].name;
  const std::string& name = model.calls[ref.index].name;
  return ref.output == 0 ? name : fmt::format("{}:{}", name, ref.output);
}

// The tree with every connection written out, so that layers can be put in and taken out anywhere.
struct Editor {
  SpecNode inputs;
  std::vector<SpecNode> layers;
  std::vector<std::string> outputs;

  explicit Editor(const SavedModel& saved) {
    inputs = *saved.model_tree.find("inputs");
    const std::vector<SpecNode>& items = saved.model_tree.find("layers")->items();
    DL_CHECK(items.size() == saved.model.calls.size(), "a layer of the tree is not in the model");
    for (size_t i = 0; i < items.size(); ++i) {
      SpecNode item = items[i].is_string() ? SpecNode::map({{items[i].as_string(), SpecNode::map({})}}) : items[i];
      SpecNode& config = item.entries().front().second;
      if (config.is_null()) config = SpecNode::map({});
      std::vector<SpecNode> operands;
      for (const ModelRef& ref : saved.model.calls[i].inputs) operands.push_back(SpecNode::string(ref_text(saved.model, ref)));
      config.set("inputs", SpecNode::list(std::move(operands)));
      config.set("name", SpecNode::string(saved.model.calls[i].name));
      layers.push_back(std::move(item));
    }
    for (const ModelOutput& out : saved.model.outputs) outputs.push_back(ref_text(saved.model, out.ref));
  }

  static std::string name_of(const SpecNode& item) { return item.entries().front().second.find("name")->as_string(); }

  void rename_operand(const std::string& from, const std::string& to) {
    for (SpecNode& item : layers)
      for (SpecNode& operand : item.entries().front().second.find("inputs")->items())
        if (operand.as_string() == from) operand = SpecNode::string(to);
    std::replace(outputs.begin(), outputs.end(), from, to);
  }

  std::string free_name(const std::string& wanted) const {
    std::set<std::string> taken;
    for (const auto& [name, entry] : inputs.entries()) taken.insert(name);
    for (const SpecNode& item : layers) taken.insert(name_of(item));
    std::string name = wanted;
    for (int i = 1; taken.contains(name); ++i) name = fmt::format("{}_{}", wanted, i);
    return name;
  }

  void write(SavedModel& saved) const {
    std::vector<SpecNode> names;
    for (const std::string& name : outputs) names.push_back(SpecNode::string(name));
    saved.model_tree.set("layers", SpecNode::list(layers));
    saved.model_tree.set("outputs", SpecNode::list(std::move(names)));
    spec::Problems problems;
    saved.model = parse_model(saved.model_tree, "", problems);
    problems.throw_if_any();
  }
};

// What the source of the training data does to every input.
Affine of_source(const LoadedModel& loaded) {
  Affine a;
  const SpecNode* data = loaded.run->resolved.find("data");
  const SpecNode* train = data ? data->find("train") : nullptr;
  if (!train || !train->is_map()) return a;
  spec::Problems problems;
  spec::Reader reader(*train, "data.train", problems);
  a.factor = {read_scale(reader, "rescale", 1)};
  a.offset = {read_scale(reader, "offset", 0)};
  return a;
}

Affine then(const Affine& first, const FieldScaling* scaling) {
  if (!scaling) return first;
  Affine both{{}, {}};
  for (size_t i = 0; i < scaling->center.size(); ++i) {
    both.factor.push_back(first.factor[0] * scaling->scale[i]);
    both.offset.push_back((first.offset[0] - scaling->center[i]) * scaling->scale[i]);
  }
  return both;
}

// The scaling of the field that goes to the input or output `name`, which Feed matches in the same way.
const FieldScaling* scaling_for(const Preprocessing& preprocessing, const std::string& name, bool target, size_t count) {
  std::vector<const Field*> fields;
  for (const Field& f : preprocessing.fields)
    if (f.target == target) fields.push_back(&f);
  if (fields.size() == 1 && count == 1) return preprocessing.find(fields[0]->name);
  return preprocessing.find(name);
}

}  // namespace

void fold_preprocessing(SavedModel& model, const LoadedModel& loaded) {
  if (!loaded.run || graph_of(model.model))
    throw UserError(fmt::format("{}: --fold-preprocessing needs a checkpoint or the folder of a run, which say what was done to the data",
                                loaded.origin));
  const Preprocessing& known = loaded.preprocessing;
  for (const FieldScaling& s : known.scalings)
    if (!s.fill.empty())
      throw UserError(
          fmt::format("{}: missing values of '{}' were filled with means, which no layer does; export without "
                      "--fold-preprocessing",
                      loaded.origin, s.field));
  Editor editor(model);
  std::vector<SpecNode> front;
  for (const ModelInput& in : model.model.inputs) {
    const Affine a = then(of_source(loaded), scaling_for(known, in.name, false, model.model.inputs.size()));
    if (!a.changes() || !is_float(in.dtype)) continue;
    const std::string name = editor.free_name(in.name + "_scaled");
    editor.rename_operand(in.name, name);
    front.push_back(as_layer(a, name, in.name));
  }
  editor.layers.insert(editor.layers.begin(), front.begin(), front.end());
  bool outputs_change = false;
  for (size_t o = 0; o < editor.outputs.size(); ++o) {
    const FieldScaling* scaling = scaling_for(known, model.model.outputs[o].name, true, editor.outputs.size());
    if (!scaling) continue;
    Affine back{{}, {}};
    for (size_t i = 0; i < scaling->center.size(); ++i) {
      back.factor.push_back(1 / scaling->scale[i]);
      back.offset.push_back(scaling->center[i]);
    }
    if (!back.changes()) continue;
    const std::string name = editor.free_name(editor.outputs[o] + "_unscaled");
    editor.layers.push_back(as_layer(back, name, editor.outputs[o]));
    editor.outputs[o] = name;
    outputs_change = true;
  }
  editor.write(model);
  model.preprocessing = {};
  if (!outputs_change) return;
  model.training = {};
  model.slots.clear();
}

void strip_preprocessing(SavedModel& model, const std::string& origin) {
  if (graph_of(model.model)) throw UserError(fmt::format("{}: --strip-preprocessing needs a model of layers, not a graph", origin));
  Editor editor(model);
  std::set<std::string> borders;  // values that are inputs of the model as it will be
  for (const ModelInput& in : model.model.inputs) borders.insert(in.name);
  std::vector<SpecNode> kept;
  std::vector<std::pair<std::string, std::string>> renamed;
  const auto is_preprocessing = [](const SpecNode& item) {
    const std::string& name = item.entries().front().first;
    return name == "Rescaling" || name == "Normalization";
  };
  for (size_t i = 0; i < editor.layers.size(); ++i) {
    SpecNode& item = editor.layers[i];
    const std::vector<SpecNode>& operands = item.entries().front().second.find("inputs")->items();
    if (!is_preprocessing(item) || !borders.contains(operands.at(0).as_string())) {
      kept.push_back(item);
      continue;
    }
    const std::string from = Editor::name_of(item), to = operands[0].as_string();
    const size_t readers = static_cast<size_t>(std::count_if(model.model.calls.begin(), model.model.calls.end(), [&](const LayerCall& c) {
      return std::any_of(c.inputs.begin(), c.inputs.end(), [&](const ModelRef& r) { return ref_text(model.model, r) == to; });
    }));
    if (readers != 1)
      throw UserError(fmt::format("{}: input '{}' is read by others than layer '{}'; it cannot be left out", origin, to, from));
    renamed.emplace_back(from, to);
    editor.rename_operand(from, to);
    std::erase_if(model.weights, [&](const auto& w) { return w.first.starts_with(from + "/"); });
  }
  if (renamed.empty()) throw UserError(fmt::format("{}: has no Rescaling or Normalization at its inputs to leave out", origin));
  editor.layers = std::move(kept);
  editor.write(model);
}

}  // namespace dl
