#include <fmt/format.h>

#include <memory>
#include <set>

#include "layers/layer.h"

namespace dl {
namespace {

std::string pipeline_key(size_t i) { return fmt::format("layers{}", i); }

void check_pipeline(Layer& layer, spec::Reader& reader) {
  const spec::Node layers = layer.config.node("layers");
  if (!layers.is_list() || layers.items().empty())
    return reader.report("layers", "must be a list of layers, such as [RandomFlip, RandomZoom: {height_factor: 0.2}]");
  std::set<std::string> names;  // of the weights: layers without names of their own are numbered
  for (size_t i = 0; i < layers.items().size(); ++i) {
    const std::string path = fmt::format("{}[{}]", reader.path_of("layers"), i);
    const auto child = read_child_layer(layers.items()[i], path, reader.problems());
    if (!child) continue;
    if (child->def->min_inputs > 1) reader.report("layers", fmt::format("has {}, must be layers of one input", child->def->class_name));
    auto named = std::make_shared<Layer>(*child);
    named->trainable = named->trainable && layer.trainable;
    for (int n = 1; !names.insert(named->name).second; ++n) named->name = fmt::format("{}_{}", child->name, n);
    layer.children[pipeline_key(i)] = std::move(named);
  }
}

std::vector<MaskedVar> build_pipeline(LayerContext& context, std::span<const MaskedVar> inputs) {
  std::vector<MaskedVar> values(inputs.begin(), inputs.end());
  for (size_t i = 0; i < context.layer().children.size(); ++i) {
    const Layer& child = *context.layer().children.at(pipeline_key(i));
    const LayerContext::SubLayer scope(context, child.name, child.name);
    LayerContext inner = context.child(child);
    MaskedVar input = values.at(0);
    if (child.def->autocast && is_float(input.value.dtype())) input.value = inner.to_compute(input.value);
    std::vector<MaskedVar> outputs = child.def->build(inner, {&input, 1});
    if (child.def->masking == Masking::kPass)
      for (MaskedVar& output : outputs) output.mask = input.mask;
    values = std::move(outputs);
  }
  return values;
}

}  // namespace

const LayerDef layer_pipeline = {
    .class_name = "Pipeline",
    .summary = "Layers one after the other, as one layer.",
    .masking = Masking::kOwn,
    .autocast = false,
    .keys = {any_key("layers", {}, true)},
    .check = check_pipeline,
    .build = build_pipeline,
};

}  // namespace dl
