// Convolutions. TF.js computes them channels-last; it knows no groups, no dilation of depthwise kernels and no causal padding, and loses
// output_padding: such kernels are written with zeros in them, so that a plain convolution does the same.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "io/tfjs/lowerings.h"

namespace dl::tfjs {
namespace {

using spec::Node;
using Ints = std::vector<int64_t>;

bool any_above_one(const Ints& values) {
  return std::any_of(values.begin(), values.end(), [](int64_t v) { return v > 1; });
}

// What every convolution shares.
struct Conv {
  const Call& c;
  bool first = false;  // channels_first
  Ints kernel, strides, dilations;
  std::string padding, activation;
  bool same() const { return padding == "same"; }

  explicit Conv(const Call& call)
      : c(call),
        first(call.config().text("data_format") == "channels_first"),
        kernel(call.config().integers("kernel_size")),
        strides(call.config().integers("strides")),
        dilations(call.config().integers("dilation_rate")),
        padding(call.config().text("padding")),
        activation(call.config().text("activation")) {}

  Ref input(const Ref& x) const { return first ? c.channels_last(x) : x; }

  // An activation that TF.js has goes into the layer, unless it looks along another axis there.
  bool fused() const { return !native_activation(activation).empty() && !(first && uses_last_axis(activation)); }
  Ref finish(const Ref& y) const {
    const Ref back = first ? c.channels_first(y) : y;
    return fused() ? back : c.activate(back, activation);
  }

  Node config(std::initializer_list<std::string_view> own, const Ints& size, const Ints& stride, const Ints& dilation,
              const std::string& pad) const {
    Node map = c.keys(own);
    map.set("kernel_size", int_list(size));
    map.set("strides", int_list(stride));
    map.set("padding", Node::string(pad));
    map.set("data_format", Node::string("channels_last"));
    map.set("dilation_rate", int_list(dilation));
    map.set("activation", Node::string(fused() ? native_activation(activation) : "linear"));
    const Node shared = c.keys({"use_bias", "bias_initializer", "bias_regularizer", "activity_regularizer"});
    for (const auto& [key, value] : shared.entries()) map.set(key, value);
    return map;
  }

  std::vector<OutWeight> with_bias(std::vector<OutWeight> weights) const {
    if (c.config().flag("use_bias")) weights.push_back(c.as_is("bias"));
    return weights;
  }

  Shape result(const Shape& out) const {
    if (!first) return out;
    Shape shape = out;
    shape.erase(shape.begin() + 1);
    shape.push_back(out[1]);
    return shape;
  }
};

// Copies kernel [spatial..., rows] with `dilations - 1` zeros between its cells and `extra` behind them.
Tensor spread_kernel(const Tensor& kernel, const Ints& dilations, const Ints& extra) {
  const size_t spatial = dilations.size();
  Dims dims = kernel.dims();
  int64_t cells = 1, row = 1;
  for (size_t i = 0; i < dims.size(); ++i) (i < spatial ? cells : row) *= dims[i];
  for (size_t i = 0; i < spatial; ++i) dims[i] = (dims[i] - 1) * dilations[i] + 1 + extra[i];
  Tensor spread(DType::kFloat32, dims);
  const float* from = kernel.data<float>();
  for (int64_t cell = 0; cell < cells; ++cell) {
    int64_t rest = cell, to = 0, stride = 1;
    for (size_t i = spatial; i-- > 0;) {
      to += rest % kernel.dims()[i] * dilations[i] * stride;
      rest /= kernel.dims()[i];
      stride *= dims[i];
    }
    std::copy_n(from + cell * row, row, spread.data<float>() + to * row);
  }
  return spread;
}

OutWeight spread_weight(const Call& c, const char* leaf, const char* written, const Ints& dilations, const Ints& extra) {
  const Tensor kernel = c.weight(leaf);
  OutWeight weight = c.as_is(leaf, written);
  for (size_t i = 0; i < dilations.size(); ++i) weight.dims[i] = (weight.dims[i] - 1) * dilations[i] + 1 + extra[i];
  if (any_above_one(dilations) || std::any_of(extra.begin(), extra.end(), [](int64_t v) { return v > 0; }))
    weight.make = [kernel, dilations, extra] { return spread_kernel(kernel, dilations, extra); };
  return weight;
}

// [..., in / groups, out] with every group in its block of [..., in, out], zeros elsewhere.
OutWeight ungrouped(const Call& c, int64_t groups) {
  const Tensor kernel = c.weight("kernel");
  Dims dims = kernel.dims();
  const int64_t inside = dims[dims.size() - 2], filters = dims.back();
  dims[dims.size() - 2] = inside * groups;
  return {"kernel", dims, [=] {
            Tensor full(DType::kFloat32, dims);
            const int64_t cells = kernel.size() / (inside * filters), part = filters / groups;
            for (int64_t cell = 0; cell < cells; ++cell)
              for (int64_t i = 0; i < inside; ++i)
                for (int64_t g = 0; g < groups; ++g)
                  std::copy_n(kernel.data<float>() + (cell * inside + i) * filters + g * part, part,
                              full.data<float>() + ((cell * groups + g) * inside + i) * filters + g * part);
            return full;
          }};
}

Ints ones(size_t count) { return Ints(count, 1); }
Ints zeros(size_t count) { return Ints(count, 0); }

Ints spread_size(const Ints& kernel, const Ints& dilations, const Ints& extra) {
  Ints size = kernel;
  for (size_t i = 0; i < size.size(); ++i) size[i] = (size[i] - 1) * dilations[i] + 1 + extra[i];
  return size;
}

// One spatial axis becomes two, the second of size 1.
Shape with_unit_axis(const Shape& s) { return {s[0], s[1], Dim(1), s[2]}; }
Shape without_unit_axis(const Shape& s) { return {s[0], s[1], s[3]}; }

Tensor kernel_with_unit_axis(const Tensor& kernel) {
  Dims dims = kernel.dims();
  dims.insert(dims.begin() + 1, 1);
  return kernel.reshaped(dims);
}

OutWeight weight_with_unit_axis(OutWeight weight) {
  weight.dims.insert(weight.dims.begin() + 1, 1);
  weight.make = [make = std::move(weight.make)] { return kernel_with_unit_axis(make()); };
  return weight;
}

}  // namespace

std::vector<Ref> lower_conv(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const Conv conv(c);
  Ref x = conv.input(in[0]);
  const int64_t groups = c.config().integer("groups"), filters = c.config().integer("filters");
  const size_t spatial = conv.kernel.size();
  std::string padding = conv.padding;
  if (padding == "causal") {
    x = c.pad(x, {{(conv.kernel[0] - 1) * conv.dilations[0], 0}});
    padding = "valid";
  }
  const std::string class_name = c.layer.def->class_name;
  if (groups > 1 && spatial == 2 && x.shape.back() == Dim(groups)) {
    // A group per channel: output c * multiplier + m, the same bytes in another shape.
    Node config = conv.config({}, spread_size(conv.kernel, conv.dilations, zeros(2)), conv.strides, ones(2), padding);
    config.set("depth_multiplier", Node::integer(filters / groups));
    OutWeight kernel = spread_weight(c, "kernel", "depthwise_kernel", conv.dilations, zeros(2));
    Dims dims = kernel.dims;
    dims[2] = groups, dims[3] = filters / groups;
    kernel = {kernel.leaf, dims, [make = kernel.make, dims] { return make().reshaped(dims); }};
    return {conv.finish(c.add("", "DepthwiseConv2D", std::move(config), conv.with_bias({std::move(kernel)}), x, conv.result(out[0])))};
  }
  Node config = conv.config({"filters", "kernel_initializer", "kernel_regularizer"}, conv.kernel, conv.strides, conv.dilations, padding);
  OutWeight kernel = groups > 1 ? ungrouped(c, groups) : c.as_is("kernel");
  return {conv.finish(c.add("", class_name, std::move(config), conv.with_bias({std::move(kernel)}), x, conv.result(out[0])))};
}

std::vector<Ref> lower_depthwise_conv(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  Conv conv(c);
  Ref x = conv.input(in[0]);
  Shape shape = conv.result(out[0]);
  const bool flat = conv.kernel.size() == 1;
  OutWeight kernel = spread_weight(c, "kernel", "depthwise_kernel", conv.dilations, zeros(conv.kernel.size()));
  Ints size = spread_size(conv.kernel, conv.dilations, zeros(conv.kernel.size()));
  if (flat) {
    x = c.reshape(x, with_unit_axis(x.shape));
    shape = with_unit_axis(shape);
    kernel = weight_with_unit_axis(std::move(kernel));
    size.push_back(1);
    conv.strides.push_back(conv.strides[0]);  // of equal size; along the axis of size 1 any does
  }
  const Node config =
      conv.config({"depth_multiplier", "depthwise_initializer", "depthwise_regularizer"}, size, conv.strides, ones(2), conv.padding);
  Ref y = c.add("", "DepthwiseConv2D", config, conv.with_bias({std::move(kernel)}), x, shape);
  if (flat) y = c.reshape(y, without_unit_axis(shape));
  return {conv.finish(y)};
}

std::vector<Ref> lower_separable_conv(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  Conv conv(c);
  Ref x = conv.input(in[0]);
  Shape shape = conv.result(out[0]);
  const bool flat = conv.kernel.size() == 1;
  OutWeight depthwise = spread_weight(c, "depthwise_kernel", "depthwise_kernel", conv.dilations, zeros(conv.kernel.size()));
  OutWeight pointwise = c.as_is("pointwise_kernel");
  Ints size = spread_size(conv.kernel, conv.dilations, zeros(conv.kernel.size()));
  if (flat) {
    x = c.reshape(x, with_unit_axis(x.shape));
    shape = with_unit_axis(shape);
    depthwise = weight_with_unit_axis(std::move(depthwise));
    pointwise = weight_with_unit_axis(std::move(pointwise));
    size.push_back(1);
    conv.strides.push_back(conv.strides[0]);
  }
  const Node config = conv.config(
      {"filters", "depth_multiplier", "depthwise_initializer", "depthwise_regularizer", "pointwise_initializer", "pointwise_regularizer"},
      size, conv.strides, ones(2), conv.padding);
  Ref y = c.add("", "SeparableConv2D", config, conv.with_bias({std::move(depthwise), std::move(pointwise)}), x, shape);
  if (flat) y = c.reshape(y, without_unit_axis(shape));
  return {conv.finish(y)};
}

namespace {

// What is cut from the full result of one axis, and how much longer than the kernel reaches that result has to be.
struct TransposeAxis {
  int64_t begin = 0, end = 0, extra = 0;
};

// Keras's rules (layers/conv_transpose.cpp): the full result of n cells has (n - 1) * stride + reach.
TransposeAxis transpose_axis(int64_t kernel, int64_t stride, int64_t dilation, bool same, const Node* output_padding) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  int64_t left = reach - 1, right = 0;
  if (!same) {
    right = reach - 1 + (output_padding ? output_padding->as_int() : std::max(reach, stride) - reach);
  } else {
    const int64_t total = output_padding ? reach + reach % 2 - 2 + output_padding->as_int() : stride + reach - 2;
    left = std::min(total / 2 + total % 2, reach - 1);
    right = total - left;
  }
  // left + right + 2 - reach cells beyond (n - 1) * stride are wanted, the first of them after `begin`.
  TransposeAxis axis;
  axis.begin = reach - 1 - left;
  const int64_t wanted = left + right + 2 - reach + axis.begin;
  axis.extra = std::max<int64_t>({wanted - reach, stride - reach, 0});
  axis.end = reach + axis.extra - wanted;
  return axis;
}

}  // namespace

std::vector<Ref> lower_conv_transpose(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  Conv conv(c);
  Ref x = conv.input(in[0]);
  Shape shape = conv.result(out[0]);
  const size_t spatial = conv.kernel.size();
  const bool given = c.config().given("output_padding");
  std::string class_name = c.layer.def->class_name;
  bool plain = spatial > 1 && !given && !any_above_one(conv.dilations);
  for (size_t i = 0; i < spatial; ++i) plain &= conv.kernel[i] >= conv.strides[i];
  if (plain) {
    const Node config =
        conv.config({"filters", "kernel_initializer", "kernel_regularizer"}, conv.kernel, conv.strides, conv.dilations, conv.padding);
    return {conv.finish(c.add("", class_name, config, conv.with_bias({c.as_is("kernel")}), x, shape))};
  }
  // The full result, of which the wanted part is cut.
  Pairs cut;
  Ints extra;
  Shape full = shape;
  for (size_t i = 0; i < spatial; ++i) {
    const Node* padding = given ? &c.config().node("output_padding").items()[i] : nullptr;
    const TransposeAxis axis = transpose_axis(conv.kernel[i], conv.strides[i], conv.dilations[i], conv.same(), padding);
    cut.emplace_back(axis.begin, axis.end);
    extra.push_back(axis.extra);
    full[i + 1] = shape[i + 1] + Dim(axis.begin + axis.end);
  }
  OutWeight kernel = spread_weight(c, "kernel", "kernel", conv.dilations, extra);
  Ints size = spread_size(conv.kernel, conv.dilations, extra);
  if (spatial == 1) {
    x = c.reshape(x, with_unit_axis(x.shape));
    full = with_unit_axis(full);
    kernel = weight_with_unit_axis(std::move(kernel));
    size.push_back(1);
    conv.strides.push_back(1);
    class_name = "Conv2DTranspose";
  }
  const Node config =
      conv.config({"filters", "kernel_initializer", "kernel_regularizer"}, size, conv.strides, ones(std::max<size_t>(spatial, 2)), "valid");
  Ref y = c.add("", class_name, config, conv.with_bias({std::move(kernel)}), x, full);
  if (spatial == 1) y = c.reshape(y, without_unit_axis(full));
  return {conv.finish(c.crop(y, cut))};
}

std::vector<Ref> lower_dense(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const std::string activation = c.config().text("activation"), native = native_activation(activation);
  Node config = c.keys(
      {"units", "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer", "activity_regularizer"});
  config.set("activation", Node::string(native.empty() ? "linear" : native));
  std::vector<OutWeight> weights = {c.as_is("kernel")};
  if (c.config().flag("use_bias")) weights.push_back(c.as_is("bias"));
  const Ref y = c.add("", "Dense", std::move(config), std::move(weights), in[0], out[0]);
  return {native.empty() ? c.activate(y, activation) : y};
}

}  // namespace dl::tfjs
