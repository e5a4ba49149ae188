#include "layers/borders.h"

#include <fmt/format.h>

#include "base/error.h"
#include "layers/window.h"
#include "ops/builders.h"

namespace dl {
namespace {

bool is_size(const spec::Node& node) { return node.kind() == spec::Kind::kInt && node.as_int() >= 0 && node.as_int() < (1 << 20); }

bool is_pair(const spec::Node& node) {
  return node.is_list() && node.items().size() == 2 && is_size(node.items()[0]) && is_size(node.items()[1]);
}

spec::Node pair_of(const spec::Node& node) { return is_size(node) ? spec::Node::list({node, node}) : node; }

// The pairs, or an empty list where the value has no form that Keras knows.
std::vector<spec::Node> read_pairs(const spec::Node& given, size_t spatial) {
  if (is_size(given)) return std::vector<spec::Node>(spatial, pair_of(given));
  if (spatial == 1) return is_pair(given) ? std::vector<spec::Node>{given} : std::vector<spec::Node>();
  if (!given.is_list() || given.items().size() != spatial) return {};
  std::vector<spec::Node> pairs;
  for (const spec::Node& item : given.items()) {
    if (!is_size(item) && !is_pair(item)) return {};
    pairs.push_back(pair_of(item));
  }
  return pairs;
}

constexpr const char* kForms[] = {"", "an integer or [begin, end]", "an integer, [height, width] or [[top, bottom], [left, right]]",
                                  "an integer, [depth, height, width] or [[front, back], [top, bottom], [left, right]]"};

const char* key_of(const Config& config) { return config.has("padding") ? "padding" : "cropping"; }

struct Borders {
  std::vector<int64_t> before, after;  // for each axis of x
};

Borders borders_of(const LayerContext& context, Var x, size_t spatial) {
  const Config& config = context.config();
  const bool channels_first = config.has("data_format") && config.text("data_format") == "channels_first";
  require_rank(x, static_cast<int64_t>(spatial), context.layer().def->class_name, channels_first);
  const spec::Node& value = config.node(key_of(config));
  Borders borders{std::vector<int64_t>(spatial + 2), std::vector<int64_t>(spatial + 2)};
  for (size_t i = 0; i < spatial; ++i) {
    const std::vector<spec::Node>& pair = spatial == 1 ? value.items() : value.items()[i].items();
    borders.before[i + (channels_first ? 2 : 1)] = pair[0].as_int();
    borders.after[i + (channels_first ? 2 : 1)] = pair[1].as_int();
  }
  return borders;
}

}  // namespace

template <size_t Spatial>
void check_borders(Layer& layer, spec::Reader& reader) {
  const char* key = key_of(layer.config);
  const std::vector<spec::Node> pairs = read_pairs(layer.config.node(key), Spatial);
  if (pairs.empty()) return reader.report(key, fmt::format("must be {}, none below 0", kForms[Spatial]));
  layer.config.set(key, Spatial == 1 ? pairs[0] : spec::Node::list(pairs));
}

template void check_borders<1>(Layer&, spec::Reader&);
template void check_borders<2>(Layer&, spec::Reader&);
template void check_borders<3>(Layer&, spec::Reader&);

std::vector<MaskedVar> build_zero_padding(LayerContext& context, std::span<const MaskedVar> inputs, size_t spatial) {
  const Borders borders = borders_of(context, inputs[0].value, spatial);
  return {{pad(inputs[0].value, borders.before, borders.after), {}}};
}

std::vector<MaskedVar> build_cropping(LayerContext& context, std::span<const MaskedVar> inputs, size_t spatial) {
  Var x = inputs[0].value;
  const Borders borders = borders_of(context, x, spatial);
  for (int64_t axis = 1; axis < x.rank(); ++axis) {
    const int64_t before = borders.before[static_cast<size_t>(axis)], both = before + borders.after[static_cast<size_t>(axis)];
    const Dim size = x.dim(axis);
    if (both == 0) continue;
    if (size.known() && both >= size.value())
      throw UserError(fmt::format("cropping takes {} of the {} elements of axis {}; it must leave one", both, size.value(), axis));
    x = slice_axis(x, axis, Dim(before), size - Dim(both));
  }
  return {{x, {}}};
}

}  // namespace dl
