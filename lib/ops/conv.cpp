// Convolution and its two gradients. It is linear in both operands, so the three are each other's gradients.
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"
#include "ops/window.h"

namespace dl {
namespace {

// Shape of conv(x, kernel) for the geometry of the call.
Shape conv_output_shape(const InferCall& call, const Shape& x, const Shape& kernel) {
  if (x.size() < 3 || x.size() > 5) infer_error(call, "the input needs a batch axis, 1 to 3 spatial axes and a channel axis");
  if (kernel.size() != x.size())
    infer_error(call, "the kernel needs as many axes as the input: " + to_string(kernel) + " against " + to_string(x));
  const size_t spatial = x.size() - 2, channels = channel_axis(call.attrs, x.size());
  check_window(call, spatial);
  const int64_t groups = call.attrs.integer("groups");
  const Dim in = kernel[spatial], out = kernel[spatial + 1];
  if (groups < 1) infer_error(call, "groups must be positive");
  if (!(in * Dim(groups) == x[channels]))
    infer_error(call, "the input has " + to_string(x[channels]) + " channels, the kernel " + to_string(kernel) + " takes " +
                          to_string(in * Dim(groups)));
  if (!exact_div(out, Dim(groups)))
    infer_error(call, to_string(out) + " output channels do not divide into " + std::to_string(groups) + " groups");
  Shape y = x;
  y[channels] = out;
  for (size_t i = 0; i < spatial; ++i) {
    Dim& size = y[spatial_axis(call.attrs, i)];
    size = count_windows(call, size, kernel[i], i, "kernel");
  }
  return y;
}

void check_types(const InferCall& call) {
  if (call.inputs[0].dtype != call.inputs[1].dtype) infer_error(call, "operands must have the same type");
  if (!is_float(call.inputs[0].dtype)) infer_error(call, "operands must be floating point");
}

std::vector<TensorType> infer_conv(const InferCall& call) {
  check_types(call);
  return {{call.inputs[0].dtype, conv_output_shape(call, call.inputs[0].shape, call.inputs[1].shape)}};
}

void check_output(const InferCall& call, const Shape& dy, const Shape& x, const Shape& kernel) {
  const Shape y = conv_output_shape(call, x, kernel);
  if (!(y == dy))
    infer_error(call,
                "a convolution of " + to_string(x) + " with " + to_string(kernel) + " gives " + to_string(y) + ", not " + to_string(dy));
}

std::vector<TensorType> infer_input_grad(const InferCall& call) {
  check_types(call);
  const Shape& x = call.attrs.shape("x_shape");
  check_output(call, call.inputs[0].shape, x, call.inputs[1].shape);
  return {{call.inputs[0].dtype, x}};
}

std::vector<TensorType> infer_weight_grad(const InferCall& call) {
  check_types(call);
  const Shape& kernel = call.attrs.shape("kernel_shape");
  check_output(call, call.inputs[1].shape, call.inputs[0].shape, kernel);
  return {{call.inputs[0].dtype, kernel}};
}

Window window_of(const Attrs& attrs) {
  return {{},
          attrs.integers("strides"),
          attrs.integers("dilations"),
          attrs.integers("pads_begin"),
          attrs.integers("pads_end"),
          attrs.flag("channels_first")};
}

// A multiply and an add per output element, kernel tap and input channel of its group; padding is counted as if it were data.
double conv_work(const Shape& y, const Shape& kernel) {
  double taps = 1;
  for (size_t i = 0; i + 1 < kernel.size(); ++i) taps *= static_cast<double>(kernel[i].value());
  return 2 * taps * static_cast<double>(element_count(y).value());
}

struct ConvGeometry {
  Shape x, kernel;
  Window window;
  int64_t groups = 1;
};

std::vector<ConvGeometry> conv_geometries() {
  return {
      {{2, 5, 5, 3}, {3, 3, 3, 4}, {}},
      {{1, 6, 5, 2}, {3, 2, 2, 3}, {{}, {2, 2}, {}, {1, 0}, {1, 1}}},      // stride 2 over an even and an odd size, asymmetric
      {{1, 7, 7, 2}, {2, 3, 2, 2}, {{}, {1, 2}, {2, 2}, {1, 1}, {0, 2}}},  // dilation
      {{2, 4, 4, 4}, {3, 3, 2, 6}, {{}, {}, {}, {1, 1}, {1, 1}}, 2},       // groups
      {{1, 5, 4, 3}, {3, 3, 1, 6}, {{}, {}, {}, {1, 1}, {1, 1}}, 3},       // depthwise with multiplier 2
      {{1, 4, 4, 8}, {3, 3, 1, 8}, {{}, {2, 2}, {}, {0, 0}, {1, 1}}, 8},   // depthwise
      {{2, 3, 3, 5}, {1, 1, 5, 7}, {}},                                    // 1x1
      {{1, 7, 5, 2}, {1, 1, 2, 3}, {{}, {3, 3}, {}, {}, {}}},              // stride beyond the kernel
      {{1, 3, 6, 1}, {3, 2, 1, 1}, {}},                                    // whole height, one channel
      {{1, 1, 1, 1}, {1, 1, 1, 1}, {}},
      {{0, 4, 4, 2}, {3, 3, 2, 2}, {}},                                      // empty batch
      {{2, 3, 5, 4}, {3, 3, 3, 2}, {{}, {2, 1}, {}, {1, 1}, {1, 0}, true}},  // channels first
      {{1, 4, 4, 3}, {3, 2, 2, 4}, {{}, {}, {}, {1, 0}, {1, 1}, true}, 2},
      {{2, 9, 3}, {3, 3, 4}, {{}, {2}, {}, {2}, {0}}},  // one spatial axis, causal
      {{1, 3, 8}, {5, 3, 2}, {{}, {1}, {1}, {2}, {2}, true}},
      {{1, 3, 4, 3, 2}, {2, 2, 2, 2, 3}, {{}, {1, 2, 1}, {}, {0, 1, 0}, {1, 0, 0}}},
      {{2, 6, 7, 16}, {3, 3, 16, 24}, {{}, {}, {}, {1, 1}, {1, 1}}},  // channels that fill vectors
  };
}

Attrs conv_attrs_of(const ConvGeometry& g) {
  Attrs attrs = window_values(g.window, g.x.size() - 2, "conv");
  attrs.set("groups", g.groups);
  return attrs;
}

// The three operators are tested on the same geometries.
template <class F>
std::vector<Sample> conv_make_samples(const F& make) {
  std::vector<Sample> samples;
  for (const ConvGeometry& g : conv_geometries()) {
    const Attrs attrs = conv_attrs_of(g);
    const TensorType types[] = {{kF, g.x}, {kF, g.kernel}};
    samples.push_back(make(g, attrs, conv_output_shape({op_conv, types, attrs}, g.x, g.kernel)));
  }
  return samples;
}

}  // namespace

const OpDef op_conv = {
    .name = "conv",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = window_attrs({{"groups", int64_t{1}}}),
    .infer = infer_conv,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var x = call.inputs[0], kernel = call.inputs[1], dy = call.douts[0];
      const Window window = window_of(call.attrs);
      const int64_t groups = call.attrs.integer("groups");
      return {conv_input_grad(dy, kernel, x.shape(), window, groups), conv_weight_grad(x, dy, kernel.shape(), window, groups)};
    },
    .flops = [](const CostCall& call) { return conv_work(call.outputs[0].shape, call.inputs[1].shape); },
    .samples =
        [] {
          return conv_make_samples([](const ConvGeometry& g, const Attrs& attrs, const Shape&) -> Sample {
            return {{{kF, g.x}, {kF, g.kernel}}, attrs};
          });
        },
};

const OpDef op_conv_input_grad = {
    .name = "conv_input_grad",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = window_attrs({{"groups", int64_t{1}}, {"x_shape", Shape{}, true}}),
    .infer = infer_input_grad,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var dy = call.inputs[0], kernel = call.inputs[1], dx = call.douts[0];
      const Window window = window_of(call.attrs);
      const int64_t groups = call.attrs.integer("groups");
      return {conv(dx, kernel, window, groups), conv_weight_grad(dx, dy, kernel.shape(), window, groups)};
    },
    .flops = [](const CostCall& call) { return conv_work(call.inputs[0].shape, call.inputs[1].shape); },
    .samples =
        [] {
          return conv_make_samples([](const ConvGeometry& g, Attrs attrs, const Shape& y) -> Sample {
            attrs.set("x_shape", g.x);
            return {{{kF, y}, {kF, g.kernel}}, attrs};
          });
        },
};

const OpDef op_conv_weight_grad = {
    .name = "conv_weight_grad",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = window_attrs({{"groups", int64_t{1}}, {"kernel_shape", Shape{}, true}}),
    .infer = infer_weight_grad,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var x = call.inputs[0], dy = call.inputs[1], dkernel = call.douts[0];
      const Window window = window_of(call.attrs);
      const int64_t groups = call.attrs.integer("groups");
      return {conv_input_grad(dy, dkernel, x.shape(), window, groups), conv(x, dkernel, window, groups)};
    },
    .flops = [](const CostCall& call) { return conv_work(call.inputs[1].shape, call.attrs.shape("kernel_shape")); },
    .samples =
        [] {
          return conv_make_samples([](const ConvGeometry& g, Attrs attrs, const Shape& y) -> Sample {
            attrs.set("kernel_shape", g.kernel);
            return {{{kF, g.x}, {kF, y}}, attrs};
          });
        },
};

namespace {

Attrs conv_attrs(const Window& window, size_t rank, int64_t groups, const char* what) {
  if (rank < 3 || rank > 5)
    throw UserError(std::string(what) + ": the input needs a batch axis, 1 to 3 spatial axes and a channel axis; it has " +
                    std::to_string(rank) + " axes");
  Attrs attrs = window_values(window, rank - 2, what);
  attrs.set("groups", groups);
  return attrs;
}

}  // namespace

Var conv(Var x, Var kernel, const Window& window, int64_t groups) {
  return add_op(op_conv, {x, kernel}, conv_attrs(window, x.shape().size(), groups, "conv"));
}

Var conv_input_grad(Var dy, Var kernel, Shape x_shape, const Window& window, int64_t groups) {
  Attrs attrs = conv_attrs(window, dy.shape().size(), groups, "conv_input_grad");
  attrs.set("x_shape", std::move(x_shape));
  return add_op(op_conv_input_grad, {dy, kernel}, std::move(attrs));
}

Var conv_weight_grad(Var x, Var dy, Shape kernel_shape, const Window& window, int64_t groups) {
  Attrs attrs = conv_attrs(window, x.shape().size(), groups, "conv_weight_grad");
  attrs.set("kernel_shape", std::move(kernel_shape));
  return add_op(op_conv_weight_grad, {x, dy}, std::move(attrs));
}

}  // namespace dl
