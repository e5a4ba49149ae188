// Normalisations.
#include <algorithm>
#include <set>

#include "io/raise/rules.h"
#include "ops/builders.h"
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

namespace {

// Makes a Program of one input like `x`, for a spelling; `body` adds the operators.
template <class Body>
std::function<Program()> spelling(const Site& site, Value x, const std::vector<std::pair<std::string, Shape>>& weights, Body body) {
  return [type = TensorType{site.dtype(x), site.shape(x)}, weights, body] {
    Program program;
    const Var in = input(program.graph, "x0", type);
    program.inputs.push_back({"x0", in.value});
    std::vector<Var> parameters;
    for (const auto& [name, shape] : weights) {
      parameters.push_back(parameter(program.graph, "layer/" + name, {type.dtype, shape}));
      program.parameters.push_back({"layer/" + name, parameters.back().value, true, {}});
    }
    program.outputs.push_back({"layer", body(in, parameters).value});
    return program;
  };
}

}  // namespace

// Batch normalisation after a converter has put its four weights together: a factor and an offset for each channel.
void rule_channel_affine(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const Shape& shape = site.shape(root);
  if (shape.size() < 2 || !shape.back().known() || shape.back().value() < 2) return;
  const int64_t channels = shape.back().value();
  const auto per_channel = [&](Value v) {
    for (Value in : site.node(v).inputs)
      if (site.is_weight(in) && site.tensor(in).size() == channels && (site.shape(in).empty() || site.shape(in).back() == shape.back()))
        return true;
    return false;
  };
  if (!per_channel(root)) return;
  const bool center = site.op(root) == &op_add;
  if (!center && site.op(root) != &op_mul) return;
  const auto below = site.beside_weight(root);
  if (!below) return;
  const bool scale = !center || (site.op(*below) == &op_mul && per_channel(*below) && site.beside_weight(*below));
  const Value x = center && scale ? *site.beside_weight(*below) : *below;
  if (site.shape(x) != shape) return;
  std::vector<std::pair<std::string, Shape>> weights;
  if (scale) weights.push_back({"gamma", {Dim(channels)}});
  if (center) weights.push_back({"beta", {Dim(channels)}});
  Tensor zeros(site.dtype(x), {channels}), ones(site.dtype(x), {channels});
  for (int64_t i = 0; i < channels; ++i) ones.set(i, 1);
  proposals.push_back({"BatchNormalization",
                       map_of({{"axis", SpecNode::integer(static_cast<int64_t>(shape.size()) - 1)},
                               {"epsilon", SpecNode::real(0)},
                               {"scale", SpecNode::boolean(scale)},
                               {"center", SpecNode::boolean(center)}}),
                       {x},
                       spelling(site, x, weights,
                                [scale, center](Var in, const std::vector<Var>& w) {
                                  Var y = scale ? in * w[0] : in;
                                  return center ? y + w.back() : y;
                                }),
                       "affine",
                       {{"layer/moving_mean", zeros}, {"layer/moving_variance", ones}}});
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

namespace {

// LayerNormalization over the last axis as files without an operator for it write it.
void layer_normalizations(const Site& site, Value x, double epsilon, std::vector<Proposal>& proposals) {
  const Dim size = site.shape(x).back();
  for (const bool scale : {true, false})
    for (const bool center : {true, false})
      for (const bool together : {true, false}) {
        std::vector<std::pair<std::string, Shape>> weights;
        if (scale) weights.push_back({"gamma", {size}});
        if (center) weights.push_back({"beta", {size}});
        const auto body = [scale, center, together, epsilon](Var in, const std::vector<Var>& w) {
          const Var mean = reduce_mean(in, {-1}, true), centred = in - mean;
          Var inverse = rsqrt(reduce_mean(square(centred), {-1}, true) + epsilon);
          if (!together) {
            Var y = centred * inverse;
            if (scale) y = y * w[0];
            return center ? y + w.back() : y;
          }
          if (scale) inverse = inverse * w[0];
          Var rest = -mean * inverse;
          if (center) rest = rest + w.back();
          return in * inverse + rest;
        };
        proposals.push_back({"LayerNormalization",
                             map_of({{"axis", SpecNode::integer(-1)},
                                     {"epsilon", SpecNode::real(epsilon)},
                                     {"scale", SpecNode::boolean(scale)},
                                     {"center", SpecNode::boolean(center)}}),
                             {x},
                             spelling(site, x, weights, body),
                             together ? "one factor" : "two factors"});
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
      layer_normalizations(site, x, epsilon, proposals);
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
