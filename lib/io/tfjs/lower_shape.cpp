// Layers that move, merge or drop elements, and embeddings.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "io/tfjs/lowerings.h"

namespace dl::tfjs {
namespace {

using spec::Node;

Pairs pairs_of(const Node& node) {
  Pairs pairs;
  const auto add = [&](const Node& pair) { pairs.emplace_back(pair.items()[0].as_int(), pair.items()[1].as_int()); };
  if (node.items()[0].is_list())
    for (const Node& pair : node.items()) add(pair);
  else
    add(node);
  return pairs;
}

bool is_channels_first(const Call& c) { return c.config().has("data_format") && c.config().text("data_format") == "channels_first"; }

// `f` on a channels-last x.
template <class F>
std::vector<Ref> on_channels_last(const Call& c, const Ref& x, F f) {
  return {is_channels_first(c) ? c.channels_first(f(c.channels_last(x))) : f(x)};
}

}  // namespace

std::vector<Ref> lower_zero_padding(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  return on_channels_last(c, in[0], [&](const Ref& x) { return c.pad(x, pairs_of(c.config().node("padding"))); });
}

std::vector<Ref> lower_cropping(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  return on_channels_last(c, in[0], [&](const Ref& x) { return c.crop(x, pairs_of(c.config().node("cropping"))); });
}

namespace {

// Bilinear enlargement along one axis as a matrix: the centre of a new cell lies between two old ones.
Tensor bilinear_matrix(int64_t size, int64_t factor) {
  const int64_t out = size * factor;
  Tensor matrix(DType::kFloat32, {size, out});
  for (int64_t j = 0; j < out; ++j) {
    const double at = std::clamp((static_cast<double>(j) + 0.5) / static_cast<double>(factor) - 0.5, 0.0, static_cast<double>(size - 1));
    const auto low = static_cast<int64_t>(at);
    const double part = at - static_cast<double>(low);
    matrix.data<float>()[low * out + j] = static_cast<float>(1 - part);
    if (part > 0) matrix.data<float>()[(low + 1) * out + j] = static_cast<float>(part);
  }
  return matrix;
}

}  // namespace

std::vector<Ref> lower_up_sampling(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const Node size = c.config().node("size");
  const std::vector<int64_t> factors = size.is_list() ? c.config().integers("size") : std::vector<int64_t>{size.as_int()};
  const bool bilinear = c.config().has("interpolation") && c.config().text("interpolation") == "bilinear";
  return on_channels_last(c, in[0], [&](Ref x) {
    if (!bilinear) return c.repeat(x, factors);
    for (size_t i = 0; i < factors.size(); ++i)
      if (factors[i] > 1)
        x = c.map_axis(x, static_cast<int64_t>(i) + 1, bilinear_matrix(known(x.shape[i + 1], "the size of the image"), factors[i]));
    return x;
  });
}

std::vector<Ref> lower_flatten(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const Ref x = is_channels_first(c) && in[0].shape.size() > 2 ? c.channels_last(in[0]) : in[0];
  if (x.shape.size() < 3 || !all_known(Shape(x.shape.begin() + 1, x.shape.end()))) return {c.reshape(x, out[0])};
  return {c.add("", "Flatten", Node::map({}), {}, x, out[0])};
}

std::vector<Ref> lower_reshape(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  std::vector<int64_t> target = c.config().integers("target_shape");
  return {c.add("", "Reshape", Node::map({{"target_shape", int_list(target)}}), {}, in[0], out[0])};
}

std::vector<Ref> lower_permute(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  return {c.add("", "Permute", c.keys({"dims"}), {}, in[0], out[0])};
}

std::vector<Ref> lower_repeat_vector(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  return {c.add("", "RepeatVector", c.keys({"n"}), {}, in[0], out[0])};
}

std::vector<Ref> lower_merge(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  return {c.add("", c.layer.def->class_name, Node::map({}), {}, in, out[0])};
}

std::vector<Ref> lower_subtract(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  return {c.add("", "Add", Node::map({}), {}, {in[0], c.scale(in[1], -1)}, out[0])};
}

std::vector<Ref> lower_concatenate(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const auto rank = static_cast<int64_t>(in[0].shape.size());
  int64_t axis = c.config().integer("axis");
  if (axis < 0) axis += rank;
  if (axis == 0) throw UserError("joins along the batch, which TF.js does not");
  if (in.size() == 1) return lower_identity(c, in, out);
  return {c.add("", "Concatenate", Node::map({{"axis", Node::integer(axis)}}), {}, in, out[0])};
}

std::vector<Ref> lower_dot(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  if (c.emitter.wrapped() > 0) throw UserError("stands inside of TimeDistributed, where TF.js cannot have it");
  const Node given = c.config().node("axes");
  std::vector<int64_t> axes;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t axis = given.is_list() ? given.items()[i].as_int() : given.as_int();
    axes.push_back(axis < 0 ? axis + static_cast<int64_t>(in[i].shape.size()) : axis);
  }
  if (in[0].shape.size() > 3 || in[1].shape.size() > 3) throw UserError("multiplies tensors of more than 3 axes, which TF.js does not");
  if (axes[0] == 0 || axes[1] == 0) throw UserError("sums over the batch, which TF.js does not");
  if (c.config().flag("normalize"))
    log_warning(fmt::format("layer '{}' (Dot): TF.js normalises vectors shorter than 3e-4 otherwise than Keras", c.layer.name));
  return {c.add("", "Dot", Node::map({{"axes", int_list(axes)}, {"normalize", c.config().node("normalize")}}), {}, in, out[0])};
}

std::vector<Ref> lower_embedding(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  Node config = c.keys({"input_dim", "output_dim", "embeddings_initializer", "embeddings_regularizer", "activity_regularizer"});
  config.set("mask_zero", Node::boolean(c.config().flag("mask_zero") && c.emitter.keeps_masks()));
  config.set("input_length", Node());
  return {c.add("", "Embedding", std::move(config), {c.as_is("embeddings")}, in[0], out[0])};
}

std::vector<Ref> lower_masking(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  // The layer of TF.js always makes a mask, too.
  if (!c.emitter.keeps_masks()) return {c.without_hidden(in[0], {in[0], false, 0, c.config().real("mask_value")})};
  return {c.add("", "Masking", c.keys({"mask_value"}), {}, in[0], in[0].shape)};
}

std::vector<Ref> lower_dropout(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  Node config = c.keys({"rate"});
  if (const Node& noise = c.config().node("noise_shape"); noise.is_list()) config.set("noise_shape", noise);
  return {c.add("", "Dropout", std::move(config), {}, in[0], in[0].shape)};
}

// Whole channels: Dropout with a noise of size 1 along the spatial axes.
std::vector<Ref> lower_spatial_dropout(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  if (in[0].shape.size() == 3) return {c.add("", "SpatialDropout1D", c.keys({"rate"}), {}, in[0], in[0].shape)};
  std::vector<Node> noise(in[0].shape.size(), Node::integer(1));
  noise.front() = noise[is_channels_first(c) ? 1 : noise.size() - 1] = Node();
  Node config = c.keys({"rate"});
  config.set("noise_shape", Node::list(std::move(noise)));
  return {c.add("", "Dropout", std::move(config), {}, in[0], in[0].shape)};
}

std::vector<Ref> lower_noise(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  return {c.add("", c.layer.def->class_name, c.keys({"rate", "stddev"}), {}, in[0], in[0].shape)};
}

std::vector<Ref> lower_rescaling(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const Node &factor = c.config().node("scale"), &offset = c.config().node("offset");
  if (!factor.is_list() && !offset.is_list()) return {c.add("", "Rescaling", c.keys({"scale", "offset"}), {}, in[0], out[0])};
  const int64_t size = known(in[0].shape.back(), "the number of channels");
  Tensor mean(DType::kFloat32, {size}), factors(DType::kFloat32, {size}), offsets(DType::kFloat32, {size});
  const auto fill = [&](const char* key, Tensor& tensor) {
    const std::vector<double> values = c.config().reals(key);
    for (int64_t i = 0; i < size; ++i) tensor.set(i, values[values.size() == 1 ? 0 : static_cast<size_t>(i)]);
  };
  fill("scale", factors);
  fill("offset", offsets);
  return {c.affine_last(c.to_float(in[0]), mean, factors, offsets)};
}

}  // namespace dl::tfjs
