// Activations: those that TF.js has, and the others put together from them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "io/tfjs/lowerings.h"

namespace dl::tfjs {
namespace {

using spec::Node;

struct Native {
  std::string_view ours, theirs;
};
// hard_sigmoid of TF.js is that of Keras 2; its gelu is the exact one.
constexpr Native kNative[] = {{"linear", "linear"},
                              {"relu", "relu"},
                              {"relu6", "relu6"},
                              {"elu", "elu"},
                              {"celu", "elu"},
                              {"selu", "selu"},
                              {"gelu", "gelu"},
                              {"silu", "swish"},
                              {"swish", "swish"},
                              {"softmax", "softmax"},
                              {"log_softmax", "log_softmax"},
                              {"sigmoid", "sigmoid"},
                              {"tanh", "tanh"},
                              {"softplus", "softplus"},
                              {"softsign", "softsign"},
                              {"mish", "mish"},
                              {"hard_sigmoid_v2", "hard_sigmoid"}};

Ref negative(const Call& c, const Ref& x) { return c.scale(x, -1); }

Ref leaky(const Call& c, const Ref& x, double slope) {
  return c.add("leaky", "LeakyReLU", Node::map({{"alpha", Node::real(slope)}}), {}, x, x.shape);
}

Ref thresholded(const Call& c, const Ref& x, double theta) {
  return c.add("threshold", "ThresholdedReLU", Node::map({{"theta", Node::real(theta)}}), {}, x, x.shape);
}

// f(x) - f(-x)
template <class F>
Ref odd_part(const Call& c, const Ref& x, F f) {
  return c.sum({f(x), negative(c, f(negative(c, x)))});
}

// x < 0 alone: -relu(-x).
Ref below_zero(const Call& c, const Ref& x) { return negative(c, c.relu(negative(c, x))); }

// alpha * (exp(x) - 1) below zero.
Ref elu(const Call& c, const Ref& x, double alpha) {
  if (alpha == 1) return c.activate(x, "elu");
  return c.sum({c.relu(x), c.scale(c.activate(below_zero(c, x), "elu"), alpha)});
}

// relu6(x + 3) / 6 is Keras 2's clip(0.2 z + 0.5) of z = 5/6 x.
Ref hard_sigmoid(const Call& c, const Ref& x) { return c.activate(c.scale(x, 5.0 / 6.0), "hard_sigmoid_v2"); }

// The first half of the last axis times the sigmoid of the second.
Ref glu(const Call& c, const Ref& x) {
  const int64_t size = known(x.shape.back(), "the size of the last axis"), half = size / 2;
  Tensor first(DType::kFloat32, {size, half}), second(DType::kFloat32, {size, half});
  for (int64_t i = 0; i < half; ++i) {
    first.data<float>()[i * half + i] = 1;
    second.data<float>()[(half + i) * half + i] = 1;
  }
  return c.product({c.map_last(x, first), c.activate(c.map_last(x, second), "sigmoid")});
}

// 0 below -1, x above 1, a parabola between.
Ref sparse_plus(const Call& c, const Ref& x) {
  const Ref ramp = c.relu(c.scale(x, 1, 1), 2);
  return c.sum({c.scale(c.product({ramp, ramp}), 0.25), c.relu(c.scale(x, 1, -1))});
}

}  // namespace

std::string native_activation(const std::string& name) {
  const auto row = std::find_if(std::begin(kNative), std::end(kNative), [&](const Native& n) { return n.ours == name; });
  return row == std::end(kNative) ? "" : std::string(row->theirs);
}

bool uses_last_axis(const std::string& activation) { return activation == "softmax" || activation == "log_softmax" || activation == "glu"; }

Ref Call::activate(const Ref& x, const std::string& name) const {
  if (name == "linear") return x;
  if (const std::string native = native_activation(name); !native.empty())
    return add("activation", "Activation", Node::map({{"activation", Node::string(native)}}), {}, x, x.shape);
  if (name == "leaky_relu") return leaky(*this, x, 0.2);
  if (name == "hard_sigmoid") return hard_sigmoid(*this, x);
  if (name == "hard_silu" || name == "hard_swish") return product({x, hard_sigmoid(*this, x)});
  if (name == "log_sigmoid") return negative(*this, activate(negative(*this, x), "softplus"));
  if (name == "tanh_shrink") return sum({x, negative(*this, activate(x, "tanh"))});
  if (name == "hard_tanh") return odd_part(*this, x, [&](const Ref& v) { return relu(v, 1); });
  if (name == "hard_shrink") return odd_part(*this, x, [&](const Ref& v) { return thresholded(*this, v, 0.5); });
  if (name == "soft_shrink") return odd_part(*this, x, [&](const Ref& v) { return relu(scale(v, 1, -0.5)); });
  if (name == "sparse_sigmoid") return relu(scale(x, 0.5, 0.5), 1);
  if (name == "glu") return glu(*this, x);
  if (name == "sparse_plus") return sparse_plus(*this, x);
  throw UserError(fmt::format("its activation '{}' is not known to TF.js", name));
}

std::vector<Ref> lower_activation(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const std::string& name = c.config().text("activation");
  if (const std::string native = native_activation(name); !native.empty())
    return {c.add("", "Activation", Node::map({{"activation", Node::string(native)}}), {}, in[0], in[0].shape)};
  return {c.activate(in[0], name)};
}

std::vector<Ref> lower_identity(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  return {c.add("", "Activation", Node::map({{"activation", Node::string("linear")}}), {}, in[0], in[0].shape)};
}

std::vector<Ref> lower_relu(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const double slope = c.config().real("negative_slope"), threshold = c.config().real("threshold");
  const bool limited = c.config().given("max_value");
  const Ref& x = in[0];
  if (threshold == 0 && slope == 0)
    return {c.add("", "ReLU", c.config().given("max_value") ? c.keys({"max_value"}) : Node::map({}), {}, x, x.shape)};
  if (threshold == 0 && !limited) return {c.add("", "LeakyReLU", Node::map({{"alpha", Node::real(slope)}}), {}, x, x.shape)};
  Ref y = threshold == 0 ? c.relu(x) : thresholded(c, x, threshold);
  if (limited) y = c.relu(y, c.config().real("max_value"));
  if (slope != 0) y = c.sum({y, c.scale(c.relu(c.scale(x, -1, threshold)), -slope)});
  return {y};
}

std::vector<Ref> lower_leaky_relu(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  return {c.add("", "LeakyReLU", Node::map({{"alpha", c.config().node("negative_slope")}}), {}, in[0], in[0].shape)};
}

std::vector<Ref> lower_elu(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const double alpha = c.config().real("alpha");
  if (alpha != 1) return {elu(c, in[0], alpha)};
  return {c.add("", "ELU", Node::map({{"alpha", Node::real(1)}}), {}, in[0], in[0].shape)};
}

std::vector<Ref> lower_prelu(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  return {c.add("", "PReLU", c.keys({"alpha_initializer", "alpha_regularizer", "shared_axes"}), {c.as_is("alpha")}, in[0], in[0].shape)};
}

// TF.js takes the softmax of the last axis only.
std::vector<Ref> lower_softmax(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  if (in.size() > 1) throw UserError("takes a mask as input, which TF.js does not");
  const auto rank = static_cast<int64_t>(in[0].shape.size());
  const Node axis = c.config().node("axis");
  std::vector<int64_t> axes, order, rest;
  for (const Node& item : axis.is_list() ? axis.items() : std::vector<Node>{axis})
    axes.push_back(item.as_int() < 0 ? item.as_int() + rank : item.as_int());
  for (int64_t i = 0; i < rank; ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i);
  if (order.empty() || order[0] != 0) throw UserError("goes over the batch, which TF.js does not");
  order.insert(order.end(), axes.begin(), axes.end());
  if (axes.size() == 1 && axes[0] == rank - 1 && !c.emitter.keeps_masks())  // the layer would take any mask there is
    return {c.add("", "Softmax", Node::map({{"axis", Node::integer(-1)}}), {}, in[0], in[0].shape)};
  const Ref moved = c.permute(in[0], order);
  Shape flat(moved.shape.begin(), moved.shape.end() - static_cast<std::ptrdiff_t>(axes.size()));
  flat.push_back(element_count(Shape(moved.shape.end() - static_cast<std::ptrdiff_t>(axes.size()), moved.shape.end())));
  const Ref y = c.reshape(c.activate(c.reshape(moved, flat), "softmax"), moved.shape);
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return {c.permute(y, back)};
}

}  // namespace dl::tfjs
