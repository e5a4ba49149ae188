#include "layers/layer.h"
#include "layers/window.h"
#include "ops/builders.h"

namespace dl {
namespace {

bool is_size(const spec::Node& node) { return node.kind() == spec::Kind::kInt && node.as_int() >= 0 && node.as_int() < (1 << 20); }

// 1, [1, 2] or [[top, bottom], [left, right]] -> the last form.
void check(Layer& layer, spec::Reader& reader) {
  const spec::Node& given = layer.config.node("padding");
  std::vector<spec::Node> pairs;
  const auto add_pair = [&](const spec::Node& node) {
    if (is_size(node)) {
      pairs.push_back(spec::Node::list({node, node}));
    } else if (node.is_list() && node.items().size() == 2 && is_size(node.items()[0]) && is_size(node.items()[1])) {
      pairs.push_back(node);
    }
  };
  if (is_size(given)) {
    add_pair(given);
    add_pair(given);
  } else if (given.is_list() && given.items().size() == 2) {
    add_pair(given.items()[0]);
    add_pair(given.items()[1]);
  }
  if (pairs.size() != 2)
    return reader.report("padding", "must be an integer, [height, width] or [[top, bottom], [left, right]], none below 0");
  layer.config.set("padding", spec::Node::list(pairs));
}

}  // namespace

const LayerDef layer_zero_padding2d = {
    .class_name = "ZeroPadding2D",
    .summary = "Zeros around an image.",
    .keys = {any_key("padding", spec::Node::integer(1)), data_format_key()},
    .check = check,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const bool channels_first = context.config().text("data_format") == "channels_first";
      const Var x = inputs[0].value;
      require_rank(x, 2, "ZeroPadding2D", channels_first);
      std::vector<int64_t> before(4, 0), after(4, 0);
      for (size_t i = 0; i < 2; ++i) {
        const std::vector<spec::Node>& pair = context.config().node("padding").items()[i].items();
        before[i + (channels_first ? 2 : 1)] = pair[0].as_int();
        after[i + (channels_first ? 2 : 1)] = pair[1].as_int();
      }
      return {{pad(x, before, after), {}}};
    },
};

}  // namespace dl
