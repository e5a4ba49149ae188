// Normalisations.
#include <algorithm>
#include <set>

#include "io/raise/rules.h"
#include "ops/ops.h"

namespace dl::raise {

using SpecNode = spec::Node;

namespace {

// Files must give a scale and an offset; where they are 1 and 0 throughout and nobody's weight by name, the layer has none.
bool is_filler(const Site& site, Value v, double number, std::initializer_list<const char*> names) {
  const Tensor& t = site.tensor(v);
  for (int64_t i = 0; i < t.size(); ++i)
    if (t.at(i) != number) return false;
  if (site.op(v) == &op_constant) return true;
  const std::string& name = site.node(v).attrs.text("name");
  return std::none_of(names.begin(), names.end(), [&](const char* part) { return name.find(part) != std::string::npos; });
}

}  // namespace

void rule_batch_normalization(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_batch_norm_infer) return;
  for (size_t i = 1; i < 5; ++i)
    if (!site.is_weight(site.operand(root, i))) return;
  const Attrs& attrs = site.node(root).attrs;
  proposals.push_back({"BatchNormalization",
                       map_of({{"axis", SpecNode::integer(attrs.integer("axis"))},
                               {"epsilon", SpecNode::real(attrs.real("epsilon"))},
                               {"scale", SpecNode::boolean(!is_filler(site, site.operand(root, 1), 1, {"gamma", "scale", "weight"}))},
                               {"center", SpecNode::boolean(!is_filler(site, site.operand(root, 2), 0, {"beta", "offset", "bias"}))}}),
                       {site.operand(root, 0)}});
}

void rule_layer_normalization(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_layer_norm) return;
  const Attrs& attrs = site.node(root).attrs;
  proposals.push_back({"LayerNormalization",
                       map_of({{"axis", list_of(attrs.integers("axes"))},
                               {"epsilon", SpecNode::real(attrs.real("epsilon"))},
                               {"center", SpecNode::boolean(attrs.flag("center"))},
                               {"scale", SpecNode::boolean(attrs.flag("scale"))}}),
                       {site.operand(root, 0)}});
}

// (x - mean) / deviation, numbers that are no weights to Keras.
void rule_normalization(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const auto reals = [&](Value v) -> std::optional<std::vector<double>> {
    const Tensor& t = site.tensor(v);
    if (t.rank() > 0 && t.dims().back() != t.size()) return std::nullopt;
    std::vector<double> values;
    for (int64_t i = 0; i < t.size(); ++i) values.push_back(t.at(i));
    return values;
  };
  const auto nodes = [](const std::vector<double>& values) {
    std::vector<SpecNode> items;
    for (const double v : values) items.push_back(SpecNode::real(v));
    return SpecNode::list(std::move(items));
  };
  if (site.op(root) != &op_mul) return;
  const auto centred = site.beside_weight(root);
  if (!centred || (site.op(*centred) != &op_sub && site.op(*centred) != &op_add)) return;
  const auto x = site.beside_weight(*centred);
  if (!x) return;
  const auto weight_of = [&](Value v) { return site.is_weight(site.operand(v, 0)) ? site.operand(v, 0) : site.operand(v, 1); };
  auto scale = reals(weight_of(root)), mean = reals(weight_of(*centred));
  if (!scale || !mean || scale->size() != mean->size()) return;
  if (site.op(*centred) == &op_add)
    for (double& m : *mean) m = -m;
  std::vector<double> variance;
  for (const double s : *scale) variance.push_back(1 / (s * s));
  const SpecNode axis = scale->size() == 1 ? SpecNode::null() : SpecNode::integer(-1);
  proposals.push_back({"Normalization", map_of({{"axis", axis}, {"mean", nodes(*mean)}, {"variance", nodes(variance)}}), {*x}});
}

namespace {

// Numbers and values below `v`, as far down as the operators of one normalisation reach.
void below(const Site& site, Value v, int depth, std::vector<double>& numbers, std::vector<Value>& values) {
  for (Value in : site.node(v).inputs) {
    if (const auto n = site.number(in))
      numbers.push_back(*n);
    else if (!site.is_weight(in) && std::find(values.begin(), values.end(), in) == values.end()) {
      values.push_back(in);
      if (depth > 0) below(site, in, depth - 1, numbers, values);
    }
  }
}

}  // namespace

// Normalisations that are built of sums and products: over the last axis, over groups of channels, to length 1.
void rule_composed_normalization(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_mul && site.op(root) != &op_add && site.op(root) != &op_reshape) return;
  constexpr int kDepth = 12;
  std::vector<double> numbers;
  std::vector<Value> values;
  below(site, root, kDepth, numbers, values);
  const bool has_root = std::any_of(values.begin(), values.end(), [&](Value v) { return site.op(v) == &op_sqrt; });
  if (!has_root) return;
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::erase_if(numbers, [](double n) { return n <= 0 || n > 0.2; });  // an epsilon
  const Shape& shape = site.shape(root);
  if (shape.size() < 2) return;
  std::set<int64_t> groups;
  const Dim channels = shape.back();
  for (Value v : values) {
    const Shape& s = site.shape(v);
    if (s.size() == shape.size() + 1 && s[s.size() - 2].known() && s.back() * s[s.size() - 2] == channels)
      groups.insert(s[s.size() - 2].value());
    if (s.size() == shape.size() && s == shape) groups.insert(-1);
  }
  for (Value x : values) {
    if (site.shape(x) != shape) continue;
    for (int64_t axis = 1; axis < static_cast<int64_t>(shape.size()); ++axis)
      proposals.push_back({"UnitNormalization", map_of({{"axis", SpecNode::integer(axis)}}), {x}});
    for (const double epsilon : numbers) {
      proposals.push_back({"RMSNormalization", map_of({{"epsilon", SpecNode::real(epsilon)}}), {x}});
      for (const int64_t n : groups)
        for (const bool scale : {true, false})
          for (const bool center : {true, false})
            proposals.push_back({"GroupNormalization",
                                 map_of({{"groups", SpecNode::integer(n)},
                                         {"epsilon", SpecNode::real(epsilon)},
                                         {"scale", SpecNode::boolean(scale)},
                                         {"center", SpecNode::boolean(center)}}),
                                 {x}});
    }
  }
}

}  // namespace dl::raise
