// Pooling, borders, up-sampling, merging, and what only moves elements.
#include <algorithm>

#include "io/raise/rules.h"
#include "io/raise/terms.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

using SpecNode = spec::Node;

// [[before, after], ...] of the axes between batch and channels; nullopt where another axis is touched or a size is not known.
std::optional<SpecNode> border(const Shape& before, const Shape& after) {
  std::vector<SpecNode> pairs;
  for (size_t i = 0; i < before.size(); ++i) {
    if (!before[i].known() || !after[i].known()) return std::nullopt;
    if (i == 0 || i + 1 == before.size()) {
      if (before[i].value() != 0 || after[i].value() != 0) return std::nullopt;
    } else {
      pairs.push_back(list_of({before[i].value(), after[i].value()}));
    }
  }
  if (pairs.empty() || pairs.size() > 3) return std::nullopt;
  return pairs.size() == 1 ? pairs[0] : SpecNode::list(std::move(pairs));
}

}  // namespace

void rule_pooling(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_max_pool && site.op(root) != &op_avg_pool) return;
  const Attrs& attrs = site.node(root).attrs;
  const Ints& size = attrs.integers("size");
  const bool valid = all_zero(attrs.integers("pads_begin")) && all_zero(attrs.integers("pads_end"));
  proposals.push_back({with_dimensions(site.op(root) == &op_max_pool ? "MaxPooling" : "AveragePooling", size.size()),
                       map_of({{"pool_size", list_of(size)},
                               {"strides", list_of(attrs.integers("strides"))},
                               {"padding", SpecNode::string(valid ? "valid" : "same")}}),
                       {site.operand(root, 0)}});
}

void rule_global_pooling(const Site& site, std::vector<Proposal>& proposals) {
  Value reduced = site.root();
  for (int i = 0; i < 3; ++i) {  // below a division by the count, or the reshape that keeps the axes
    const OpDef* op = site.op(reduced);
    if (op == &op_reduce_sum || op == &op_reduce_max) break;
    if (op == &op_reshape)
      reduced = site.operand(reduced, 0);
    else if (op == &op_mul || op == &op_div)
      reduced = site.is_weight(site.operand(reduced, 0)) ? site.operand(reduced, 1) : site.operand(reduced, 0);
    else
      return;
  }
  if (site.op(reduced) != &op_reduce_sum && site.op(reduced) != &op_reduce_max) return;
  const Value x = site.operand(reduced, 0);
  const size_t rank = site.shape(x).size();
  if (rank < 3 || rank > 5) return;
  for (const bool keepdims : {false, true})
    proposals.push_back({with_dimensions(site.op(reduced) == &op_reduce_max ? "GlobalMaxPooling" : "GlobalAveragePooling", rank - 2),
                         map_of({{"keepdims", SpecNode::boolean(keepdims)}}),
                         {x}});
}

void rule_up_sampling(const Site& site, std::vector<Proposal>& proposals) {
  // The value that is enlarged lies a few moves below; whole factors between the shapes tell the size.
  const Shape& to = site.shape(site.root());
  if (to.size() < 3 || to.size() > 5) return;
  std::vector<Value> open = {site.root()};
  for (int depth = 0; depth < 14 && !open.empty(); ++depth) {
    std::vector<Value> next;
    for (const Value v : open) {
      const Node& node = site.node(v);
      const bool moves = node.op == &op_reshape || node.op == &op_broadcast_to || node.op == &op_concat || node.op == &op_slice ||
                         node.op == &op_gather || node.op->kind == OpKind::kElementwise;
      if (!moves) continue;
      for (Value in : node.inputs)
        if (!site.is_weight(in)) next.push_back(in);
    }
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    for (const Value x : next) {
      const Shape& from = site.shape(x);
      if (from.size() != to.size() || !(from[0] == to[0]) || !(from.back() == to.back()) || from == to) continue;
      Ints size;
      for (size_t i = 1; i + 1 < to.size(); ++i) {
        const std::optional<Dim> factor = exact_div(to[i], from[i]);
        if (!factor || !factor->known() || factor->value() < 1) break;
        size.push_back(factor->value());
      }
      if (size.size() != to.size() - 2) continue;
      const bool one = size.size() == 1;
      SpecNode config = map_of({{"size", one ? SpecNode::integer(size[0]) : list_of(size)}});
      proposals.push_back({with_dimensions("UpSampling", size.size()), config, {x}});
      if (size.size() != 2) continue;
      config.set("interpolation", SpecNode::string("bilinear"));
      proposals.push_back({"UpSampling2D", config, {x}});
    }
    open = std::move(next);
  }
}

void rule_borders(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const Attrs& attrs = site.node(root).attrs;
  if (site.op(root) == &op_pad && all_zero(attrs.integers("interior")) && attrs.real("value") == 0)
    if (const auto padding = border(attrs.shape("before"), attrs.shape("after")))
      proposals.push_back(
          {with_dimensions("ZeroPadding", attrs.shape("before").size() - 2), map_of({{"padding", *padding}}), {site.operand(root, 0)}});
  if (site.op(root) != &op_slice) return;
  const Ints& steps = attrs.integers("steps");
  if (std::any_of(steps.begin(), steps.end(), [](int64_t s) { return s != 1; })) return;
  const Shape &starts = attrs.shape("starts"), &sizes = attrs.shape("sizes"), &from = site.shape(site.operand(root, 0));
  Shape after;
  for (size_t i = 0; i < from.size(); ++i) after.push_back(from[i] - starts[i] - sizes[i]);
  if (const auto cropping = border(starts, after))
    proposals.push_back({with_dimensions("Cropping", from.size() - 2), map_of({{"cropping", *cropping}}), {site.operand(root, 0)}});
}

void rule_merge(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const Node& node = site.node(root);
  for (Value in : node.inputs)
    if (site.is_weight(in)) return;
  if (node.op == &op_concat)
    proposals.push_back({"Concatenate", map_of({{"axis", SpecNode::integer(node.attrs.integer("axis"))}}), node.inputs});
  const std::pair<const OpDef*, const char*> kLayers[] = {
      {&op_add, "Add"}, {&op_sub, "Subtract"}, {&op_mul, "Multiply"}, {&op_maximum, "Maximum"}, {&op_minimum, "Minimum"}};
  for (const auto& [op, name] : kLayers)
    if (node.op == op) proposals.push_back({name, map_of({}), node.inputs});
  if (node.op == &op_add)  // a - b, where the minus is a factor
    for (size_t i = 0; i < 2; ++i)
      if (const Value scaled = node.inputs[i]; site.op(scaled) == &op_mul)
        if (const auto x = site.beside_weight(scaled)) proposals.push_back({"Subtract", map_of({}), {node.inputs[1 - i], *x}});
}

void rule_shape(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const Node& node = site.node(root);
  if (node.inputs.size() != 1) return;
  const Value x = node.inputs[0];
  const Shape& shape = site.shape(root);
  if (node.op == &op_transpose && node.attrs.integers("perm")[0] == 0) {
    Ints dims(node.attrs.integers("perm").begin() + 1, node.attrs.integers("perm").end());
    proposals.push_back({"Permute", map_of({{"dims", list_of(dims)}}), {x}});
  }
  if (node.op == &op_reshape) {
    if (shape.size() == 2) proposals.push_back({"Flatten", map_of({}), {x}});
    Ints target;
    int open = 0;
    for (size_t i = 1; i < shape.size(); ++i) {
      open += shape[i].known() ? 0 : 1;
      target.push_back(shape[i].known() ? shape[i].value() : -1);
    }
    if (open <= 1 && !shape.empty()) proposals.push_back({"Reshape", map_of({{"target_shape", list_of(target)}}), {x}});
  }
  if (node.op == &op_broadcast_to && shape.size() == 3)
    if (site.op(x) == &op_reshape && shape[1].known())
      proposals.push_back({"RepeatVector", map_of({{"n", SpecNode::integer(shape[1].value())}}), {site.operand(x, 0)}});
}

}  // namespace dl::raise
