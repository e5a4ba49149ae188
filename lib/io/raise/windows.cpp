#include "io/raise/windows.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "graph/op_def.h"
#include "io/raise/terms.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

// ---- pads

// Whether `before`, `after` are the pads of padding 'same' along an axis of `size`.
bool same_pads(Dim size, int64_t reach, int64_t stride, int64_t before, int64_t after) {
  if (stride == 1) return before == (reach - 1) / 2 && before + after == reach - 1;
  if (!size.known()) return false;
  const int64_t n = size.value(), total = std::max<int64_t>(((n + stride - 1) / stride - 1) * stride + reach - n, 0);
  return before == total / 2 && before + after == total;
}

bool never_negative(Var v) {
  const auto number = [&](size_t i) {
    const Node& node = node_of(operand(v, i));
    return node.op == &op_constant && node.attrs.tensor("value").size() == 1 && node.attrs.tensor("value").at(0) >= 0;
  };
  const OpDef* op = node_of(v).op;
  if (op == &op_relu || op == &op_sigmoid || op == &op_exp || op == &op_softmax || op == &op_abs) return true;
  if (op == &op_maximum && (number(0) || number(1))) return true;
  if (op == &op_minimum && (number(0) || number(1))) return never_negative(operand(v, number(0) ? 1 : 0));
  if (op == &op_max_pool || op == &op_avg_pool || op == &op_transpose || op == &op_reshape) return never_negative(operand(v, 0));
  if (op == &op_concat)
    return std::all_of(node_of(v).inputs.begin(), node_of(v).inputs.end(), [&](Value in) { return never_negative({v.graph, in}); });
  return false;
}

// How many taps of each window lie inside, along one axis.
Ints taps_inside(int64_t in, int64_t out, int64_t size, int64_t stride, int64_t dilation, int64_t before) {
  Ints counts;
  for (int64_t j = 0; j < out; ++j) {
    int64_t count = 0;
    for (int64_t t = 0; t < size; ++t) {
      const int64_t at = j * stride + t * dilation - before;
      count += at >= 0 && at < in ? 1 : 0;
    }
    counts.push_back(count);
  }
  return counts;
}

// What averages over all taps of a window have to be multiplied with to be averages over those inside; nullopt: a window has none.
std::optional<Tensor> share_inside(const RewriteCall& call) {
  const Attrs& attrs = call.node.attrs;
  const Shape &from = call.inputs[0].shape(), &to = call.node.types[0].shape;
  const Ints& size = attrs.integers("size");
  Ints dims = {1};
  std::vector<Ints> counts;
  for (size_t i = 0; i < size.size(); ++i) {
    if (!from[i + 1].known() || !to[i + 1].known()) return std::nullopt;
    counts.push_back(taps_inside(from[i + 1].value(), to[i + 1].value(), size[i], attrs.integers("strides")[i],
                                 attrs.integers("dilations")[i], attrs.integers("pads_begin")[i]));
    dims.push_back(to[i + 1].value());
  }
  dims.push_back(1);
  Tensor share(call.inputs[0].dtype(), dims);
  Ints at(size.size(), 0);
  for (int64_t n = 0; n < share.size(); ++n) {
    double factor = 1;
    for (size_t i = 0; i < size.size(); ++i) {
      const int64_t inside = counts[i][static_cast<size_t>(at[i])];
      if (inside == 0) return std::nullopt;
      factor *= static_cast<double>(size[i]) / static_cast<double>(inside);
    }
    share.set(n, factor);
    for (size_t i = size.size(); i-- > 0;) {
      if (++at[i] < dims[i + 1]) break;
      at[i] = 0;
    }
  }
  return share;
}

// ---- transposed convolutions

// The sizes along one axis of a transposed convolution, and what Keras calls its output_padding.
struct TransposeAxis {
  Dim out, in;
  int64_t reach, stride, begin, end;

  // nullopt: no layer with this padding has these pads. -1: Keras's own choice gives it.
  std::optional<int64_t> output_padding(bool same) const {
    const int64_t own = same ? stride + reach - 2 : 2 * (reach - 1) + std::max(reach, stride) - reach;
    if (fits(same, own)) return -1;
    const Dim more = out - (in - Dim(1)) * Dim(stride) - Dim(same ? reach % 2 : reach);
    if (!more.known() || more.value() < 0 || more.value() >= stride) return std::nullopt;
    const int64_t total = (same ? reach + reach % 2 - 2 : 2 * (reach - 1)) + more.value();
    return fits(same, total) ? std::optional(more.value()) : std::nullopt;
  }

 private:
  bool fits(bool same, int64_t total) const {
    const int64_t left = same ? std::min(total / 2 + total % 2, reach - 1) : reach - 1, right = total - left;
    return begin == reach - 1 - left && end == std::max<int64_t>(reach - 1 - right, 0) &&
           out == (in - Dim(1)) * Dim(stride) + Dim(total + 2 - reach);
  }
};

std::vector<TransposeAxis> transpose_axes(const Attrs& attrs, const Shape& in, const Shape& kernel) {
  std::vector<TransposeAxis> axes;
  for (size_t i = 0; i + 2 < kernel.size(); ++i)
    axes.push_back({attrs.shape("x_shape")[i + 1], in[i + 1], (kernel[i].value() - 1) * attrs.integers("dilations")[i] + 1,
                    attrs.integers("strides")[i], attrs.integers("pads_begin")[i], attrs.integers("pads_end")[i]});
  return axes;
}

bool is_channels_last_transpose(const Node& node, Var kernel) {
  if (node.op != &op_conv_input_grad || node.attrs.flag("channels_first")) return false;
  const Shape& shape = kernel.shape();
  return std::all_of(shape.begin(), shape.end(), [](Dim d) { return d.known(); });
}

}  // namespace

std::optional<std::vector<int64_t>> output_paddings(const Attrs& attrs, const Shape& in, const Shape& kernel, bool same) {
  Ints paddings;
  bool own = true;
  const std::vector<TransposeAxis> axes = transpose_axes(attrs, in, kernel);
  for (const TransposeAxis& axis : axes) {
    const std::optional<int64_t> padding = axis.output_padding(same);
    if (!padding) return std::nullopt;
    own = own && *padding == -1;
    paddings.push_back(*padding);
  }
  if (own) return Ints{};
  for (size_t i = 0; i < axes.size(); ++i)
    if (paddings[i] == -1) {  // what Keras's own choice amounts to
      const Dim more = axes[i].out - (axes[i].in - Dim(1)) * Dim(axes[i].stride) - Dim(same ? axes[i].reach % 2 : axes[i].reach);
      if (!more.known() || more.value() < 0 || more.value() >= axes[i].stride) return std::nullopt;
      paddings[i] = more.value();
    }
  return paddings;
}

std::optional<Var> explicit_pads(const RewriteCall& call) {
  const OpDef* op = call.node.op;
  if (op != &op_conv && op != &op_max_pool && op != &op_avg_pool) return std::nullopt;
  const Attrs& old = call.node.attrs;
  if (old.flag("channels_first")) return std::nullopt;
  const Ints &begin = old.integers("pads_begin"), &end = old.integers("pads_end");
  const bool none = all_zero(begin) && all_zero(end);
  const bool counts = op == &op_avg_pool && old.flag("count_padding");
  Attrs attrs = old;
  if (op == &op_avg_pool) attrs.set("count_padding", int64_t{0});
  if (none) return counts ? Replacement(add_op(*op, call.inputs, attrs)) : std::nullopt;
  const Var x = call.inputs[0];
  bool same = !counts;
  for (size_t i = 0; same && i < begin.size(); ++i) {
    const Dim taps = op == &op_conv ? call.inputs[1].dim(static_cast<int64_t>(i)) : Dim(old.integers("size")[i]);
    const int64_t reach = ((taps.known() ? taps.value() : 1) - 1) * old.integers("dilations")[i] + 1;
    same = same_pads(x.dim(static_cast<int64_t>(i) + 1), reach, old.integers("strides")[i], begin[i], end[i]);
  }
  if (same) return std::nullopt;
  std::optional<Tensor> share;
  if (op == &op_avg_pool && !counts && !(share = share_inside(call))) return std::nullopt;
  // A maximum sees padding as nothing: zeros are that among numbers that are not negative, the lowest number is among all.
  const double filler = op == &op_max_pool && !never_negative(x) ? std::numeric_limits<float>::lowest() : 0;
  Ints before(x.shape().size(), 0), after = before;
  std::copy(begin.begin(), begin.end(), before.begin() + 1);
  std::copy(end.begin(), end.end(), after.begin() + 1);
  attrs.set("pads_begin", Ints(begin.size(), 0));
  attrs.set("pads_end", Ints(begin.size(), 0));
  std::vector<Var> inputs = call.inputs;
  inputs[0] = pad(x, before, after, filler);
  const Var y = add_op(*op, inputs, attrs);
  return share ? y * constant(call.graph, *share) : y;
}

std::optional<Var> cropped_transpose(const RewriteCall& call) {
  if (call.inputs.size() < 2 || !is_channels_last_transpose(call.node, call.inputs[1])) return std::nullopt;
  const Shape &in = call.inputs[0].shape(), &kernel = call.inputs[1].shape();
  const Attrs& old = call.node.attrs;
  if (output_paddings(old, in, kernel, false) || output_paddings(old, in, kernel, true)) return std::nullopt;
  const Ints &begin = old.integers("pads_begin"), &end = old.integers("pads_end");
  if (all_zero(begin) && all_zero(end)) return std::nullopt;
  Attrs attrs = old;
  Shape whole = old.shape("x_shape"), starts(whole.size(), Dim(0));
  for (size_t i = 0; i < begin.size(); ++i) {
    starts[i + 1] = Dim(begin[i]);
    whole[i + 1] = whole[i + 1] + Dim(begin[i] + end[i]);
  }
  attrs.set("x_shape", whole);
  attrs.set("pads_begin", Ints(begin.size(), 0));
  attrs.set("pads_end", Ints(begin.size(), 0));
  return slice(add_op(op_conv_input_grad, call.inputs, attrs), starts, old.shape("x_shape"));
}

std::optional<Var> bias_before_crop(const RewriteCall& call) {
  if (call.node.op != &op_add) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const Var cut = call.inputs[i], bias = call.inputs[1 - i];
    if (node_of(cut).op != &op_slice || node_of(operand(cut, 0)).op != &op_conv_input_grad || node_of(bias).op != &op_parameter) continue;
    const Shape& shape = bias.shape();
    const bool per_channel = !shape.empty() && std::all_of(shape.begin(), shape.end() - 1, [](Dim d) { return d == Dim(1); });
    if (!per_channel || !(shape.back() == cut.dim(-1))) continue;
    return copy_node(call.graph, node_of(cut), {operand(cut, 0) + bias})[0];
  }
  return std::nullopt;
}

std::optional<Var> dense_taps(const RewriteCall& call) {
  if (call.inputs.size() < 2 || !is_channels_last_transpose(call.node, call.inputs[1])) return std::nullopt;
  const Ints &dilations = call.node.attrs.integers("dilations"), &strides = call.node.attrs.integers("strides");
  if (*std::max_element(dilations.begin(), dilations.end()) == 1 || *std::max_element(strides.begin(), strides.end()) == 1)
    return std::nullopt;
  const Var kernel = call.inputs[1];
  const Shape none(kernel.shape().size(), Dim(0));
  Ints gaps(kernel.shape().size(), 0);
  for (size_t i = 0; i < dilations.size(); ++i) gaps[i] = dilations[i] - 1;
  Attrs attrs = call.node.attrs;
  attrs.set("dilations", Ints(dilations.size(), 1));
  return add_op(op_conv_input_grad, {call.inputs[0], pad(kernel, none, none, 0, gaps)}, attrs);
}

std::optional<Var> spread_taps(const RewriteCall& call) {
  constexpr int64_t kMostTaps = 64;
  if (call.node.op != &op_max_pool || call.node.attrs.flag("channels_first")) return std::nullopt;
  const Attrs& attrs = call.node.attrs;
  const Ints &size = attrs.integers("size"), &dilations = attrs.integers("dilations");
  const bool plain = std::all_of(dilations.begin(), dilations.end(), [](int64_t d) { return d == 1; });
  if (plain || !all_zero(attrs.integers("pads_begin")) || !all_zero(attrs.integers("pads_end"))) return std::nullopt;
  if (std::accumulate(size.begin(), size.end(), int64_t{1}, [](int64_t a, int64_t b) { return std::min(a * b, kMostTaps + 1); }) >
      kMostTaps)
    return std::nullopt;
  const Var x = call.inputs[0];
  Ints steps(x.shape().size(), 1), tap(size.size(), 0);
  std::copy(attrs.integers("strides").begin(), attrs.integers("strides").end(), steps.begin() + 1);
  Var y;
  for (bool more = true; more;) {
    Shape starts(x.shape().size(), Dim(0));
    for (size_t i = 0; i < tap.size(); ++i) starts[i + 1] = Dim(tap[i] * dilations[i]);
    const Var part = slice(x, starts, call.node.types[0].shape, steps);
    y = y.valid() ? maximum(y, part) : part;
    more = false;
    for (size_t i = tap.size(); i-- > 0 && !more;) {
      more = ++tap[i] < size[i];
      if (!more) tap[i] = 0;
    }
  }
  return y;
}

std::optional<Var> split_groups(const RewriteCall& call) {
  if (call.inputs.size() < 2 || !is_channels_last_transpose(call.node, call.inputs[1])) return std::nullopt;
  const int64_t groups = call.node.attrs.integer("groups");
  const Var x = call.inputs[0], kernel = call.inputs[1];
  if (groups < 2 || groups > 64 || !x.dim(-1).known() || node_of(kernel).op == &op_conv) return std::nullopt;
  const int64_t each = x.dim(-1).value() / groups;
  Attrs attrs = call.node.attrs;
  attrs.set("groups", int64_t{1});
  Shape part = attrs.shape("x_shape");
  const std::optional<Dim> channels = exact_div(part.back(), Dim(groups));
  if (!channels) return std::nullopt;
  part.back() = *channels;
  attrs.set("x_shape", part);
  std::vector<Var> parts;
  for (int64_t g = 0; g < groups; ++g)
    parts.push_back(add_op(op_conv_input_grad, {slice_axis(x, -1, g * each, each), slice_axis(kernel, -1, g * each, each)}, attrs));
  return concat(parts, -1);
}

}  // namespace dl::raise
