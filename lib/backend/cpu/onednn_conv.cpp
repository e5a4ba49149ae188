// Convolution, its gradients and conv_bias by oneDNN, each in the layouts the implementation asks for.
#include "backend/cpu/epilogue.h"
#include "backend/cpu/layouts.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/onednn_rows.h"
#include "backend/cpu/window.h"
#include "base/cpu_info.h"
#include "graph/op_def.h"

namespace dl::cpu {
namespace {

enum class Direction { kForward, kInputGrad, kWeightGrad };

// A convolution in oneDNN's axis order: activations [N, C, spatial...], kernel [groups, out, in, spatial...] (no groups axis for one).
struct Problem {
  WindowGeometry g;
  dnnl_data_type_t type;
  Dims x, kernel, y;
  std::vector<int> x_order, kernel_order;  // where each oneDNN axis is in the graph tensor
  dnnl_dims_t strides{}, dilations{}, pads_begin{}, pads_end{};

  Problem(const WindowGeometry& geometry, dnnl_data_type_t data_type) : g(geometry), type(data_type) {
    const auto spatial = static_cast<int>(g.spatial);
    x = {g.batch, g.channels}, y = {g.batch, g.out_channels};
    x_order = {0, g.channels_first ? 1 : spatial + 1};
    if (g.groups > 1) {
      kernel = {g.groups};
      kernel_order = {spatial + 1};
    }
    kernel.push_back(g.out_channels / g.groups), kernel.push_back(g.channels / g.groups);
    kernel_order.push_back(spatial + (g.groups > 1 ? 2 : 1)), kernel_order.push_back(spatial);
    for (int i = 0; i < spatial; ++i) {
      const size_t k = 3 - g.spatial + static_cast<size_t>(i);
      x.push_back(g.in[k]), y.push_back(g.out[k]), kernel.push_back(g.size[k]);
      x_order.push_back(i + (g.channels_first ? 2 : 1)), kernel_order.push_back(i);
      strides[i] = g.stride[k], dilations[i] = g.dilation[k] - 1;
      pads_begin[i] = g.pad_begin[k];
      // What no window reaches is no padding.
      pads_end[i] = (g.out[k] - 1) * g.stride[k] + (g.size[k] - 1) * g.dilation[k] + 1 - g.in[k] - g.pad_begin[k];
    }
  }

  // oneDNN's sizes in the order of the graph tensor.
  Dims graph_dims(const Dims& dims) const {
    Dims result(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) result[static_cast<size_t>(x_order[i])] = dims[i];
    return result;
  }
};

dnnl_memory_desc_t bias_descriptor(const Problem& p) { return plain_descriptor({p.g.out_channels}, p.type); }

// oneDNN's AVX2 weight gradient pads few channels (but not 3) to 8, most of it work for nothing, unless both activations are row-major.
bool prefers_plain(const Problem& p, Direction direction) {
  return direction == Direction::kWeightGrad && active_isa() == Isa::kAvx2 && p.g.groups == 1 && p.g.channels < 8 && p.g.channels != 3 &&
         !p.g.channels_first;
}

PrimitiveDesc describe(const Problem& p, Direction direction, bool bias) {
  const auto activation = [&](const Dims& dims, const Dims& graph_dims) {
    return prefers_plain(p, direction) ? permuted(plain_descriptor(graph_dims, p.type), inverse(p.x_order)) : any_descriptor(dims, p.type);
  };
  const dnnl_memory_desc_t x = activation(p.x, p.graph_dims(p.x)), y = activation(p.y, p.graph_dims(p.y)),
                           w = any_descriptor(p.kernel, p.type);
  const dnnl_memory_desc_t b = bias_descriptor(p);
  dnnl_convolution_desc_t op;
  if (dnnl_dilated_convolution_forward_desc_init(&op, dnnl_forward_training, dnnl_convolution_direct, &x, &w, bias ? &b : nullptr, &y,
                                                 p.strides, p.dilations, p.pads_begin, p.pads_end) != dnnl_success)
    return nullptr;
  PrimitiveDesc forward = make_desc(&op);
  if (!forward || direction == Direction::kForward) return forward;
  dnnl_convolution_desc_t back;
  const dnnl_status_t status =
      direction == Direction::kInputGrad
          ? dnnl_dilated_convolution_backward_data_desc_init(&back, dnnl_convolution_direct, &x, &w, &y, p.strides, p.dilations,
                                                             p.pads_begin, p.pads_end)
          : dnnl_dilated_convolution_backward_weights_desc_init(&back, dnnl_convolution_direct, &x, &w, nullptr, &y, p.strides, p.dilations,
                                                                p.pads_begin, p.pads_end);
  return status == dnnl_success ? make_desc(&back, forward.get()) : nullptr;
}

struct Roles {
  dnnl_query_t query;
  int arg;
  int what;  // 0 x, 1 kernel, 2 y
};

std::unique_ptr<Kernel> prepare(const NodeView& node, Direction direction, bool one_thread) {
  CpuLayouts* layouts = cpu_layouts(node.layouts);
  const auto type = onednn_type(node.outputs[0].dtype);
  const bool bias = node.inputs.size() == 3;
  for (const OperandType& t : node.inputs)
    if (t.size() == 0) return nullptr;
  if (!layouts || !type || node.outputs[0].size() == 0) return nullptr;

  // Operands in the order of the node: inputs, then the output.
  static constexpr Roles kForward[] = {
      {dnnl_query_src_md, DNNL_ARG_SRC, 0}, {dnnl_query_weights_md, DNNL_ARG_WEIGHTS, 1}, {dnnl_query_dst_md, DNNL_ARG_DST, 2}};
  static constexpr Roles kInputGrad[] = {{dnnl_query_diff_dst_md, DNNL_ARG_DIFF_DST, 2},
                                         {dnnl_query_weights_md, DNNL_ARG_WEIGHTS, 1},
                                         {dnnl_query_diff_src_md, DNNL_ARG_DIFF_SRC, 0}};
  static constexpr Roles kWeightGrad[] = {{dnnl_query_src_md, DNNL_ARG_SRC, 0},
                                          {dnnl_query_diff_dst_md, DNNL_ARG_DIFF_DST, 2},
                                          {dnnl_query_diff_weights_md, DNNL_ARG_DIFF_WEIGHTS, 1}};
  const Roles* roles = direction == Direction::kForward ? kForward : direction == Direction::kInputGrad ? kInputGrad : kWeightGrad;
  const Dims* dims[3];
  for (size_t k = 0; k < 3; ++k) dims[roles[k].what] = k < 2 ? &node.inputs[k].dims : &node.outputs[0].dims;
  const Problem p(conv_geometry(node.attrs, *dims[0], *dims[1], *dims[2]), *type);

  const OneThread scope(one_thread);
  PrimitiveDesc desc = describe(p, direction, bias);
  if (!desc) return nullptr;
  std::vector<OnednnKernel::Operand> operands;
  std::vector<LayoutId> ids;
  for (size_t k = 0; k < 3; ++k) {
    const dnnl_memory_desc_t md = query_md(desc, roles[k].query);
    const auto id = layouts->intern(permuted(md, roles[k].what == 1 ? p.kernel_order : p.x_order));
    if (!id) return nullptr;
    ids.push_back(*id);
    operands.push_back({roles[k].arg, k == 2, k == 2 ? 0 : k, md});
  }
  if (bias) operands.push_back({DNNL_ARG_BIAS, false, 2, bias_descriptor(p)});
  auto kernel = OnednnKernel::make(std::move(desc), operands, one_thread);
  if (!kernel) return nullptr;
  kernel->input_layouts = {ids[0], ids[1]};
  if (bias) kernel->input_layouts.push_back(kPlain);
  kernel->output_layouts = {ids[2]};
  if (bias) return with_activation(std::move(kernel), node.attrs.text("activation"), node);
  return kernel;
}

template <Direction direction, bool one_thread>
std::unique_ptr<Kernel> prepare_conv(const NodeView& node) {
  return prepare(node, direction, one_thread);
}

}  // namespace

void append_onednn_conv(std::vector<KernelRow>& rows) {
  // Blocking, and with it the order of sums, may depend on the thread count.
  rows.push_back({"conv", "onednn", prepare_conv<Direction::kForward, false>, false});
  rows.push_back({"conv", "onednn-1-thread", prepare_conv<Direction::kForward, true>});
  rows.push_back({"conv_bias", "onednn", prepare_conv<Direction::kForward, false>, false});
  rows.push_back({"conv_bias", "onednn-1-thread", prepare_conv<Direction::kForward, true>});
  rows.push_back({"conv_input_grad", "onednn", prepare_conv<Direction::kInputGrad, false>, false});
  rows.push_back({"conv_input_grad", "onednn-1-thread", prepare_conv<Direction::kInputGrad, true>});
  rows.push_back({"conv_weight_grad", "onednn", prepare_conv<Direction::kWeightGrad, false>, false});
  rows.push_back({"conv_weight_grad", "onednn-1-thread", prepare_conv<Direction::kWeightGrad, true>});
}

}  // namespace dl::cpu
