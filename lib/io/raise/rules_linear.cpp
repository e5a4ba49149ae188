// Convolutions, products with a kernel, tables.
#include <algorithm>

#include "io/raise/rules.h"
#include "io/raise/terms.h"
#include "io/raise/windows.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

using SpecNode = spec::Node;

// The value itself, or what a bias is added to.
struct Biased {
  Value product;
  bool bias;
};

Biased without_bias(const Site& site, const OpDef* wanted) {
  const Value root = site.root();
  if (site.op(root) == &op_add)
    if (const auto product = site.beside_weight(root); product && site.op(*product) == wanted) return {*product, true};
  return {root, false};
}

Ints first_sizes(const Shape& shape, size_t n) {
  Ints sizes;
  for (size_t i = 0; i < n; ++i) sizes.push_back(shape[i].value());
  return sizes;
}

}  // namespace

void rule_conv(const Site& site, std::vector<Proposal>& proposals) {
  const auto [y, bias] = without_bias(site, &op_conv);
  if (site.op(y) != &op_conv || !site.is_weight(site.operand(y, 1))) return;
  const Attrs& attrs = site.node(y).attrs;
  const Shape& kernel = site.shape(site.operand(y, 1));
  const Value x = site.operand(y, 0);
  const size_t spatial = kernel.size() - 2;
  const int64_t groups = attrs.integer("groups"), filters = kernel[spatial + 1].value();
  const bool valid = all_zero(attrs.integers("pads_begin")) && all_zero(attrs.integers("pads_end"));
  SpecNode config = map_of({{"kernel_size", list_of(first_sizes(kernel, spatial))},
                            {"strides", list_of(attrs.integers("strides"))},
                            {"padding", SpecNode::string(valid ? "valid" : "same")},
                            {"dilation_rate", list_of(attrs.integers("dilations"))},
                            {"use_bias", SpecNode::boolean(bias)}});
  const bool depthwise = spatial < 3 && groups > 1 && kernel[spatial].value() == 1 && filters % groups == 0;
  if (depthwise) {
    SpecNode separate = config;
    separate.set("depth_multiplier", SpecNode::integer(filters / groups));
    proposals.push_back({with_dimensions("DepthwiseConv", spatial), separate, {x}});
  }
  config.set("filters", SpecNode::integer(filters));
  config.set("groups", SpecNode::integer(groups));
  proposals.push_back({with_dimensions("Conv", spatial), config, {x}});
}

void rule_separable_conv(const Site& site, std::vector<Proposal>& proposals) {
  const auto [y, bias] = without_bias(site, &op_conv);
  if (site.op(y) != &op_conv || !site.is_weight(site.operand(y, 1)) || site.op(site.operand(y, 0)) != &op_conv) return;
  const Value deep = site.operand(y, 0);
  const Attrs& attrs = site.node(deep).attrs;
  const Shape &kernel = site.shape(site.operand(deep, 1)), &point = site.shape(site.operand(y, 1));
  const size_t spatial = kernel.size() - 2;
  const int64_t groups = attrs.integer("groups");
  if (spatial > 2 || groups < 2 || kernel[spatial].value() != 1) return;
  const bool valid = all_zero(attrs.integers("pads_begin")) && all_zero(attrs.integers("pads_end"));
  proposals.push_back({with_dimensions("SeparableConv", spatial),
                       map_of({{"filters", SpecNode::integer(point[spatial + 1].value())},
                               {"kernel_size", list_of(first_sizes(kernel, spatial))},
                               {"strides", list_of(attrs.integers("strides"))},
                               {"padding", SpecNode::string(valid ? "valid" : "same")},
                               {"dilation_rate", list_of(attrs.integers("dilations"))},
                               {"depth_multiplier", SpecNode::integer(kernel[spatial + 1].value() / groups)},
                               {"use_bias", SpecNode::boolean(bias)}}),
                       {site.operand(deep, 0)}});
}

void rule_conv_transpose(const Site& site, std::vector<Proposal>& proposals) {
  const auto [y, bias] = without_bias(site, &op_conv_input_grad);
  if (site.op(y) != &op_conv_input_grad || !site.is_weight(site.operand(y, 1)) || site.node(y).attrs.integer("groups") != 1) return;
  const Attrs& attrs = site.node(y).attrs;
  const Shape& kernel = site.shape(site.operand(y, 1));
  const size_t spatial = kernel.size() - 2;
  for (const bool same : {false, true}) {
    const std::optional<Ints> output_padding = output_paddings(attrs, site.shape(site.operand(y, 0)), kernel, same);
    if (!output_padding) continue;
    SpecNode config = map_of({{"filters", SpecNode::integer(kernel[spatial].value())},
                              {"kernel_size", list_of(first_sizes(kernel, spatial))},
                              {"strides", list_of(attrs.integers("strides"))},
                              {"padding", SpecNode::string(same ? "same" : "valid")},
                              {"dilation_rate", list_of(attrs.integers("dilations"))},
                              {"use_bias", SpecNode::boolean(bias)}});
    if (!output_padding->empty()) config.set("output_padding", list_of(*output_padding));
    proposals.push_back({with_dimensions("Conv", spatial) + "Transpose", config, {site.operand(y, 0)}});
  }
}

void rule_dense(const Site& site, std::vector<Proposal>& proposals) {
  const auto [y, bias] = without_bias(site, &op_matmul);
  if (site.op(y) != &op_matmul || !site.is_weight(site.operand(y, 1)) || site.shape(site.operand(y, 1)).size() != 2) return;
  if (site.shape(site.operand(y, 0)).size() < 2) return;
  proposals.push_back({"Dense",
                       map_of({{"units", SpecNode::integer(site.shape(y).back().value())}, {"use_bias", SpecNode::boolean(bias)}}),
                       {site.operand(y, 0)}});
}

// A product of two values over one axis each, sample by sample; a transpose below it only says which axis.
void rule_dot(const Site& site, std::vector<Proposal>& proposals) {
  Value root = site.root();
  if (site.op(root) == &op_reshape) root = site.operand(root, 0);
  if (site.op(root) != &op_matmul || site.shape(root).size() != 3) return;
  if (site.is_weight(site.operand(root, 0)) || site.is_weight(site.operand(root, 1))) return;
  const auto views = [&](Value v, int64_t axis) {
    std::vector<std::pair<Value, int64_t>> found = {{v, axis}};
    const Node& node = site.node(v);
    if (node.op == &op_transpose && node.attrs.integers("perm") == Ints{0, 2, 1}) found.emplace_back(node.inputs[0], 3 - axis);
    if (node.op == &op_reshape && site.shape(node.inputs[0]).size() == 2) found.emplace_back(node.inputs[0], 1);
    return found;
  };
  for (const auto& [a, a_axis] : views(site.operand(root, 0), 2))
    for (const auto& [b, b_axis] : views(site.operand(root, 1), 1))
      proposals.push_back({"Dot", map_of({{"axes", list_of({a_axis, b_axis})}}), {a, b}});
}

void rule_embedding(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_gather || !site.is_weight(site.operand(root, 0))) return;
  const Shape& table = site.shape(site.operand(root, 0));
  if (table.size() != 2) return;
  proposals.push_back({"Embedding",
                       map_of({{"input_dim", SpecNode::integer(table[0].value())}, {"output_dim", SpecNode::integer(table[1].value())}}),
                       {site.operand(root, 1)}});
}

}  // namespace dl::raise
