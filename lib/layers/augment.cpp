#include "layers/augment.h"

#include <algorithm>
#include <cmath>

#include "ops/builders.h"

namespace dl {
namespace {

using SpecNode = spec::Node;

constexpr std::string_view kAugmentations[] = {
    "random_shear", "random_translation", "random_rotation",           "random_posterization", "solarization",    "auto_contrast",
    "equalization", "random_brightness",  "random_color_degeneration", "random_contrast",      "random_sharpness"};

}  // namespace

std::span<const std::string_view> augmentation_names() { return kAugmentations; }

void make_augmentations(Layer& layer, spec::Reader& reader) {
  check_factor(layer, reader, "factor", kShare);
  check_value_range(layer, reader);
  if (!reader.problems().empty()) return;
  const Config& config = layer.config;
  const auto [low, high] = factor_range(config, "factor", kShare);
  const SpecNode factor = SpecNode::list({SpecNode::real(low), SpecNode::real(high)});
  const SpecNode bits = SpecNode::integer(std::max<int64_t>(1, static_cast<int64_t>(8 * high)));
  const auto add = [&](const char* name, const char* class_name, std::vector<std::pair<const char*, SpecNode>> keys, bool warps,
                       bool range) {
    SpecNode child = SpecNode::map({{"name", SpecNode::string(name)}, {"data_format", config.node("data_format")}});
    for (auto& [key, value] : keys) child.set(key, std::move(value));
    if (range) child.set("value_range", config.node("value_range"));
    if (warps) child.set("interpolation", config.node("interpolation"));
    if (!keys.empty() && config.given("seed")) child.set("seed", config.node("seed"));
    layer.children[name] = read_child_layer(SpecNode::map({{class_name, std::move(child)}}), reader.path_of(name), reader.problems());
  };
  add("random_shear", "RandomShear", {{"x_factor", factor}, {"y_factor", factor}}, true, false);
  add("random_translation", "RandomTranslation", {{"height_factor", factor}, {"width_factor", factor}}, true, false);
  add("random_rotation", "RandomRotation", {{"factor", factor}}, true, false);
  add("random_posterization", "RandomPosterization", {{"factor", bits}}, false, true);
  add("solarization", "Solarization", {{"addition_factor", factor}, {"threshold_factor", factor}}, false, true);
  add("auto_contrast", "AutoContrast", {}, false, true);
  add("equalization", "Equalization", {}, false, true);
  add("random_brightness", "RandomBrightness", {{"factor", factor}}, false, true);
  add("random_color_degeneration", "RandomColorDegeneration", {{"factor", factor}}, false, true);
  add("random_contrast", "RandomContrast", {{"factor", factor}}, false, true);
  add("random_sharpness", "RandomSharpness", {{"factor", factor}}, false, true);
}

Var augment(LayerContext& context, std::string_view name, const std::string& stream, Var x) {
  const Layer& child = *context.layer().children.at(std::string(name));
  const LayerContext::SubLayer scope(context, stream, stream);
  LayerContext inner = context.child(child);
  const MaskedVar input{x, {}};
  return context.to_compute(child.def->build(inner, {&input, 1}).at(0).value);
}

}  // namespace dl
