#include "io/tfjs/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace dl::tfjs {
namespace {

using spec::Node;

constexpr std::string_view kKnownInitializers[] = {"Zeros",           "Ones",       "Constant",       "RandomUniform", "RandomNormal",
                                                   "TruncatedNormal", "Identity",   "GlorotUniform",  "GlorotNormal",  "HeNormal",
                                                   "HeUniform",       "Orthogonal", "VarianceScaling"};

void keep_keys(Node& map, std::initializer_list<std::string_view> keys) {
  std::erase_if(map.entries(), [&](const auto& entry) { return std::find(keys.begin(), keys.end(), entry.first) == keys.end(); });
}

// Null for one that TF.js has not: the weights come with the model, only further training elsewhere would start from them.
Node initializer(const Node& given) {
  const Node *name = given.find("class_name"), *config = given.find("config");
  if (!name || !config) return {};
  std::string class_name = name->as_string();
  Node keys = *config;
  keep_keys(keys, {"value", "mean", "stddev", "minval", "maxval", "scale", "mode", "distribution", "gain", "seed"});
  if (class_name == "LecunNormal" || class_name == "LecunUniform") {
    class_name.replace(0, 5, "LeCun");
  } else if (std::find(std::begin(kKnownInitializers), std::end(kKnownInitializers), class_name) == std::end(kKnownInitializers)) {
    return {};
  }
  if (Node* distribution = keys.find("distribution"); distribution && *distribution == Node::string("untruncated_normal"))
    *distribution = Node::string("normal");
  return Node::map({{"class_name", Node::string(class_name)}, {"config", keys}});
}

// TF.js has one class for all.
Node regularizer(const Node& given) {
  const Node* config = given.find("config");
  if (!config) return {};
  const Node *l1 = config->find("l1"), *l2 = config->find("l2");
  if (!l1 && !l2) return {};
  return Node::map(
      {{"class_name", Node::string("L1L2")}, {"config", Node::map({{"l1", l1 ? *l1 : Node::real(0)}, {"l2", l2 ? *l2 : Node::real(0)}})}});
}

}  // namespace

int64_t known(Dim size, const char* what) {
  if (!size.known()) throw UserError(fmt::format("needs to know {} to be written for TF.js; give it in the input's shape", what));
  return size.value();
}

Node int_list(const std::vector<int64_t>& values) {
  std::vector<Node> items;
  for (const int64_t v : values) items.push_back(Node::integer(v));
  return Node::list(std::move(items));
}

Tensor identity_matrix(int64_t size) {
  Tensor matrix(DType::kFloat32, {size, size});
  for (int64_t i = 0; i < size; ++i) matrix.data<float>()[i * size + i] = 1;
  return matrix;
}

// ---- weights

Call Call::inner(const Layer& child, const std::string& object) const {
  std::vector<WeightPlace> weights;
  for (const WeightPlace& w : weights_) {
    if (w.object == object)
      weights.push_back({w.parameter, ""});
    else if (w.object.starts_with(object + "/"))
      weights.push_back({w.parameter, w.object.substr(object.size() + 1)});
  }
  return {emitter, child, std::move(weights), values_};
}

const WeightPlace* Call::find(std::string_view leaf) const {
  for (const WeightPlace& w : weights_)
    if (std::string_view(w.parameter).substr(w.parameter.rfind('/') + 1) == leaf) return &w;
  return nullptr;
}

bool Call::has_weight(std::string_view leaf) const { return find(leaf) != nullptr; }

const Tensor& Call::weight(std::string_view leaf) const {
  const WeightPlace* place = find(leaf);
  DL_CHECK(place, fmt::format("no weight '{}'", leaf));
  return values_.at(place->parameter);
}

OutWeight Call::as_is(std::string_view leaf, std::string_view written) const {
  const Tensor value = weight(leaf);
  return {std::string(written.empty() ? leaf : written), value.dims(), [value] { return value; }};
}

OutWeight Call::fixed(std::string leaf, Tensor value) {
  const Dims dims = value.dims();
  return {std::move(leaf), dims, [value = std::move(value)] { return value; }};
}

// ---- layers

Ref Call::add(std::string_view piece, std::string_view class_name, Node config, std::vector<OutWeight> weights, const Ref& x,
              const Shape& shape) const {
  return add(piece, class_name, std::move(config), std::move(weights), std::vector<Ref>{x}, shape);
}

Ref Call::add(std::string_view piece, std::string_view class_name, Node config, std::vector<OutWeight> weights,
              const std::vector<Ref>& inputs, const Shape& shape) const {
  return emitter.apply(piece, class_name, std::move(config), std::move(weights), inputs, {shape})[0];
}

Node Call::keys(std::initializer_list<std::string_view> names) const {
  Node map = Node::map({});
  for (const std::string_view name : names) {
    if (!config().has(name)) continue;
    const Node& value = config().node(name);
    Node written = name.ends_with("_initializer") ? initializer(value) : name.ends_with("_regularizer") ? regularizer(value) : value;
    if (!written.is_null()) map.set(name, std::move(written));
    if (!name.ends_with("_regularizer")) continue;
    const std::string constraint = std::string(name.substr(0, name.size() - std::string_view("regularizer").size())) + "constraint";
    if (config().has(constraint) && config().given(constraint)) map.set(constraint, config().node(constraint));
  }
  return map;
}

// ---- pieces

Ref Call::to_float(const Ref& x) const { return is_float(x.dtype) ? x : scale(x, 1); }

Ref Call::reshape(const Ref& x, const Shape& shape) const {
  if (x.shape == shape) return x;
  std::vector<int64_t> sizes;
  for (size_t i = 1; i < shape.size(); ++i) sizes.push_back(shape[i].known() ? shape[i].value() : -1);
  if (std::count(sizes.begin(), sizes.end(), -1) > 1)
    throw UserError(fmt::format("needs all but one of the sizes {} to be known; give them in the input's shape", to_string(shape)));
  return add("reshape", "Reshape", Node::map({{"target_shape", int_list(sizes)}}), {}, x, shape);
}

Ref Call::permute(const Ref& x, const std::vector<int64_t>& axes) const {
  Shape shape;
  for (const int64_t axis : axes) shape.push_back(x.shape[static_cast<size_t>(axis)]);
  if (std::is_sorted(axes.begin(), axes.end())) return x;
  return add("permute", "Permute", Node::map({{"dims", int_list({axes.begin() + 1, axes.end()})}}), {}, x, shape);
}

Ref Call::move_axis(const Ref& x, int64_t from, int64_t to) const {
  std::vector<int64_t> axes(x.shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  axes.erase(axes.begin() + from);
  axes.insert(axes.begin() + to, from);
  return permute(x, axes);
}

Ref Call::channels_last(const Ref& x) const { return move_axis(x, 1, static_cast<int64_t>(x.shape.size()) - 1); }
Ref Call::channels_first(const Ref& x) const { return move_axis(x, static_cast<int64_t>(x.shape.size()) - 1, 1); }

Ref Call::scale(const Ref& x, double factor, double offset) const {
  return add("rescaling", "Rescaling", Node::map({{"scale", Node::real(factor)}, {"offset", Node::real(offset)}}), {}, x, x.shape);
}

namespace {

Shape broadcast(const std::vector<Ref>& xs) {
  Shape shape = xs[0].shape;
  for (const Ref& x : xs)
    for (size_t i = 0; i < std::min(shape.size(), x.shape.size()); ++i)
      if (shape[i] == Dim(1)) shape[i] = x.shape[i];
  return shape;
}

}  // namespace

Ref Call::sum(const std::vector<Ref>& xs) const { return add("add", "Add", Node::map({}), {}, xs, broadcast(xs)); }
Ref Call::product(const std::vector<Ref>& xs) const { return add("multiply", "Multiply", Node::map({}), {}, xs, broadcast(xs)); }

Ref Call::concat(const std::vector<Ref>& xs, int64_t axis) const {
  if (xs.size() == 1) return xs[0];
  Shape shape = xs[0].shape;
  for (size_t i = 1; i < xs.size(); ++i)
    shape[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)] + xs[i].shape[static_cast<size_t>(axis)];
  // TF.js takes any negative axis for the last.
  return add("concat", "Concatenate", Node::map({{"axis", Node::integer(axis + static_cast<int64_t>(emitter.wrapped()))}}), {}, xs, shape);
}

Ref Call::relu(const Ref& x, double max_value) const {
  Node config = Node::map({});
  if (max_value >= 0) config.set("max_value", Node::real(max_value));
  return add("relu", "ReLU", std::move(config), {}, x, x.shape);
}

// A 2-D layer on up to three spatial axes: one axis gets another of size 1, of three the first two are done at once and then the third.
// values[i]: what the key holds for axis i.
Ref Call::spatial(const Ref& x, const char* class_name, const char* key, const std::vector<std::vector<int64_t>>& values,
                  const std::function<Dim(Dim, size_t)>& size) const {
  const size_t spatial = values.size();
  const Shape& s = x.shape;
  const std::vector<int64_t> nothing(values[0].size(), class_name == std::string_view("UpSampling2D") ? 1 : 0);
  const auto apply = [&](const Ref& in, const std::vector<int64_t>& h, const std::vector<int64_t>& w, Shape shape) {
    if (h == nothing && w == nothing) return in;
    Node pair = Node::list(h.size() == 1 ? std::vector<Node>{Node::integer(h[0]), Node::integer(w[0])}
                                         : std::vector<Node>{int_list(h), int_list(w)});
    Node config = Node::map({{key, std::move(pair)}, {"data_format", Node::string("channels_last")}});
    if (class_name == std::string_view("UpSampling2D")) config.set("interpolation", Node::string("nearest"));
    return add("borders", class_name, std::move(config), {}, in, shape);
  };
  if (spatial == 1) {
    const Ref flat = reshape(x, {s[0], s[1], Dim(1), s[2]});
    return reshape(apply(flat, values[0], nothing, {s[0], size(s[1], 0), Dim(1), s[2]}), {s[0], size(s[1], 0), s[2]});
  }
  if (spatial == 2) return apply(x, values[0], values[1], {s[0], size(s[1], 0), size(s[2], 1), s[3]});
  const Dim a = size(s[1], 0), b = size(s[2], 1), c = size(s[3], 2);
  const Ref two = apply(reshape(x, {s[0], s[1], s[2], s[3] * s[4]}), values[0], values[1], {s[0], a, b, s[3] * s[4]});
  const Ref third = apply(reshape(two, {s[0], a * b, s[3], s[4]}), nothing, values[2], {s[0], a * b, c, s[4]});
  return reshape(third, {s[0], a, b, c, s[4]});
}

Ref Call::borders(const Ref& x, const Pairs& pairs, bool cropping) const {
  if (std::all_of(pairs.begin(), pairs.end(), [](const auto& p) { return p.first == 0 && p.second == 0; })) return x;
  std::vector<std::vector<int64_t>> values;
  for (const auto& [begin, end] : pairs) values.push_back({begin, end});
  return spatial(x, cropping ? "Cropping2D" : "ZeroPadding2D", cropping ? "cropping" : "padding", values, [&](Dim size, size_t axis) {
    const Dim more(pairs[axis].first + pairs[axis].second);
    return cropping ? size - more : size + more;
  });
}

Ref Call::pad(const Ref& x, const Pairs& pairs) const { return borders(x, pairs, false); }
Ref Call::crop(const Ref& x, const Pairs& pairs) const { return borders(x, pairs, true); }

Ref Call::repeat(const Ref& x, const std::vector<int64_t>& factors) const {
  constexpr int64_t kExact = 48;  // TF.js divides by multiplying with the inverse; from 49 on a row may come from its neighbour
  std::vector<std::vector<int64_t>> values;
  for (const int64_t factor : factors) {
    if (factor > kExact) throw UserError(fmt::format("enlarges {} times; TF.js does so rightly up to {} times", factor, kExact));
    values.push_back({factor});
  }
  return spatial(x, "UpSampling2D", "size", values, [&](Dim size, size_t axis) { return size * Dim(factors[axis]); });
}

Ref Call::dense(std::string_view piece, const Ref& x, OutWeight kernel, std::vector<OutWeight> bias, int64_t units) const {
  Node config =
      Node::map({{"units", Node::integer(units)}, {"activation", Node::string("linear")}, {"use_bias", Node::boolean(!bias.empty())}});
  std::vector<OutWeight> weights = {std::move(kernel)};
  weights.insert(weights.end(), bias.begin(), bias.end());
  Shape shape = x.shape;
  shape.back() = Dim(units);
  return add(piece, "Dense", std::move(config), std::move(weights), x, shape);
}

Ref Call::map_last(const Ref& x, const Tensor& matrix, const Tensor& bias) const {
  const int64_t units = matrix.dims()[1];
  std::vector<OutWeight> biases;
  if (bias.size() > 0) biases.push_back(fixed("bias", bias));
  Node config = Node::map({{"units", Node::integer(units)},
                           {"activation", Node::string("linear")},
                           {"use_bias", Node::boolean(!biases.empty())},
                           {"trainable", Node::boolean(false)}});
  std::vector<OutWeight> weights = {fixed("kernel", matrix)};
  weights.insert(weights.end(), biases.begin(), biases.end());
  Shape shape = x.shape;
  shape.back() = Dim(units);
  return add("map", "Dense", std::move(config), std::move(weights), x, shape);
}

Ref Call::map_axis(const Ref& x, int64_t axis, const Tensor& matrix) const {
  const auto last = static_cast<int64_t>(x.shape.size()) - 1;
  return move_axis(map_last(move_axis(x, axis, last), matrix), last, axis);
}

Ref Call::affine_last(const Ref& x, const Tensor& mean, const Tensor& factor, const Tensor& offset) const {
  const Tensor one = [&] {
    Tensor t(DType::kFloat32, mean.dims());
    std::fill_n(t.data<float>(), t.size(), 1.0F);
    return t;
  }();
  const Shape& s = x.shape;
  const bool flat = s.size() > 4;  // batchNormalization of TF.js has up to four axes
  const Ref in = flat ? reshape(x, {s[0], element_count(Shape(s.begin() + 1, s.end() - 1)), s.back()}) : x;
  Node config = Node::map({{"axis", Node::integer(-1)},
                           {"epsilon", Node::real(0)},
                           {"center", Node::boolean(true)},
                           {"scale", Node::boolean(true)},
                           {"trainable", Node::boolean(false)}});
  const Ref y =
      add("affine", "BatchNormalization", std::move(config),
          {fixed("gamma", factor), fixed("beta", offset), fixed("moving_mean", mean), fixed("moving_variance", one)}, in, in.shape);
  return flat ? reshape(y, s) : y;
}

Ref Call::hidden_steps(const MaskSource& mask) const {
  const Ref& x = mask.input;
  if (mask.indices) {
    Tensor table(DType::kFloat32, {mask.count, 1});
    table.data<float>()[0] = 1;
    Node config = Node::map({{"input_dim", Node::integer(mask.count)},
                             {"output_dim", Node::integer(1)},
                             {"mask_zero", Node::boolean(false)},
                             {"trainable", Node::boolean(false)}});
    Shape shape = x.shape;
    shape.push_back(Dim(1));
    return add("hidden", "Embedding", std::move(config), {fixed("embeddings", table)}, x, shape);
  }
  // The sum of all distances from the value, as far above 1 as it is above 0.
  constexpr double kLarge = 1e30;
  const int64_t features = known(x.shape.back(), "the number of features");
  Tensor ones(DType::kFloat32, {features, 1});
  std::fill_n(ones.data<float>(), features, 1.0F);
  const Ref distance = sum({relu(scale(x, 1, -mask.value)), relu(scale(x, -1, mask.value))});
  return scale(relu(scale(map_last(distance, ones), kLarge), 1), -1, 1);
}

Ref Call::without_hidden(const Ref& sequence, const MaskSource& mask) const {
  return product({sequence, scale(hidden_steps(mask), -1, 1)});
}

}  // namespace dl::tfjs
