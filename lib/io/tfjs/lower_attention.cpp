// Attention from what TF.js has: Dense, Dot of up to three axes, softmax. Every head is written by itself.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"
#include "io/tfjs/lowerings.h"

namespace dl::tfjs {
namespace {

using spec::Node;

Ref dot(const Call& c, const Ref& x, const Ref& y, int64_t x_axis, int64_t y_axis) {
  const Shape shape = {x.shape[0], x.shape[static_cast<size_t>(3 - x_axis)], y.shape[static_cast<size_t>(3 - y_axis)]};
  return c.add("dot", "Dot", Node::map({{"axes", int_list({x_axis, y_axis})}, {"normalize", Node::boolean(false)}}), {}, {x, y}, shape);
}

// scores [batch, rows, columns], those that `sees` does not allow far below the others.
template <class F>
Ref mask_scores(const Call& c, const Ref& scores, F sees) {
  const int64_t rows = known(scores.shape[1], "the length of the sequence"), columns = known(scores.shape[2], "the length of the sequence");
  Tensor zero(DType::kFloat32, {rows * columns}), one(DType::kFloat32, {rows * columns}), far(DType::kFloat32, {rows * columns});
  for (int64_t i = 0; i < rows * columns; ++i) {
    one.data<float>()[i] = 1;
    far.data<float>()[i] = sees(i / columns, i % columns) ? 0.0F : -1e9F;
  }
  return c.reshape(c.affine_last(c.reshape(scores, {scores.shape[0], Dim(rows * columns)}), zero, one, far), scores.shape);
}

Ref apply_masks(const Call& c, Ref scores) {
  const bool window = c.config().has("sliding_window") && c.config().given("sliding_window");
  if (c.config().flag("use_causal_mask")) scores = mask_scores(c, scores, [](int64_t row, int64_t column) { return row >= column; });
  if (window) {
    const int64_t size = c.config().integer("sliding_window");
    scores = mask_scores(c, scores, [size](int64_t row, int64_t column) { return std::abs(row - column) < size; });
  }
  return scores;
}

void check_place(const Call& c, const std::vector<Ref>& in) {
  if (c.emitter.wrapped() > 0) throw UserError("stands inside of TimeDistributed, where TF.js cannot have it");
  for (const Ref& x : in)
    if (x.shape.size() != 3) throw UserError("attends in tensors of more than 3 axes, which cannot be written for TF.js");
}

// Head `head` of a projection [features, heads, size].
OutWeight head_kernel(const Tensor& kernel, int64_t head) {
  const Dims& d = kernel.dims();
  return {"kernel", {d[0], d[2]}, [=] {
            Tensor part(DType::kFloat32, {d[0], d[2]});
            for (int64_t i = 0; i < d[0]; ++i)
              std::copy_n(kernel.data<float>() + (i * d[1] + head) * d[2], d[2], part.data<float>() + i * d[2]);
            return part;
          }};
}

Ref project_head(const Call& c, const Ref& x, const char* name, int64_t head) {
  const Call sub = [&] {
    const Call plain = c.inner(c.layer, std::string(name) + "_dense");
    return plain.has_weight("kernel") ? plain : c.inner(c.layer, std::string("_") + name + "_dense");
  }();
  const Tensor kernel = sub.weight("kernel");
  std::vector<OutWeight> bias;
  if (sub.has_weight("bias"))
    bias.push_back({"bias", {kernel.dims()[2]}, [value = sub.weight("bias"), head] {
                      return value.rows(head, head + 1).reshaped({value.dims()[1]});
                    }});
  return c.dense(fmt::format("{}{}", name, head), x, head_kernel(kernel, head), std::move(bias), kernel.dims()[2]);
}

Ref project_output(const Call& c, const Ref& heads) {
  const Call plain = c.inner(c.layer, "output_dense");
  const Call sub = plain.has_weight("kernel") ? plain : c.inner(c.layer, "_output_dense");
  const Tensor kernel = sub.weight("kernel");
  if (kernel.rank() != 3) throw UserError("has an output_shape of several axes, which cannot be written for TF.js");
  const Dims dims = {kernel.dims()[0] * kernel.dims()[1], kernel.dims()[2]};
  std::vector<OutWeight> bias;
  if (sub.has_weight("bias")) bias.push_back(sub.as_is("bias"));
  return c.dense("output", heads, {"kernel", dims, [kernel, dims] { return kernel.reshaped(dims); }}, std::move(bias), dims[1]);
}

}  // namespace

std::vector<Ref> lower_multi_head_attention(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  check_place(c, in);
  const Ref &query = in[0], &value = in[in.size() > 1 ? 1 : 0], &key = in.size() > 2 ? in[2] : value;
  const bool grouped = c.config().has("num_query_heads");
  const int64_t heads = c.config().integer(grouped ? "num_query_heads" : "num_heads");
  const int64_t shared = grouped ? c.config().integer("num_key_value_heads") : heads;
  const double scale = 1 / std::sqrt(static_cast<double>(c.config().integer(grouped ? "head_dim" : "key_dim")));
  std::vector<Ref> keys, values, results, scores;
  for (int64_t h = 0; h < shared; ++h) {
    keys.push_back(project_head(c, key, "key", h));
    values.push_back(project_head(c, value, "value", h));
  }
  for (int64_t h = 0; h < heads; ++h) {
    const auto kv = static_cast<size_t>(h / (heads / shared));
    const Ref q = c.scale(project_head(c, query, "query", h), scale);
    const Ref weights = c.activate(apply_masks(c, dot(c, q, keys[kv], 2, 2)), "softmax");
    Ref y = dot(c, weights, values[kv], 2, 1);
    if (c.config().flag("use_gate")) y = c.product({y, c.activate(project_head(c, query, "gate", h), "sigmoid")});
    results.push_back(y);
    const Shape& s = weights.shape;
    if (c.config().flag("return_attention_scores")) scores.push_back(c.reshape(weights, {s[0], Dim(1), s[1], s[2]}));
  }
  std::vector<Ref> outputs = {project_output(c, c.concat(results, 2))};
  if (!scores.empty()) outputs.push_back(c.concat(scores, 1));
  DL_CHECK(outputs.size() == out.size(), "attention has other outputs");
  return outputs;
}

namespace {

std::vector<Ref> attend(const Call& c, const Ref& scores, const Ref& value) {
  const Ref weights = c.activate(apply_masks(c, scores), "softmax");
  std::vector<Ref> outputs = {dot(c, weights, value, 2, 1)};
  if (c.config().flag("return_attention_scores")) outputs.push_back(weights);
  return outputs;
}

// Sums of every query with every key through tanh, weighted along the features.
Ref additive_scores(const Call& c, const Ref& query, const Ref& key, double factor, const Tensor& weights) {
  const Shape &q = query.shape, &k = key.shape;
  Ref sums = c.sum({c.reshape(query, {q[0], q[1], Dim(1), q[2]}), c.reshape(key, {k[0], Dim(1), k[1], k[2]})});
  if (factor != 1) sums = c.scale(sums, factor);
  const Ref terms = c.activate(sums, "tanh");
  return c.reshape(c.map_last(terms, weights.cast(DType::kFloat32).reshaped({weights.size(), 1})), {q[0], q[1], k[1]});
}

Tensor repeated(double value, Dim size) {
  Tensor t(DType::kFloat32, {known(size, "the number of features")});
  std::fill_n(t.data<float>(), t.size(), static_cast<float>(value));
  return t;
}

}  // namespace

std::vector<Ref> lower_attention(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  check_place(c, in);
  const Ref &query = in[0], &value = in[1], &key = in[in.size() > 2 ? 2 : 1];
  const double factor = c.config().flag("use_scale") ? c.weight("scale").at(0) : 1;
  if (c.config().text("score_mode") == "concat")
    return attend(c, additive_scores(c, query, key, factor, repeated(c.weight("concat_score_weight").at(0), query.shape[2])), value);
  const Ref scores = dot(c, query, key, 2, 2);
  return attend(c, factor == 1 ? scores : c.scale(scores, factor), value);
}

std::vector<Ref> lower_additive_attention(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  check_place(c, in);
  const Ref &query = in[0], &value = in[1], &key = in[in.size() > 2 ? 2 : 1];
  const Tensor weights = c.config().flag("use_scale") ? c.weight("scale") : repeated(1, query.shape[2]);
  return attend(c, additive_scores(c, query, key, 1, weights), value);
}

// An equation whose kernel shares letters with the input or with the output, never with both: contracted axes last, Dense, and the axes
// of the result put in order.
std::vector<Ref> lower_einsum_dense(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const std::string& text = c.config().text("equation");
  const size_t comma = text.find(','), arrow = text.find("->");
  std::string input = text.substr(0, comma), kernel = text.substr(comma + 1, arrow - comma - 1), output = text.substr(arrow + 2);
  for (std::string* part : {&input, &output}) {
    const size_t dots = part->find("...");
    if (dots == std::string::npos) continue;
    std::string letters;
    const size_t more = (part == &input ? in[0].shape.size() : out[0].size()) - (part->size() - 3);
    for (size_t i = 0; i < more; ++i) letters += static_cast<char>('0' + i);  // no letter of the equation
    part->replace(dots, 3, letters);
  }
  std::string kept, summed, made;
  for (const char letter : input) (kernel.find(letter) == std::string::npos ? kept : summed) += letter;
  for (const char letter : output)
    if (input.find(letter) == std::string::npos) made += letter;
  for (const char letter : summed)
    if (output.find(letter) != std::string::npos) throw UserError("multiplies along an axis that stays, which cannot be written for TF.js");
  for (const char letter : kept)
    if (output.find(letter) == std::string::npos)
      throw UserError("sums an axis that its kernel has not, which cannot be written for TF.js");
  if (kept.empty() || kept[0] != input[0] || output[0] != input[0]) throw UserError("moves the batch, which TF.js does not");
  // The kernel as [summed, made].
  const Tensor stored = c.weight("kernel");
  std::vector<size_t> order;
  for (const char letter : summed + made) order.push_back(kernel.find(letter));
  int64_t rows = 1, columns = 1;
  for (size_t i = 0; i < order.size(); ++i) (i < summed.size() ? rows : columns) *= stored.dims()[order[i]];
  const auto make = [stored, order, rows, columns] {
    Tensor matrix(DType::kFloat32, {rows, columns});
    std::vector<int64_t> strides(order.size(), 1);
    for (size_t i = 0; i < order.size(); ++i)
      for (size_t k = order[i] + 1; k < order.size(); ++k) strides[i] *= stored.dims()[k];
    for (int64_t n = 0; n < matrix.size(); ++n) {
      int64_t rest = n, at = 0;
      for (size_t i = order.size(); i-- > 0;) {
        at += rest % stored.dims()[order[i]] * strides[i];
        rest /= stored.dims()[order[i]];
      }
      matrix.data<float>()[n] = stored.data<float>()[at];
    }
    return matrix;
  };
  std::vector<int64_t> axes;
  for (const char letter : kept + summed) axes.push_back(static_cast<int64_t>(input.find(letter)));
  Ref x = c.permute(in[0], axes);
  Shape lead(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(kept.size())), flat = lead, full = lead;
  flat.push_back(Dim(rows));
  for (const char letter : made) full.push_back(out[0][output.find(letter)]);
  std::vector<OutWeight> bias;
  if (c.has_weight("bias")) {
    std::string bias_axes = c.config().text("bias_axes"), made_axes = made;
    std::sort(bias_axes.begin(), bias_axes.end());
    std::sort(made_axes.begin(), made_axes.end());
    const Tensor value = c.weight("bias");
    if (bias_axes != made_axes) throw UserError("has a bias along other axes than those it makes, which cannot be written for TF.js");
    bias.push_back({"bias", {columns}, [value, columns] { return value.reshaped({columns}); }});
  }
  Ref y = c.reshape(c.dense("", c.reshape(x, flat), {"kernel", {rows, columns}, make}, std::move(bias), columns), full);
  std::vector<int64_t> back;
  const std::string have = kept + made;
  for (const char letter : output) back.push_back(static_cast<int64_t>(have.find(letter)));
  return {c.activate(c.permute(y, back), c.config().text("activation"))};
}

}  // namespace dl::tfjs
