// Nodes of an imported file (ops/composite.h), written as they were. Between operator sets most operators stay the same; `kChanges` has
// those that do not and how each is brought over. A node for which there is no way is written by what the graph computes it with.
#include <algorithm>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/base64.h"
#include "base/error.h"
#include "io/onnx/export_rows.h"
#include "io/onnx/importer.h"
#include "onnx.pb.h"
#include "ops/composite.h"

namespace dl::onnx_export {
namespace {

using onnx::AttributeProto;

enum AttributeType { kFloat = 1, kInt = 2, kString = 3, kInts = 7 };  // AttributeProto.AttributeType

// A node on its way from one operator set to another.
class Form {
 public:
  using Operand = std::variant<std::monostate, Value, Tensor>;

  Form(const Node& node, const Graph& graph, const Constants& constants)
      : type(node.attrs.text("type")),
        from(static_cast<int>(node.attrs.integer("version"))),
        node_(node),
        graph_(graph),
        constants_(constants) {
    const std::optional<std::string> bytes = from_base64(node.attrs.text("attributes"));
    if (!bytes || !attributes.ParseFromString(*bytes)) throw FileError("the attributes of " + type + " are damaged");
    for (const Value v : composite_operands(node)) operands.push_back(v.valid() ? Operand(v) : Operand());
  }

  std::string type;
  int from;  // operator set
  onnx::NodeProto attributes;
  std::vector<Operand> operands;

  // ---- operands and results
  bool has(size_t i) const { return i < operands.size() && operands[i].index() != 0; }
  const TensorType* operand_type(size_t i) const {
    const auto* v = i < operands.size() ? std::get_if<Value>(&operands[i]) : nullptr;
    return v ? &graph_.type(*v) : nullptr;
  }
  // The numbers of an operand, where they are known.
  std::optional<Tensor> known(size_t i) const {
    if (!has(i)) return std::nullopt;
    if (const auto* tensor = std::get_if<Tensor>(&operands[i])) return *tensor;
    const Value v = std::get<Value>(operands[i]);
    return constants_.is_static(v) ? std::optional(constants_.evaluate(v)) : std::nullopt;
  }
  void set_operand(size_t i, Tensor value) {
    if (operands.size() <= i) operands.resize(i + 1);
    operands[i] = std::move(value);
  }
  const std::vector<TensorType>& results() const { return node_.types; }
  bool has_output(size_t o) const {
    const auto& outputs = node_.attrs.integers("outputs");
    return o < outputs.size() && outputs[o] >= 0;
  }
  size_t output_count() const { return node_.attrs.integers("outputs").size(); }

  // ---- attributes
  const AttributeProto* find(std::string_view name) const {
    for (const AttributeProto& a : attributes.attribute())
      if (a.name() == name) return &a;
    return nullptr;
  }
  int64_t integer(std::string_view name, int64_t fallback) const { return find(name) ? find(name)->i() : fallback; }
  std::string text(std::string_view name, const std::string& fallback) const { return find(name) ? find(name)->s() : fallback; }
  Dims integers(std::string_view name) const {
    const AttributeProto* a = find(name);
    return a ? Dims(a->ints().begin(), a->ints().end()) : Dims();
  }
  void drop(std::string_view name) {
    auto& list = *attributes.mutable_attribute();
    for (int i = list.size(); i-- > 0;)
      if (list[i].name() == name) list.DeleteSubrange(i, 1);
  }
  AttributeProto& set(const std::string& name, AttributeType type_of) {
    drop(name);
    AttributeProto& a = *attributes.add_attribute();
    a.set_name(name);
    a.set_type(type_of);
    return a;
  }
  void set_integer(const std::string& name, int64_t value) { set(name, kInt).set_i(value); }
  void set_text(const std::string& name, const std::string& value) { set(name, kString).set_s(value); }

  // Attribute <-> operand
  void move_to_operand(const char* name, size_t i) {
    if (!find(name)) return;
    const Dims values = integers(name);
    set_operand(i, Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
    drop(name);
  }
  bool move_to_attribute(size_t i, const char* name) {
    if (!has(i)) return true;
    const std::optional<Tensor> values = known(i);
    if (!values) return false;
    const Tensor wide = values->cast(DType::kInt64);
    AttributeProto& a = set(name, kInts);
    a.mutable_ints()->Add(wide.data<int64_t>(), wide.data<int64_t>() + wide.size());
    operands.resize(i);
    return true;
  }

 private:
  const Node& node_;
  const Graph& graph_;
  const Constants& constants_;
};

// ---- changes: false where the node has no form on the other side

bool never(Form&) { return false; }
bool same(Form&) { return true; }

template <const char*... names>
bool dropped(Form& f) {
  (f.drop(names), ...);
  return true;
}
constexpr char kConsumed[] = "consumed_inputs", kIsTest[] = "is_test", kSpatial[] = "spatial", kSequence[] = "output_sequence",
               kBroadcast[] = "broadcast", kSaturate[] = "saturate", kRoundMode[] = "round_mode", kPrecision[] = "precision";

// An attribute that came with a default: gone where it has that.
template <const char* name, int64_t fallback>
bool integer_is_default(Form& f) {
  const bool is = f.integer(name, fallback) == fallback;
  f.drop(name);
  return is;
}
constexpr char kLayout[] = "layout", kTraining[] = "training_mode", kAllowZero[] = "allowzero", kCeil[] = "ceil_mode",
               kBlock[] = "block_size", kOutputType[] = "output_dtype", kStart[] = "start", kAntialias[] = "antialias";

bool no_broadcast_axis(Form& f) {
  const bool plain = f.integer("broadcast", 0) == 0 || !f.find("axis");
  f.drop("broadcast");
  return plain && !f.find("axis");
}

// Types that came with the change.
template <DType... types>
bool of_old_types(Form& f) {
  const auto is_new = [](DType t) { return ((t == types) || ...); };
  for (size_t i = 0; i < f.operands.size(); ++i)
    if (const TensorType* t = f.operand_type(i); t && is_new(t->dtype)) return false;
  return std::none_of(f.results().begin(), f.results().end(), [&](const TensorType& t) { return is_new(t.dtype); });
}
constexpr auto kOfWideTypes = of_old_types<DType::kInt8, DType::kInt16, DType::kUInt8, DType::kUInt16>;
constexpr auto kNoHalf = of_old_types<DType::kFloat16>;
constexpr auto kNoBool = of_old_types<DType::kBool>;

bool batch_norm_14(Form& f) { return !f.has_output(1) && !f.has_output(2); }

bool clip_11(Form& f) {
  const TensorType& type = f.results()[0];
  for (const auto& [name, i] : {std::pair("min", size_t{1}), {"max", size_t{2}}}) {
    const AttributeProto* bound = f.find(name);
    if (!bound) continue;
    Tensor value(type.dtype, {});
    value.set(0, static_cast<double>(bound->f()));
    f.set_operand(i, value);
    f.drop(name);
  }
  return true;
}

bool concat_4(Form& f) {
  if (!f.find("axis")) f.set_integer("axis", 1);
  return true;
}

bool dropout_10(Form& f) { return !f.has_output(1); }
bool dropout_12(Form& f) {
  const AttributeProto* ratio = f.find("ratio");
  f.set_operand(1, Tensor::scalar(ratio ? ratio->f() : 0.5F));
  f.drop("ratio");
  return true;
}

bool dft_20(Form& f) {
  f.set_operand(2, Tensor::scalar(f.integer("axis", 1)));
  f.drop("axis");
  return true;
}
bool dft_17(Form& f) {
  const std::optional<Tensor> axis = f.has(2) ? f.known(2) : Tensor::scalar(int64_t{-2});
  const TensorType* x = f.operand_type(0);
  if (!axis || axis->size() != 1 || !x) return false;
  const auto at = static_cast<int64_t>(axis->at(0));
  f.operands.resize(std::min<size_t>(f.operands.size(), 2));
  f.set_integer("axis", at < 0 ? at + static_cast<int64_t>(x->shape.size()) : at);
  return true;
}

constexpr std::pair<const char*, const char*> kSampleModes[] = {{"bilinear", "linear"}, {"bicubic", "cubic"}};
bool grid_sample_20(Form& f) {
  for (const auto& [old, now] : kSampleModes)
    if (f.text("mode", "bilinear") == old) return f.set_text("mode", now), true;
  return true;
}
bool grid_sample_16(Form& f) {
  if (const TensorType* x = f.operand_type(0); !x || x->shape.size() != 4) return false;
  for (const auto& [old, now] : kSampleModes)
    if (f.text("mode", "linear") == now) return f.set_text("mode", old), true;
  return true;
}

// Before, the axes from `axis` on were one, and the default was 1.
bool softmax_13(Form& f) {
  const TensorType* x = f.operand_type(0);
  if (!x) return false;
  const auto rank = static_cast<int64_t>(x->shape.size());
  const int64_t axis = f.integer("axis", 1);
  if (rank > 0 && axis != -1 && axis != rank - 1) return false;
  f.set_integer("axis", axis);
  return true;
}

bool pad_11(Form& f) {
  const AttributeProto* number = f.find("value");
  Tensor value(f.results()[0].dtype, {});
  value.set(0, number ? static_cast<double>(number->f()) : 0);
  f.drop("value");
  f.move_to_operand("pads", 1);
  if (number || f.text("mode", "constant") == "constant") f.set_operand(2, value);
  return f.has(1);
}
bool pad_13(Form& f) { return !f.has(3); }
bool pad_18(Form& f) { return f.text("mode", "constant") != "wrap"; }

bool reduce_18(Form& f) { return f.move_to_operand("axes", 1), true; }
// No axes are all of them, unless that is noop_with_empty_axes.
bool reduce_13(Form& f) {
  const bool noop = f.integer("noop_with_empty_axes", 0) != 0;
  if (!f.move_to_attribute(1, "axes")) return false;
  f.drop("noop_with_empty_axes");
  if (!f.integers("axes").empty()) return true;
  f.drop("axes");
  return !noop;
}

bool reshape_5(Form& f) { return f.move_to_operand("shape", 1), f.has(1); }

// Pixels are spread from the first one on, as before there was a choice.
bool resize_11(Form& f) {
  f.set_text("coordinate_transformation_mode", "asymmetric");
  if (f.text("mode", "nearest") == "nearest") f.set_text("nearest_mode", "floor");
  f.operands.insert(f.operands.begin() + 1, Form::Operand());
  return true;
}
bool upsample_9(Form& f) {
  const AttributeProto* scales = f.find("scales");
  if (!scales) return false;
  const std::vector<float> values(scales->floats().begin(), scales->floats().end());
  f.set_operand(1, Tensor::from<float>({static_cast<int64_t>(values.size())}, values));
  f.drop("scales");
  return true;
}
bool upsample_10(Form& f) {
  f.type = "Resize";
  if (f.text("mode", "nearest") == "bilinear") f.set_text("mode", "linear");
  return true;
}
bool resize_13(Form& f) { return f.text("coordinate_transformation_mode", "") != "tf_half_pixel_for_nn"; }
bool resize_17(Form& f) {
  const bool plain = !f.find("axes") && f.text("keep_aspect_ratio_policy", "stretch") == "stretch";
  f.drop("keep_aspect_ratio_policy");
  return integer_is_default<kAntialias, 0>(f) && plain;
}
bool resize_18(Form& f) { return f.text("coordinate_transformation_mode", "") != "half_pixel_symmetric"; }

bool roi_align_16(Form& f) { return f.set_text("coordinate_transformation_mode", "output_half_pixel"), true; }
bool roi_align_10(Form& f) {
  const bool old = f.text("coordinate_transformation_mode", "half_pixel") == "output_half_pixel";
  f.drop("coordinate_transformation_mode");
  return old;
}

bool scatter_13(Form& f) {
  const bool plain = f.text("reduction", "none") == "none";
  f.drop("reduction");
  return plain;
}
bool scatter_16(Form& f) {
  const std::string how = f.text("reduction", "none");
  return how != "max" && how != "min";
}
bool scatter_11(Form& f) { return f.type = "ScatterElements", true; }

bool selu_6(Form& f) { return f.drop("consumed_inputs"), f.find("alpha") && f.find("gamma"); }

bool shape_13(Form& f) { return !f.find("end") && integer_is_default<kStart, 0>(f); }

bool slice_10(Form& f) {
  f.move_to_operand("starts", 1);
  f.move_to_operand("ends", 2);
  f.move_to_operand("axes", 3);
  return f.has(1) && f.has(2);
}

bool split_13(Form& f) { return f.move_to_operand("split", 1), true; }
bool split_18(Form& f) {
  if (!f.has(1)) f.set_integer("num_outputs", static_cast<int64_t>(f.output_count()));
  return true;
}
// The last part may be smaller, so the parts are told one by one.
bool split_17(Form& f) {
  if (!f.find("num_outputs")) return true;
  f.drop("num_outputs");
  Dims parts;
  for (const TensorType& t : f.results()) {
    const auto rank = static_cast<int64_t>(t.shape.size());
    const int64_t axis = f.integer("axis", 0), at = axis < 0 ? axis + rank : axis;
    const Dim part = t.shape.at(static_cast<size_t>(at));
    if (!part.known()) return false;
    parts.push_back(part.value());
  }
  if (parts.size() != f.output_count()) return false;
  if (std::all_of(parts.begin(), parts.end(), [&](int64_t p) { return p == parts[0]; })) return true;
  f.set_operand(1, Tensor::from<int64_t>({static_cast<int64_t>(parts.size())}, parts));
  return true;
}

bool axes_13(Form& f) { return f.move_to_operand("axes", 1), true; }

bool top_k_10(Form& f) {
  f.set_operand(1, Tensor::from<int64_t>({1}, Dims{f.integer("k", 1)}));
  f.drop("k");
  return true;
}

bool lp_pool_11(Form& f) {
  const Dims steps = f.integers("dilations");
  f.drop("dilations");
  return integer_is_default<kCeil, 0>(f) && std::all_of(steps.begin(), steps.end(), [](int64_t d) { return d == 1; });
}
bool average_pool_11(Form& f) {
  const Dims steps = f.integers("dilations");
  f.drop("dilations");
  return std::all_of(steps.begin(), steps.end(), [](int64_t d) { return d == 1; });
}

bool no_blocks(Form& f) { return integer_is_default<kBlock, 0>(f) && of_old_types<DType::kInt16, DType::kUInt16>(f); }
bool quantize_20(Form& f) { return no_blocks(f) && integer_is_default<kOutputType, 0>(f); }
bool quantize_18(Form& f) { return f.drop("saturate"), kNoHalf(f); }

using FormChange = bool (*)(Form&);

// What became another with operator set `version`: how a node from before it is written from then on, and back.
struct Change {
  const char* type;
  int version;
  FormChange up, down;
};

// Sorted by type, then version. Every operator whose attributes, operands, defaults or types (of those that are read here) differ between
// an operator set that is read and one that is written.
constexpr Change kChanges[] = {
    {"Abs", 6, dropped<kConsumed>, never},
    {"Add", 6, dropped<kConsumed>, never},
    {"Add", 7, no_broadcast_axis, never},
    {"Add", 14, same, kOfWideTypes},
    {"And", 7, no_broadcast_axis, never},
    {"AveragePool", 19, same, average_pool_11},
    {"AveragePool", 22, same, integer_is_default<kCeil, 0>},  // which windows count as the last
    {"BatchNormalization", 6, dropped<kConsumed>, never},
    {"BatchNormalization", 7, dropped<kIsTest>, never},
    {"BatchNormalization", 9, dropped<kSpatial>, never},
    {"BatchNormalization", 14, batch_norm_14, integer_is_default<kTraining, 0>},
    {"Cast", 6, never, never},
    {"Cast", 19, same, dropped<kSaturate>},
    {"Cast", 24, same, dropped<kRoundMode>},
    {"CastLike", 19, same, dropped<kSaturate>},
    {"CastLike", 24, same, dropped<kRoundMode>},
    {"Ceil", 6, dropped<kConsumed>, never},
    {"Clip", 6, dropped<kConsumed>, never},
    {"Clip", 11, clip_11, never},
    {"Concat", 4, concat_4, never},
    {"CumSum", 14, same, kNoHalf},
    {"DFT", 20, dft_20, dft_17},
    {"DequantizeLinear", 19, same, kNoHalf},
    {"DequantizeLinear", 21, same, no_blocks},
    {"DequantizeLinear", 23, same, integer_is_default<kOutputType, 0>},
    {"Div", 6, dropped<kConsumed>, never},
    {"Div", 7, no_broadcast_axis, never},
    {"Div", 14, same, kOfWideTypes},
    {"Dropout", 6, dropped<kConsumed>, never},
    {"Dropout", 7, dropped<kIsTest>, never},
    {"Dropout", 10, dropout_10, never},
    {"Dropout", 12, dropout_12, never},
    {"Elu", 6, dropped<kConsumed>, never},
    {"Equal", 7, no_broadcast_axis, never},
    {"Exp", 6, dropped<kConsumed>, never},
    {"Floor", 6, dropped<kConsumed>, never},
    {"GRU", 3, never, never},
    {"GRU", 7, dropped<kSequence>, never},
    {"GRU", 14, same, integer_is_default<kLayout, 0>},
    {"Gemm", 6, same, never},
    {"Gemm", 7, dropped<kBroadcast>, never},
    {"GlobalLpPool", 2, never, never},
    {"Greater", 7, no_broadcast_axis, never},
    {"GridSample", 20, grid_sample_20, grid_sample_16},
    {"GroupNormalization", 21, never, never},
    {"HardSigmoid", 6, dropped<kConsumed>, never},
    {"Hardmax", 13, softmax_13, never},
    {"InstanceNormalization", 6, dropped<kConsumed>, never},
    {"IsInf", 20, same, kNoHalf},
    {"LSTM", 7, dropped<kSequence>, never},
    {"LSTM", 14, same, integer_is_default<kLayout, 0>},
    {"LeakyRelu", 6, dropped<kConsumed>, never},
    {"Less", 7, no_broadcast_axis, never},
    {"Log", 6, dropped<kConsumed>, never},
    {"LogSoftmax", 13, softmax_13, never},
    {"LpPool", 2, never, never},
    {"LpPool", 18, same, lp_pool_11},
    {"LpPool", 22, same, integer_is_default<kCeil, 0>},
    {"Max", 6, dropped<kConsumed>, never},
    {"MaxPool", 22, same, integer_is_default<kCeil, 0>},
    {"Mean", 6, dropped<kConsumed>, never},
    {"Min", 6, dropped<kConsumed>, never},
    {"Mul", 6, dropped<kConsumed>, never},
    {"Mul", 7, no_broadcast_axis, never},
    {"Mul", 14, same, kOfWideTypes},
    {"Neg", 6, dropped<kConsumed>, never},
    {"Or", 7, no_broadcast_axis, never},
    {"PRelu", 6, dropped<kConsumed>, never},
    {"PRelu", 7, never, never},
    {"Pad", 11, pad_11, never},
    {"Pad", 18, same, pad_13},
    {"Pad", 19, same, pad_18},
    {"Pow", 7, no_broadcast_axis, never},
    {"QLinearMatMul", 21, same, kNoHalf},
    {"QuantizeLinear", 19, same, quantize_18},
    {"QuantizeLinear", 21, same, quantize_20},
    {"QuantizeLinear", 23, same, integer_is_default<kPrecision, 0>},
    {"RNN", 7, dropped<kSequence>, never},
    {"RNN", 14, same, integer_is_default<kLayout, 0>},
    {"Reciprocal", 6, dropped<kConsumed>, never},
    {"ReduceL1", 18, reduce_18, reduce_13},
    {"ReduceL2", 18, reduce_18, reduce_13},
    {"ReduceLogSum", 18, reduce_18, reduce_13},
    {"ReduceLogSumExp", 18, reduce_18, reduce_13},
    {"ReduceMax", 18, reduce_18, reduce_13},
    {"ReduceMax", 20, same, kNoBool},
    {"ReduceMean", 18, reduce_18, reduce_13},
    {"ReduceMin", 18, reduce_18, reduce_13},
    {"ReduceMin", 20, same, kNoBool},
    {"ReduceProd", 18, reduce_18, reduce_13},
    {"ReduceSum", 13, reduce_18, never},
    {"ReduceSumSquare", 18, reduce_18, reduce_13},
    {"Relu", 6, dropped<kConsumed>, never},
    {"Relu", 14, same, of_old_types<DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64>},
    {"Reshape", 5, reshape_5, never},
    {"Reshape", 14, same, integer_is_default<kAllowZero, 0>},
    {"Resize", 11, resize_11, never},
    {"Resize", 13, resize_13, never},
    {"Resize", 18, same, resize_17},
    {"Resize", 19, same, resize_18},
    {"RoiAlign", 16, roi_align_16, roi_align_10},
    {"Scan", 9, never, never},
    {"Scatter", 11, scatter_11, never},
    {"ScatterElements", 16, same, scatter_13},
    {"ScatterElements", 18, same, scatter_16},
    {"ScatterND", 16, same, scatter_13},
    {"ScatterND", 18, same, scatter_16},
    {"Selu", 6, selu_6, never},
    {"Shape", 15, same, shape_13},
    {"Sigmoid", 6, dropped<kConsumed>, never},
    {"Slice", 10, slice_10, never},
    {"Softmax", 13, softmax_13, never},
    {"Split", 2, never, never},
    {"Split", 13, split_13, never},
    {"Split", 18, split_18, split_17},
    {"Sqrt", 6, dropped<kConsumed>, never},
    {"Squeeze", 13, axes_13, never},
    {"Sub", 6, dropped<kConsumed>, never},
    {"Sub", 7, no_broadcast_axis, never},
    {"Sub", 14, same, kOfWideTypes},
    {"Sum", 6, dropped<kConsumed>, never},
    {"Tanh", 6, dropped<kConsumed>, never},
    {"Tile", 6, never, never},
    {"TopK", 10, top_k_10, never},
    {"Unsqueeze", 13, axes_13, never},
    {"Upsample", 7, never, never},
    {"Upsample", 9, upsample_9, never},
    {"Upsample", 10, upsample_10, never},
    {"Xor", 7, no_broadcast_axis, never},
};

// Nodes of subgraphs stay as they are.
bool unchanged(const onnx::GraphProto& graph, int from, int to) {
  const auto changes = [&](const onnx::NodeProto& node) {
    const onnx::OpRow* row = onnx::find_onnx_op(node.op_type());
    if (!row || row->since > to) return true;
    for (const Change& c : kChanges)
      if (node.op_type() == c.type && c.version > std::min(from, to) && c.version <= std::max(from, to)) return true;
    return std::any_of(node.attribute().begin(), node.attribute().end(),
                       [&](const AttributeProto& a) { return a.has_g() && !unchanged(a.g(), from, to); });
  };
  return std::none_of(graph.node().begin(), graph.node().end(), changes);
}

// The node in operator set `to`; nullopt where there is no such form.
std::optional<Form> form_of(const Node& node, const Graph& graph, const Constants& constants, int to) {
  Form form(node, graph, constants);
  for (const AttributeProto& a : form.attributes.attribute())
    if (a.has_g() && !unchanged(a.g(), form.from, to)) return std::nullopt;
  // Up from change to change; a node that got another name goes on by it.
  int reached = form.from;
  for (bool moved = true; moved;) {
    moved = false;
    for (const Change& change : kChanges) {
      if (form.type != change.type || change.version <= reached || change.version > to) continue;
      if (!change.up(form)) return std::nullopt;
      reached = change.version;
      moved = true;
    }
  }
  for (size_t k = std::size(kChanges); k-- > 0;) {
    const Change& change = kChanges[k];
    if (form.type != change.type || change.version > form.from || change.version <= to) continue;
    if (!change.down(form)) return std::nullopt;
  }
  const onnx::OpRow* row = onnx::find_onnx_op(form.type);
  return row && row->since <= to ? std::optional(std::move(form)) : std::nullopt;
}

void emit(Emitter& e, const Node& node, Value self) {
  std::optional<Form> form = form_of(node, e.graph(), e.constants(), e.opset());
  if (!form) e.fail("has no form in this operator set");
  Names inputs;
  for (const Form::Operand& operand : form->operands) {
    if (const auto* v = std::get_if<Value>(&operand))
      inputs.push_back(e.use(*v));
    else if (const auto* tensor = std::get_if<Tensor>(&operand))
      inputs.push_back(e.tensor(*tensor, "constant"));
    else
      inputs.emplace_back();
  }
  OnnxNode written;
  written.type = form->type;
  // Behind the operands stands what subgraphs read.
  const auto captured = static_cast<size_t>(form->attributes.input_size());
  if (captured > inputs.size()) throw FileError("the attributes of " + form->type + " are damaged");
  written.captured.assign(form->attributes.input().begin(), form->attributes.input().end());
  written.captured_here.assign(inputs.end() - static_cast<std::ptrdiff_t>(captured), inputs.end());
  inputs.resize(inputs.size() - captured);
  written.inputs = std::move(inputs);
  form->attributes.clear_input();
  written.written = form->attributes.SerializeAsString();
  const std::vector<int64_t>& outputs = node.attrs.integers("outputs");
  std::vector<bool> given;
  for (const int64_t o : outputs) given.push_back(o >= 0);
  const Names tokens = e.as_written(std::move(written), given);
  for (size_t o = 0; o < outputs.size(); ++o)
    if (outputs[o] >= 0) e.result({self.node, static_cast<uint32_t>(outputs[o])}, tokens[o]);
}

std::string refuse(const RefuseCall& call) {
  return form_of(call.node, call.graph, call.constants, call.opset) ? "" : "has no form in this operator set";
}

const std::vector<Row> kAsWrittenRows = {{&op_composite, emit, refuse}};

}  // namespace

std::span<const Row> rows_as_written() { return kAsWrittenRows; }

}  // namespace dl::onnx_export
