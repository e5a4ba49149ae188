// Convolution, pooling, normalisation, products. Windows and batch normalisation are channels-first here (export_prepare.h).
#include <algorithm>
#include <numeric>
#include <vector>

#include "io/onnx/export_rows.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

Ints pads_of(const Node& node) {
  Ints pads = node.attrs.integers("pads_begin");
  const Ints& end = node.attrs.integers("pads_end");
  pads.insert(pads.end(), end.begin(), end.end());
  return pads;
}

bool all_are(const Ints& values, int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
}

// Attributes of windows, the defaults left out.
NodeAttrs window_attributes(const Node& node, const Ints& size) {
  NodeAttrs attrs = {{"kernel_shape", size}};
  for (const char* name : {"strides", "dilations"})
    if (const Ints& values = node.attrs.integers(name); !all_are(values, 1)) attrs.emplace_back(name, values);
  if (const Ints pads = pads_of(node); !all_are(pads, 0)) attrs.emplace_back("pads", pads);
  return attrs;
}

// [spatial..., in, out] -> [out, in, spatial...]
Ints kernel_order(size_t rank) {
  Ints perm = {static_cast<int64_t>(rank) - 1, static_cast<int64_t>(rank) - 2};
  for (size_t i = 0; i + 2 < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  return perm;
}

Ints kernel_size(const Shape& kernel) { return known_dims(Shape(kernel.begin(), kernel.end() - 2)); }

// What a transposed convolution must add at the end to reach the size of the graph.
Ints output_padding(const Emitter& e, const Node& node, const Ints& size) {
  const Shape &in = e.shape(node.inputs[0]), &out = node.types[0].shape;
  Ints padding;
  for (size_t i = 0; i < size.size(); ++i) {
    const int64_t stride = node.attrs.integers("strides")[i], reach = (size[i] - 1) * node.attrs.integers("dilations")[i] + 1;
    const int64_t pads = node.attrs.integers("pads_begin")[i] + node.attrs.integers("pads_end")[i];
    const Dim rest = out[i + 2] - ((in[i + 2] - Dim(1)) * Dim(stride) + Dim(reach - pads));
    if (!rest.known()) e.fail("the output size " + to_string(out[i + 2]) + " does not follow from the input's");
    padding.push_back(rest.value());
  }
  return padding;
}

std::string convolution(Emitter& e, const Node& node, const std::string& bias) {
  const Shape& kernel = e.shape(node.inputs[1]);
  const Ints size = kernel_size(kernel);
  NodeAttrs attrs = window_attributes(node, size);
  if (const int64_t groups = node.attrs.integer("groups"); groups != 1) attrs.emplace_back("group", groups);
  const bool transposed = node.op == &op_conv_input_grad;
  if (transposed)
    if (const Ints padding = output_padding(e, node, size); !all_are(padding, 0)) attrs.emplace_back("output_padding", padding);
  return e.op(transposed ? "ConvTranspose" : "Conv",
              {e.use(node.inputs[0]), e.use_permuted(node.inputs[1], kernel_order(kernel.size())), bias}, std::move(attrs));
}

std::string refuse_convolution(const RefuseCall& call) {
  const Shape& kernel = call.graph.type(call.node.inputs[1]).shape;
  return all_known(kernel) ? "" : "the size of the kernel is not known";
}

void emit_convolution(Emitter& e, const Node& node, Value self) { e.result(self, convolution(e, node, "")); }

// The elements of a constant that has one per element of `axis` of `to`, or one in all: as a vector.
std::string vector_along(Emitter& e, Value v, const Shape& to, size_t axis) {
  while (e.is(v, op_broadcast_to)) v = e.node(v).inputs[0];
  if (!e.is_static(v) || !to[axis].known()) return "";
  const Shape& shape = e.shape(v);
  for (size_t i = 0; i < shape.size(); ++i)
    if (const size_t aligned = to.size() - shape.size() + i; shape[i] != (aligned == axis ? to[axis] : Dim(1))) return "";
  if (element_count(shape) != to[axis]) return "";
  return e.weight(v, {to[axis].value()});
}

// ---- products

// An operand of Gemm: a transpose in the graph is the flag of Gemm.
std::string gemm_operand(Emitter& e, Value v, bool& flag) {
  if (e.is(v, op_transpose)) {
    flag = !flag;
    v = e.node(v).inputs[0];
  }
  return e.use(v);
}

std::string gemm(Emitter& e, const Node& node, const std::string& bias) {
  bool ta = node.attrs.flag("transpose_a"), tb = node.attrs.flag("transpose_b");
  const std::string a = gemm_operand(e, node.inputs[0], ta), b = gemm_operand(e, node.inputs[1], tb);
  NodeAttrs attrs;
  if (ta) attrs.emplace_back("transA", int64_t{1});
  if (tb) attrs.emplace_back("transB", int64_t{1});
  return e.op("Gemm", {a, b, bias}, std::move(attrs));
}

bool flat(const Emitter& e, const Node& node) {
  return e.shape(node.inputs[0]).size() == 2 && e.shape(node.inputs[1]).size() == 2 && is_float(node.types[0].dtype);
}

void emit_matmul(Emitter& e, const Node& node, Value self) {
  const bool ta = node.attrs.flag("transpose_a"), tb = node.attrs.flag("transpose_b");
  if (flat(e, node) && (ta || tb)) return e.result(self, gemm(e, node, ""));
  const auto operand = [&](Value v, bool flip) {
    Ints perm(e.shape(v).size());
    std::iota(perm.begin(), perm.end(), 0);
    if (flip) std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return e.use_permuted(v, perm);
  };
  e.result(self, e.op("MatMul", {operand(node.inputs[0], ta), operand(node.inputs[1], tb)}));
}

// ---- pooling

void emit_pool(Emitter& e, const Node& node, Value self) {
  NodeAttrs attrs = window_attributes(node, node.attrs.integers("size"));
  const bool average = node.op == &op_avg_pool;
  if (average && node.attrs.flag("count_padding")) attrs.emplace_back("count_include_pad", int64_t{1});
  e.result(self, e.op(average ? "AveragePool" : "MaxPool", {e.use(node.inputs[0])}, std::move(attrs)));
}

std::string refuse_average(const RefuseCall& call) {
  const bool dilated = !all_are(call.node.attrs.integers("dilations"), 1);
  return dilated && call.opset < 19 ? "an average over dilated windows needs opset 19" : "";
}

// ---- normalisation

void emit_batch_norm(Emitter& e, const Node& node, Value self) {
  Names operands;
  for (Value v : node.inputs) operands.push_back(e.use(v));
  e.result(self, e.op("BatchNormalization", std::move(operands), {{"epsilon", static_cast<float>(node.attrs.real("epsilon"))}}));
}

std::string refuse_batch_norm(const RefuseCall& call) { return call.node.attrs.integer("axis") == 1 ? "" : "ONNX normalises axis 1 only"; }

void emit_layer_norm(Emitter& e, const Node& node, Value self) {
  const Ints& axes = node.attrs.integers("axes");
  const bool scale = node.attrs.flag("scale"), center = node.attrs.flag("center");
  Names operands = {e.use(node.inputs[0])};
  if (scale) {
    operands.push_back(e.use(node.inputs[1]));
  } else {
    Dims dims;
    for (int64_t axis : axes) dims.push_back(e.shape(self)[static_cast<size_t>(axis)].value());
    operands.push_back(e.ones(e.type(self).dtype, std::move(dims)));
  }
  if (center) operands.push_back(e.use(node.inputs.back()));
  e.result(self, e.op("LayerNormalization", std::move(operands),
                      {{"axis", axes.front()}, {"epsilon", static_cast<float>(node.attrs.real("epsilon"))}}));
}

std::string refuse_layer_norm(const RefuseCall& call) {
  if (call.opset < 17) return "needs opset 17";
  const Ints& axes = call.node.attrs.integers("axes");
  const Shape& x = call.node.types[0].shape;
  bool known = true;
  for (int64_t axis : axes) known = known && x[static_cast<size_t>(axis)].known();
  const bool last = !axes.empty() && axes.front() == static_cast<int64_t>(x.size() - axes.size());
  return last && known ? "" : "ONNX normalises the last axes only, of known sizes";
}

// ---- activations with an axis or a form

template <const char* kType>
void emit_along_axis(Emitter& e, const Node& node, Value self) {
  e.result(self, e.op(kType, {e.use(node.inputs[0])}, {{"axis", node.attrs.integer("axis")}}));
}
constexpr char kSoftmax[] = "Softmax", kLogSoftmax[] = "LogSoftmax";

void emit_gelu(Emitter& e, const Node& node, Value self) {
  NodeAttrs attrs;
  if (node.attrs.flag("approximate")) attrs.emplace_back("approximate", std::string("tanh"));
  e.result(self, e.op("Gelu", {e.use(node.inputs[0])}, std::move(attrs)));
}

const std::vector<Row> kNnRows = {
    {&op_conv, emit_convolution, refuse_convolution},
    {&op_conv_input_grad, emit_convolution, refuse_convolution},
    {&op_matmul, emit_matmul},
    {&op_max_pool, emit_pool},
    {&op_avg_pool, emit_pool, refuse_average},
    {&op_batch_norm_infer, emit_batch_norm, refuse_batch_norm},
    {&op_layer_norm, emit_layer_norm, refuse_layer_norm},
    {&op_softmax, emit_along_axis<kSoftmax>},
    {&op_log_softmax, emit_along_axis<kLogSoftmax>},
    {&op_gelu, emit_gelu, [](const RefuseCall& call) -> std::string { return call.opset < 20 ? "needs opset 20" : ""; }},
};

}  // namespace

bool emit_with_bias(Emitter& e, const Node& add, Value self) {
  for (size_t i = 0; i < 2; ++i) {
    const Value product = add.inputs[i], bias = add.inputs[1 - i];
    const Node& node = e.node(product);
    const bool convolves = node.op == &op_conv || node.op == &op_conv_input_grad;
    const bool multiplies = node.op == &op_matmul && flat(e, node);
    if ((!convolves && !multiplies) || e.users(product) != 1 || e.shape(product) != e.shape(self)) continue;
    const std::string vector = vector_along(e, bias, e.shape(self), 1);
    if (vector.empty()) continue;
    e.result(self, convolves ? convolution(e, node, vector) : gemm(e, node, vector));
    return true;
  }
  return false;
}

std::span<const Row> nn_rows() { return kNnRows; }

}  // namespace dl::onnx_export
