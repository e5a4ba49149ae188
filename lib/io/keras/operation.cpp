#include "io/keras/operation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

#include "layers/array_node.h"

namespace dl {
namespace {

using spec::Expr;
using spec::Kind;
using spec::Node;
using Argument = NetworkArgument;

// One function: our name, Keras 3's class and module, the function of TensorFlow that tf.keras wraps.
struct Row {
  std::string_view ours, keras3, module, keras2;
};
constexpr std::string_view kNumpy = "keras.src.ops.numpy", kMath = "keras.src.ops.math", kNn = "keras.src.ops.nn";

// Of two operands. The sign where the grammar has one.
constexpr Row kBinary[] = {{"+", "Add", kNumpy, "__operators__.add"},
                           {"-", "Subtract", kNumpy, "math.subtract"},
                           {"*", "Multiply", kNumpy, "math.multiply"},
                           {"/", "TrueDivide", kNumpy, "math.truediv"},
                           {"/", "Divide", kNumpy, "math.divide"},
                           {"**", "Power", kNumpy, "math.pow"},
                           {"<", "Less", kNumpy, "math.less"},
                           {"<=", "LessEqual", kNumpy, "math.less_equal"},
                           {">", "Greater", kNumpy, "math.greater"},
                           {">=", "GreaterEqual", kNumpy, "math.greater_equal"},
                           {"==", "Equal", kNumpy, "math.equal"},
                           {"!=", "NotEqual", kNumpy, "math.not_equal"},
                           {"maximum", "Maximum", kNumpy, "math.maximum"},
                           {"minimum", "Minimum", kNumpy, "math.minimum"},
                           {"atan2", "Arctan2", kNumpy, "math.atan2"},
                           {"mod", "Mod", kNumpy, "math.floormod"},
                           {"logical_and", "LogicalAnd", kNumpy, "math.logical_and"},
                           {"logical_or", "LogicalOr", kNumpy, "math.logical_or"},
                           {"matmul", "Matmul", kNumpy, "linalg.matmul"}};
// The same functions under other names, and functions of operands that the grammar spells in the sign's name.
constexpr Row kBinaryAliases[] = {{"add", "Add", kNumpy, "math.add"},
                                  {"sub", "Subtract", kNumpy, "math.subtract"},
                                  {"mul", "Multiply", kNumpy, "math.multiply"},
                                  {"div", "TrueDivide", kNumpy, "math.truediv"},
                                  {"pow", "Power", kNumpy, "math.pow"},
                                  {"less", "Less", kNumpy, "math.less"},
                                  {"less_equal", "LessEqual", kNumpy, "math.less_equal"},
                                  {"greater", "Greater", kNumpy, "math.greater"},
                                  {"greater_equal", "GreaterEqual", kNumpy, "math.greater_equal"},
                                  {"equal", "Equal", kNumpy, "math.equal"},
                                  {"not_equal", "NotEqual", kNumpy, "math.not_equal"}};

constexpr Row kUnary[] = {{"neg", "Negative", kNumpy, "math.negative"},
                          {"abs", "Absolute", kNumpy, "math.abs"},
                          {"abs", "Abs", kNumpy, "abs"},
                          {"sign", "Sign", kNumpy, "math.sign"},
                          {"exp", "Exp", kNumpy, "math.exp"},
                          {"expm1", "Expm1", kNumpy, "math.expm1"},
                          {"log", "Log", kNumpy, "math.log"},
                          {"log1p", "Log1p", kNumpy, "math.log1p"},
                          {"sqrt", "Sqrt", kNumpy, "math.sqrt"},
                          {"rsqrt", "Rsqrt", kMath, "math.rsqrt"},
                          {"square", "Square", kNumpy, "math.square"},
                          {"reciprocal", "Reciprocal", kNumpy, "math.reciprocal"},
                          {"sin", "Sin", kNumpy, "math.sin"},
                          {"cos", "Cos", kNumpy, "math.cos"},
                          {"tan", "Tan", kNumpy, "math.tan"},
                          {"asin", "Arcsin", kNumpy, "math.asin"},
                          {"acos", "Arccos", kNumpy, "math.acos"},
                          {"atan", "Arctan", kNumpy, "math.atan"},
                          {"sinh", "Sinh", kNumpy, "math.sinh"},
                          {"cosh", "Cosh", kNumpy, "math.cosh"},
                          {"asinh", "Arcsinh", kNumpy, "math.asinh"},
                          {"acosh", "Arccosh", kNumpy, "math.acosh"},
                          {"atanh", "Arctanh", kNumpy, "math.atanh"},
                          {"tanh", "Tanh", kNumpy, "math.tanh"},
                          {"erf", "Erf", kMath, "math.erf"},
                          {"sigmoid", "Sigmoid", kNn, "math.sigmoid"},
                          {"sigmoid", "Sigmoid", kNn, "nn.sigmoid"},
                          {"softplus", "Softplus", kNn, "math.softplus"},
                          {"softplus", "Softplus", kNn, "nn.softplus"},
                          {"tanh", "Tanh", kNn, "nn.tanh"},
                          {"relu", "Relu", kNn, "nn.relu"},
                          {"relu6", "Relu6", kNn, "nn.relu6"},
                          {"silu", "Silu", kNn, "nn.silu"},
                          {"swish", "Silu", kNn, "nn.swish"},
                          {"softsign", "Softsign", kNn, "nn.softsign"},
                          {"selu", "Selu", kNn, "nn.selu"},
                          {"log_sigmoid", "LogSigmoid", kNn, "math.log_sigmoid"},
                          {"hard_sigmoid", "HardSigmoid", kNn, ""},
                          {"hard_silu", "HardSilu", kNn, ""},
                          {"floor", "Floor", kNumpy, "math.floor"},
                          {"ceil", "Ceil", kNumpy, "math.ceil"},
                          {"round", "Round", kNumpy, "math.round"},
                          {"logical_not", "LogicalNot", kNumpy, "math.logical_not"}};

constexpr Row kReductions[] = {{"mean", "Mean", kNumpy, "math.reduce_mean"}, {"sum", "Sum", kNumpy, "math.reduce_sum"},
                               {"max", "Max", kNumpy, "math.reduce_max"},    {"max", "Amax", kNumpy, ""},
                               {"min", "Min", kNumpy, "math.reduce_min"},    {"min", "Amin", kNumpy, ""},
                               {"prod", "Prod", kNumpy, "math.reduce_prod"}};

template <size_t kCount>
const Row* find_ours(const Row (&rows)[kCount], std::string_view name) {
  for (const Row& row : rows)
    if (row.ours == name) return &row;
  return nullptr;
}

template <size_t kCount>
const Row* find_keras(const Row (&rows)[kCount], std::string_view name, bool tensorflow) {
  for (const Row& row : rows)
    if ((tensorflow ? row.keras2 : row.keras3) == name && !name.empty()) return &row;
  return nullptr;
}

// ---- reading

// The arguments of a call by position or keyword, those of the config among them; every one has to be asked for.
class Arguments {
 public:
  // `tensorflow`: of a function of TensorFlow, whose arrays are plain lists. `typed`: a type is an argument of it.
  Arguments(const Node& config, const KerasCall& call, bool tensorflow, bool typed) : plain_arrays_(tensorflow) {
    size_t tensors = 0, position = 0;
    for (const KerasArgument& argument : call.arguments) {
      Given given;
      given.keyword = argument.keyword;
      given.position = argument.keyword.empty() ? static_cast<int>(position++) : -1;
      given.value = argument.value;
      if (argument.is_tensor && !argument.tensors.empty()) {
        given.text = fmt::format("x{}", tensors++);
      } else if (!argument.tensors.empty()) {
        std::vector<std::string> names;
        for (size_t i = 0; i < argument.tensors.size(); ++i) names.push_back(fmt::format("x{}", tensors++));
        given.text = fmt::format("[{}]", fmt::join(names, ", "));
        given.is_list = true;
      }
      given_.push_back(std::move(given));
    }
    complete_ = tensors == call.inputs.size() && tensors > 0;
    if (!config.is_map()) return;
    for (const auto& [key, value] : config.entries())
      if (key != "name" && key != "trainable" && (key != "dtype" || typed) && key != "function")
        given_.push_back({key, -1, "", false, value, false});
    // "dtype" of a function is one of its arguments where it is a name.
  }

  // Text of a tensor or a number; "" when there is none.
  std::string operand(int position, std::string_view keyword) {
    Given* given = take(position, keyword);
    if (!given) return "";
    if (!given->text.empty() && !given->is_list) return given->text;
    if (!given->text.empty()) return "";
    const std::string text = number(given->value);
    return text.empty() ? array(given->value) : text;
  }
  std::string list(int position, std::string_view keyword) {
    Given* given = take(position, keyword);
    return given && given->is_list ? given->text : "";
  }
  // A constant; null when it is not given or null.
  Node constant(int position, std::string_view keyword) {
    Given* given = take(position, keyword);
    return given && given->text.empty() ? given->value : Node();
  }

  // Whether everything was understood. What is left may be null.
  bool all_taken() const {
    return complete_ &&
           std::all_of(given_.begin(), given_.end(), [](const Given& g) { return g.taken || (g.text.empty() && g.value.is_null()); });
  }

  std::vector<Node> take_constants() { return std::move(constants_); }

  static std::string number(const Node& value) {
    if (value.kind() == Kind::kInt) return fmt::format("({})", value.as_int());
    return value.is_number() && std::isfinite(value.as_double()) ? fmt::format("({})", value.as_double()) : "";
  }

 private:
  struct Given {
    std::string keyword;
    int position = -1;
    std::string text;  // of a tensor, or of a list of them
    bool is_list = false;
    Node value;
    bool taken = false;
  };

  Given* take(int position, std::string_view keyword) {
    for (Given& given : given_)
      if (!given.taken && ((position >= 0 && given.position == position) || (!keyword.empty() && given.keyword == keyword))) {
        given.taken = true;
        return &given;
      }
    return nullptr;
  }

  // An array {class_name: "__tensor__" or "__numpy__", config: {value, dtype}} as one of our constants.
  std::string array(const Node& given) {
    if (plain_arrays_ && given.is_list()) {
      const std::optional<Tensor> read = array_of(given);
      if (read) constants_.push_back(given);
      return read ? fmt::format("c{}", constants_.size() - 1) : "";
    }
    const Node *class_name = given.find("class_name"), *config = given.find("config");
    if (!class_name || !class_name->is_string() || !config) return "";
    if (class_name->as_string() != "__tensor__" && class_name->as_string() != "__numpy__") return "";
    const Node *value = config->find("value"), *dtype = config->find("dtype");
    if (!value || !dtype || !dtype->is_string()) return "";
    const std::optional<DType> type = parse_dtype(dtype->as_string());
    const std::optional<Tensor> read = array_of(*value);
    if (!type || !read) return "";
    const std::optional<Node> typed = array_node(read->cast(*type));
    if (!typed) return "";
    if (!typed->is_list() && typed->is_number()) return number(*typed);
    constants_.push_back(*typed);
    return fmt::format("c{}", constants_.size() - 1);
  }

  std::vector<Given> given_;
  std::vector<Node> constants_;
  bool complete_ = false, plain_arrays_;
};

bool is_int(const Node& node) { return node.kind() == Kind::kInt; }

// "3" or "[1, 2]"; "" for anything else.
std::string integers(const Node& node) {
  if (is_int(node)) return fmt::format("{}", node.as_int());
  if (!node.is_list() || !std::all_of(node.items().begin(), node.items().end(), is_int)) return "";
  std::vector<int64_t> values;
  for (const Node& item : node.items()) values.push_back(item.as_int());
  return fmt::format("[{}]", fmt::join(values, ", "));
}

using Text = std::optional<std::string>;

Text read_reduction(const Row& row, Arguments& in, bool tensorflow) {
  const std::string x = in.operand(0, tensorflow ? "input_tensor" : "x");
  const Node axis = in.constant(1, "axis"), keep = in.constant(2, "keepdims");
  if (x.empty() || (!axis.is_null() && integers(axis).empty())) return std::nullopt;
  if (axis.is_list() && axis.items().empty()) return std::nullopt;
  return fmt::format("{}({}{}{})", row.ours, x, axis.is_null() ? "" : ", axis=" + integers(axis),
                     keep == Node::boolean(true) ? ", keepdims=1" : "");
}

// Slices of x as Python writes them: x[1:, ..., None, 0].
Text read_slices(const std::string& x, const Node& given) {
  const std::vector<Node> items = given.is_list() ? given.items() : std::vector<Node>{given};
  const auto is_class = [](const Node& node, std::string_view name) {
    const Node* class_name = node.find("class_name");
    return class_name && class_name->is_string() && class_name->as_string() == name;
  };
  std::string text = x;
  const auto apply = [&](const Node& item, int64_t axis, bool& removed) {
    removed = false;
    if (item.is_null()) {
      text = fmt::format("expand_dims({}, {})", text, axis);
      return true;
    }
    if (is_int(item)) {
      const int64_t i = item.as_int();
      text = i == -1 ? fmt::format("squeeze(slice({}, {}, -1), {})", text, axis, axis)
                     : fmt::format("squeeze(slice({}, {}, {}, {}), {})", text, axis, i, i + 1, axis);
      removed = true;
      return true;
    }
    const Node* range = is_class(item, "__slice__") ? item.find("config") : item.is_map() ? &item : nullptr;
    if (!range || !range->is_map()) return false;
    const auto part = [&](const char* key) {
      const Node* value = range->find(key);
      return value ? *value : Node();
    };
    const Node start = part("start"), stop = part("stop"), step = part("step");
    for (const Node& value : {start, stop, step})
      if (!value.is_null() && !is_int(value)) return false;
    if (is_int(step) && step.as_int() < 1) return false;
    const bool plain_step = step.is_null() || step.as_int() == 1;
    if ((start.is_null() || start.as_int() == 0) && stop.is_null() && plain_step) return true;
    text = fmt::format("slice({}, {}, {}{}{})", text, axis, start.is_null() ? 0 : start.as_int(),
                       stop.is_null() ? "" : fmt::format(", {}", stop.as_int()), plain_step ? "" : fmt::format(", step={}", step.as_int()));
    return true;
  };
  size_t ellipsis = items.size();
  for (size_t i = 0; i < items.size(); ++i)
    if (is_class(items[i], "__ellipsis__") || (items[i].is_string() && items[i].as_string() == "...")) ellipsis = i;
  int64_t axis = 0;
  bool removed = false;
  for (size_t i = 0; i < ellipsis; ++i) {
    if (!apply(items[i], axis, removed)) return std::nullopt;
    if (!removed) ++axis;
  }
  axis = -1;
  for (size_t i = items.size(); i-- > ellipsis + 1;) {
    if (!apply(items[i], axis, removed)) return std::nullopt;
    if (!removed) --axis;
  }
  return text;
}

// Zeros or another number around x.
Text read_pad(Arguments& in, bool tensorflow) {
  const std::string x = in.operand(0, tensorflow ? "tensor" : "x");
  const Node width = in.constant(1, tensorflow ? "paddings" : "pad_width"), mode = in.constant(2, "mode"),
             value = in.constant(-1, "constant_values");
  const bool constant = mode.is_null() || (mode.is_string() && mode.as_string() == "constant");
  if (x.empty() || !width.is_list() || !constant || !(value.is_null() || value.is_number())) return std::nullopt;
  std::vector<int64_t> before, after;
  for (const Node& pair : width.items()) {
    if (!pair.is_list() || pair.items().size() != 2 || !is_int(pair.items()[0]) || !is_int(pair.items()[1])) return std::nullopt;
    before.push_back(pair.items()[0].as_int());
    after.push_back(pair.items()[1].as_int());
  }
  return fmt::format("pad({}, [{}], [{}], {})", x, fmt::join(before, ", "), fmt::join(after, ", "),
                     value.is_null() ? "0" : Arguments::number(value));
}

// Functions with attributes of their own. `name`: Keras 3's class.
Text read_special(const std::string& name, Arguments& in) {
  const auto one = [&](const char* ours, const char* key) -> Text {
    const std::string x = in.operand(0, "x"), value = integers(in.constant(1, key));
    return x.empty() || value.empty() ? Text() : fmt::format("{}({}, {})", ours, x, value);
  };
  if (name == "GetItem") {
    const std::string x = in.operand(0, "x");
    return x.empty() ? Text() : read_slices(x, in.constant(1, "key"));
  }
  if (name == "Reshape") return one("reshape", "newshape");
  if (name == "Transpose") return one("transpose", "axes");
  if (name == "ExpandDims") return one("expand_dims", "axis");
  if (name == "Squeeze") return one("squeeze", "axis");
  if (name == "Flip") return one("reverse", "axis");
  if (name == "Swapaxes") {
    const std::string x = in.operand(0, "x"), a = integers(in.constant(1, "axis1")), b = integers(in.constant(2, "axis2"));
    return x.empty() || a.empty() || b.empty() ? Text() : fmt::format("swapaxes({}, {}, {})", x, a, b);
  }
  if (name == "Concatenate" || name == "Stack") {
    const std::string list = in.list(0, "xs"), axis = integers(in.constant(1, "axis"));
    return list.empty() || axis.empty() ? Text() : fmt::format("{}({}, axis={})", name == "Stack" ? "stack" : "concat", list, axis);
  }
  if (name == "Where") {
    const std::string c = in.operand(0, "condition"), a = in.operand(1, "x1"), b = in.operand(2, "x2");
    return c.empty() || a.empty() || b.empty() ? Text() : fmt::format("where({}, {}, {})", c, a, b);
  }
  if (name == "Take") {
    const std::string x = in.operand(0, "x"), at = in.operand(1, "indices"), axis = integers(in.constant(-1, "axis"));
    return x.empty() || at.empty() || at[0] == '(' || axis.empty() ? Text() : fmt::format("take({}, {}, {})", x, at, axis);
  }
  if (name == "TakeAlongAxis") {
    const std::string x = in.operand(0, "x"), at = in.operand(1, "indices"), axis = integers(in.constant(-1, "axis"));
    return x.empty() || at.empty() || axis.empty() ? Text() : fmt::format("take_along_axis({}, {}, {})", x, at, axis);
  }
  if (name == "Cumsum") return one("cumsum", "axis");
  if (name == "Tile") return one("tile", "repeats");
  if (name == "Cast") {
    const std::string x = in.operand(0, "x");
    const Node dtype = in.constant(1, "dtype");
    if (x.empty() || !dtype.is_string() || !parse_dtype(dtype.as_string())) return std::nullopt;
    return fmt::format("{}({})", dtype.as_string(), x);
  }
  if (name == "Pad") return read_pad(in, false);
  if (name == "Clip") {
    const std::string x = in.operand(0, "x"), low = in.operand(1, "x_min"), high = in.operand(2, "x_max");
    return x.empty() || low.empty() || high.empty() ? Text() : fmt::format("clip({}, {}, {})", x, low, high);
  }
  if (name == "Softmax" || name == "LogSoftmax") {
    const std::string x = in.operand(0, "x");
    const Node axis = in.constant(1, "axis");
    const char* ours = name == "Softmax" ? "softmax" : "log_softmax";
    if (x.empty() || !(axis.is_null() || is_int(axis))) return std::nullopt;
    return fmt::format("{}({}, axis={})", ours, x, axis.is_null() ? -1 : axis.as_int());
  }
  if (name == "Argmax") {
    const std::string x = in.operand(0, "x"), axis = integers(in.constant(1, "axis"));
    const Node keep = in.constant(2, "keepdims");
    return x.empty() || axis.empty() || keep == Node::boolean(true) ? Text() : fmt::format("argmax({}, axis={})", x, axis);
  }
  if (name == "LeakyRelu" || name == "Elu" || name == "Celu") {
    const std::string x = in.operand(0, "x");
    const Node given = in.constant(1, name == "LeakyRelu" ? "negative_slope" : "alpha");
    const double value = given.is_number() ? given.as_double() : name == "LeakyRelu" ? 0.2 : 1.0;
    if (x.empty()) return std::nullopt;
    if (name == "LeakyRelu")
      return value == 0.2 ? fmt::format("leaky_relu({})", x) : fmt::format("where({0} < 0, {0} * ({1}), {0})", x, value);
    return value == 1 ? Text(fmt::format("{}({})", name == "Elu" ? "elu" : "celu", x)) : std::nullopt;
  }
  if (name == "Gelu") {
    const std::string x = in.operand(0, "x");
    const Node approximate = in.constant(1, "approximate");
    return x.empty() || approximate == Node::boolean(true) ? Text() : fmt::format("gelu({})", x);
  }
  if (name == "ReLU") {  // keras.activations.relu
    const std::string x = in.operand(0, "x");
    const Node slope = in.constant(-1, "negative_slope"), most = in.constant(-1, "max_value"), threshold = in.constant(-1, "threshold");
    const auto zero = [](const Node& node) { return node.is_null() || (node.is_number() && node.as_double() == 0); };
    if (x.empty() || !zero(threshold)) return std::nullopt;
    if (zero(slope)) return most.is_null() ? fmt::format("relu({})", x) : fmt::format("clip({}, 0, {})", x, Arguments::number(most));
    return most.is_null() ? Text(fmt::format("where({0} < 0, {0} * {1}, {0})", x, Arguments::number(slope))) : std::nullopt;
  }
  return std::nullopt;
}

// The same for the functions of TensorFlow.
Text read_tensorflow(const std::string& name, Arguments& in) {
  const auto one = [&](const char* ours, const char* first, const char* key) -> Text {
    const std::string x = in.operand(0, first), value = integers(in.constant(1, key));
    return x.empty() || value.empty() ? Text() : fmt::format("{}({}, {})", ours, x, value);
  };
  if (name == "__operators__.getitem") {
    const std::string x = in.operand(0, "tensor");
    return x.empty() ? Text() : read_slices(x, in.constant(1, "slice_spec"));
  }
  if (name == "reshape") return one("reshape", "tensor", "shape");
  if (name == "tile") return one("tile", "input", "multiples");
  if (name == "math.cumsum") return one("cumsum", "x", "axis");
  if (name == "pad") return read_pad(in, true);
  if (name == "cast") {
    const std::string x = in.operand(0, "x");
    const Node dtype = in.constant(1, "dtype");
    if (x.empty() || !dtype.is_string() || !parse_dtype(dtype.as_string())) return std::nullopt;
    return fmt::format("{}({})", dtype.as_string(), x);
  }
  if (name == "gather") {
    const std::string x = in.operand(0, "params"), at = in.operand(1, "indices"), axis = integers(in.constant(-1, "axis"));
    return x.empty() || at.empty() || at[0] == '(' || axis.empty() ? Text() : fmt::format("take({}, {}, {})", x, at, axis);
  }
  if (name == "transpose" || name == "compat.v1.transpose") {
    in.constant(-1, "name");
    if (in.constant(-1, "conjugate") == Node::boolean(true)) return std::nullopt;
    return one("transpose", "a", "perm");
  }
  if (name == "expand_dims") return one("expand_dims", "input", "axis");
  if (name == "squeeze" || name == "compat.v1.squeeze") return one("squeeze", "input", "axis");
  if (name == "reverse") return one("reverse", "tensor", "axis");
  if (name == "concat" || name == "stack") {
    const std::string list = in.list(0, "values");
    const Node axis = in.constant(1, "axis");
    if (list.empty() || !(is_int(axis) || (axis.is_null() && name == "stack"))) return std::nullopt;
    return fmt::format("{}({}, axis={})", name == "stack" ? "stack" : "concat", list, axis.is_null() ? 0 : axis.as_int());
  }
  if (name == "where" || name == "compat.v2.where") {
    const std::string c = in.operand(0, "condition"), a = in.operand(1, "x"), b = in.operand(2, "y");
    return c.empty() || a.empty() || b.empty() ? Text() : fmt::format("where({}, {}, {})", c, a, b);
  }
  if (name == "clip_by_value") {
    const std::string x = in.operand(0, "t"), low = in.operand(1, "clip_value_min"), high = in.operand(2, "clip_value_max");
    return x.empty() || low.empty() || high.empty() ? Text() : fmt::format("clip({}, {}, {})", x, low, high);
  }
  if (name == "nn.softmax" || name == "nn.log_softmax") {
    const std::string x = in.operand(0, "logits");
    const Node axis = in.constant(1, "axis");
    if (x.empty() || !(axis.is_null() || is_int(axis))) return std::nullopt;
    return fmt::format("{}({}, axis={})", name.substr(3), x, axis.is_null() ? -1 : axis.as_int());
  }
  if (name == "nn.leaky_relu") {
    const std::string x = in.operand(0, "features");
    const Node alpha = in.constant(1, "alpha");
    return x.empty() ? Text() : fmt::format("where({0} < 0, {0} * ({1}), {0})", x, alpha.is_number() ? alpha.as_double() : 0.2);
  }
  if (name == "nn.elu") {
    const std::string x = in.operand(0, "features");
    return x.empty() ? Text() : fmt::format("elu({})", x);
  }
  if (name == "nn.gelu") {
    const std::string x = in.operand(0, "features");
    return x.empty() || in.constant(1, "approximate") == Node::boolean(true) ? Text() : fmt::format("gelu({})", x);
  }
  if (name == "identity") return in.operand(0, "input") == "x0" ? Text("x0") : std::nullopt;
  if (name == "math.argmax") {
    const std::string x = in.operand(0, "input"), axis = integers(in.constant(1, "axis"));
    return x.empty() || axis.empty() ? Text() : fmt::format("argmax({}, axis={})", x, axis);
  }
  return std::nullopt;
}

Text read_binary(const Row& row, Arguments& in, bool tensorflow) {
  if (tensorflow && row.ours == "matmul") {
    const std::string a = in.operand(0, "a"), b = in.operand(1, "b");
    const bool left = in.constant(-1, "transpose_a") == Node::boolean(true), right = in.constant(-1, "transpose_b") == Node::boolean(true);
    for (const char* flag : {"adjoint_a", "adjoint_b", "a_is_sparse", "b_is_sparse"})
      if (in.constant(-1, flag) == Node::boolean(true)) return std::nullopt;
    const auto turned = [](const std::string& x, bool turn) { return turn ? fmt::format("swapaxes({}, -2, -1)", x) : x; };
    return a.empty() || b.empty() ? Text() : fmt::format("matmul({}, {})", turned(a, left), turned(b, right));
  }
  const std::string a = in.operand(0, tensorflow ? "x" : "x1"), b = in.operand(1, tensorflow ? "y" : "x2");
  if (a.empty() || b.empty()) return std::nullopt;
  if (std::isalpha(static_cast<unsigned char>(row.ours[0]))) return fmt::format("{}({}, {})", row.ours, a, b);
  return fmt::format("{} {} {}", a, row.ours, b);
}

// ---- writing

// A call with the constants of `config` and `keywords`, without the name.
WrittenOperation make_operation(const Row& row, std::vector<Argument> arguments, KerasVersion version) {
  WrittenOperation made;
  if (version == KerasVersion::k3) {
    made.module = row.module;
    made.class_name = row.keras3;
    made.config = Node::map({});
  } else {
    made.module = "tf_keras.src.layers.core.tf_op_layer";
    made.class_name = row.keras2 == "__operators__.getitem" ? "SlicingOpLambda" : "TFOpLambda";
    made.config = Node::map(
        {{"trainable", Node::boolean(true)}, {"dtype", Node::string("float32")}, {"function", Node::string(std::string(row.keras2))}});
  }
  made.call.arguments = std::move(arguments);
  return made;
}

bool is_tensor(const Argument& argument) { return argument.kind == Argument::Kind::kTensor; }

Node value_of(const Argument& argument) {
  if (argument.kind == Argument::Kind::kValue) return argument.value;
  std::vector<Node> items;
  for (const Argument& item : argument.items) items.push_back(value_of(item));
  return Node::list(std::move(items));
}

// The argument of the expression's call at `position` or under `keyword`; null when there is none.
const Argument* find_argument(const Expr& e, const std::vector<Argument>& arguments, size_t position, std::string_view keyword) {
  for (size_t i = 0; i < e.args.size(); ++i)
    if ((!keyword.empty() && e.args[i].keyword == keyword) || (i == position && e.args[i].keyword.empty())) return &arguments[i];
  return nullptr;
}

void set_constant(WrittenOperation& made, KerasVersion version, const char* keras3, const char* keras2, Node value) {
  if (version == KerasVersion::k3) {
    made.config.set(keras3, std::move(value));
  } else {
    made.call.keywords.emplace_back(keras2, Argument::constant(std::move(value)));
  }
}

Node slice_node(const Argument* start, const Argument* stop, const Argument* step, KerasVersion version) {
  const auto part = [](const Argument* argument) { return argument ? argument->value : Node(); };
  Node range = Node::map({{"start", part(start)}, {"stop", part(stop)}, {"step", part(step)}});
  return version == KerasVersion::k3 ? Node::map({{"class_name", Node::string("__slice__")}, {"config", std::move(range)}}) : range;
}

std::optional<WrittenOperation> write_slice(const Expr& e, const std::vector<Argument>& arguments, KerasVersion version) {
  const Node axis = value_of(arguments[1]);
  if (!is_int(axis)) return std::nullopt;
  const Argument* stop = e.args.size() > 3 && e.args[3].keyword.empty() ? &arguments[3] : nullptr;
  const Node own = slice_node(&arguments[2], stop, find_argument(e, arguments, 4, "step"), version);
  const Node all = slice_node(nullptr, nullptr, nullptr, version);
  std::vector<Node> items;
  if (axis.as_int() >= 0) {
    items.assign(static_cast<size_t>(axis.as_int()), all);
    items.push_back(own);
  } else {
    items = {Node::map({{"class_name", Node::string("__ellipsis__")}, {"config", Node::map({})}}), own};
    items.insert(items.end(), static_cast<size_t>(-1 - axis.as_int()), all);
  }
  static constexpr Row kRow = {"slice", "GetItem", kNumpy, "__operators__.getitem"};
  WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
  if (version == KerasVersion::k3)
    made.call.arguments.push_back(Argument::constant(Node::list(std::move(items))));
  else
    made.call.keywords.emplace_back("slice_spec", Argument::constant(Node::list(std::move(items))));
  return made;
}

// Functions of one tensor with one constant.
struct ConstantRow {
  Row row;
  const char *keras3_key, *keras2_key;
};
constexpr ConstantRow kConstant[] = {{{"reshape", "Reshape", kNumpy, "reshape"}, "newshape", "shape"},
                                     {{"transpose", "Transpose", kNumpy, "transpose"}, "axes", "perm"},
                                     {{"expand_dims", "ExpandDims", kNumpy, "expand_dims"}, "axis", "axis"},
                                     {{"squeeze", "Squeeze", kNumpy, "squeeze"}, "axis", "axis"},
                                     {{"reverse", "Flip", kNumpy, "reverse"}, "axis", "axis"},
                                     {{"softmax", "Softmax", kNn, "nn.softmax"}, "axis", "axis"},
                                     {{"log_softmax", "LogSoftmax", kNn, "nn.log_softmax"}, "axis", "axis"},
                                     {{"argmax", "Argmax", kNumpy, "math.argmax"}, "axis", "axis"},
                                     {{"cumsum", "Cumsum", kNumpy, "math.cumsum"}, "axis", "axis"},
                                     {{"concat", "Concatenate", kNumpy, "concat"}, "axis", "axis"},
                                     {{"stack", "Stack", kNumpy, "stack"}, "axis", "axis"}};

std::optional<WrittenOperation> write_with_constant(const ConstantRow& row, const Expr& e, const std::vector<Argument>& arguments,
                                                    KerasVersion version) {
  const Argument* constant = find_argument(e, arguments, 1, "axis");
  const bool list = row.row.ours == "concat" || row.row.ours == "stack";
  if (list != (arguments[0].kind == Argument::Kind::kList)) return std::nullopt;
  if (!list && !is_tensor(arguments[0])) return std::nullopt;
  if (list && !std::all_of(arguments[0].items.begin(), arguments[0].items.end(), is_tensor)) return std::nullopt;
  Node value = constant ? value_of(*constant) : Node::integer(row.row.ours == "stack" ? 0 : -1);
  if (version == KerasVersion::k2 && row.row.ours == "reverse" && !value.is_list()) value = Node::list({value});
  WrittenOperation made = make_operation(row.row, {arguments[0]}, version);
  set_constant(made, version, row.keras3_key, row.keras2_key, std::move(value));
  return made;
}

// Functions that repeat, pad or pick elements; conversions.
std::optional<WrittenOperation> write_places(const Expr& e, const std::vector<Argument>& arguments, KerasVersion version) {
  const bool new_form = version == KerasVersion::k3;
  if (e.name == "take" && arguments.size() == 3) {
    static constexpr Row kRow = {"take", "Take", kNumpy, "gather"};
    WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
    if (new_form)
      made.call.arguments.push_back(arguments[1]);
    else
      made.call.keywords.emplace_back("indices", arguments[1]);
    set_constant(made, version, "axis", "axis", value_of(arguments[2]));
    return made;
  }
  if (arguments.empty() || !is_tensor(arguments[0])) return std::nullopt;
  if (e.name == "take_along_axis" && arguments.size() == 3 && new_form) {
    static constexpr Row kRow = {"take_along_axis", "TakeAlongAxis", kNumpy, ""};
    WrittenOperation made = make_operation(kRow, {arguments[0], arguments[1]}, version);
    made.config.set("axis", value_of(arguments[2]));
    return made;
  }
  if (e.name == "tile" && arguments.size() == 2) {
    static constexpr Row kRow = {"tile", "Tile", kNumpy, "tile"};
    WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
    set_constant(made, version, "repeats", "multiples", value_of(arguments[1]));
    return made;
  }
  if (e.name == "pad" && arguments.size() >= 3) {
    static constexpr Row kRow = {"pad", "Pad", kNumpy, "pad"};
    const Node before = value_of(arguments[1]), after = value_of(arguments[2]);
    std::vector<Node> widths;
    for (size_t i = 0; i < before.items().size(); ++i) widths.push_back(Node::list({before.items()[i], after.items()[i]}));
    WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
    set_constant(made, version, "pad_width", "paddings", Node::list(std::move(widths)));
    if (new_form) made.config.set("mode", Node::string("constant"));
    made.call.keywords.emplace_back("constant_values", arguments.size() > 3 ? arguments[3] : Argument::constant(Node::integer(0)));
    return made;
  }
  if (parse_dtype(e.name)) {
    static constexpr Row kRow = {"cast", "Cast", "keras.src.ops.core", "cast"};
    WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
    set_constant(made, version, "dtype", "dtype", Node::string(e.name));
    return made;
  }
  return std::nullopt;
}

std::optional<WrittenOperation> write_call(const Expr& e, std::vector<Argument> arguments, KerasVersion version) {
  if (const Row* row = find_ours(kReductions, e.name)) {
    if (!is_tensor(arguments[0])) return std::nullopt;
    WrittenOperation made = make_operation(*row, {arguments[0]}, version);
    const Argument *axis = find_argument(e, arguments, 1, "axis"), *keep = find_argument(e, arguments, 2, "keepdims");
    set_constant(made, version, "axis", "axis", axis ? value_of(*axis) : Node());
    const Node kept = keep ? value_of(*keep) : Node();
    set_constant(made, version, "keepdims", "keepdims", Node::boolean(kept.is_number() && kept.as_double() != 0));
    return made;
  }
  for (const ConstantRow& row : kConstant)
    if (row.row.ours == e.name) return write_with_constant(row, e, arguments, version);
  if (e.name == "slice") return is_tensor(arguments[0]) ? write_slice(e, arguments, version) : std::nullopt;
  if (e.name == "where") {
    static constexpr Row kRow = {"where", "Where", kNumpy, "where"};
    WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
    if (version == KerasVersion::k3) {
      made.call.arguments = std::move(arguments);
    } else {
      made.call.keywords = {{"x", arguments[1]}, {"y", arguments[2]}};
    }
    return made;
  }
  if (e.name == "clip") {
    static constexpr Row kRow = {"clip", "Clip", kNumpy, "clip_by_value"};
    WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
    set_constant(made, version, "x_min", "clip_value_min", value_of(arguments[1]));
    set_constant(made, version, "x_max", "clip_value_max", value_of(arguments[2]));
    return made;
  }
  if (e.name == "swapaxes" && version == KerasVersion::k3) {
    static constexpr Row kRow = {"swapaxes", "Swapaxes", kNumpy, ""};
    WrittenOperation made = make_operation(kRow, {arguments[0]}, version);
    made.config.set("axis1", value_of(arguments[1]));
    made.config.set("axis2", value_of(arguments[2]));
    return made;
  }
  if (std::optional<WrittenOperation> made = write_places(e, arguments, version)) return made;
  struct Activation {
    Row row;
    const char* key;
    Node value;
  };
  static const Activation kActivations[] = {{{"leaky_relu", "LeakyRelu", kNn, "nn.leaky_relu"}, "negative_slope", Node::real(0.2)},
                                            {{"elu", "Elu", kNn, "nn.elu"}, "alpha", Node::real(1)},
                                            {{"celu", "Celu", kNn, ""}, "alpha", Node::real(1)},
                                            {{"gelu", "Gelu", kNn, "nn.gelu"}, "approximate", Node::boolean(false)}};
  for (const Activation& activation : kActivations) {
    if (activation.row.ours != e.name || (version == KerasVersion::k2 && activation.row.keras2.empty())) continue;
    WrittenOperation made = make_operation(activation.row, std::move(arguments), version);
    if (version == KerasVersion::k3) made.config.set(activation.key, activation.value);
    return made;
  }
  return std::nullopt;
}

}  // namespace

bool is_operation(const spec::Node& layer) {
  const auto starts = [&](const char* key, std::initializer_list<std::string_view> prefixes) {
    const spec::Node* text = layer.find(key);
    return text && text->is_string() &&
           std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view p) { return text->as_string().starts_with(p); });
  };
  if (starts("class_name", {"TFOpLambda", "SlicingOpLambda"})) return true;
  const spec::Node* module = layer.find("module");
  if (module && module->is_string()) return starts("module", {"keras.src.ops", "keras.ops", "keras.src.activations"});
  // A legacy .h5 has no modules; every layer has these keys.
  const spec::Node *config = layer.find("config"), *nodes = layer.find("inbound_nodes");
  const bool new_nodes = nodes && nodes->is_list() && !nodes->items().empty() && nodes->items()[0].is_map();
  return new_nodes && config && config->is_map() && !config->find("trainable") && !config->find("dtype");
}

std::optional<ReadOperation> operation_expression(const std::string& class_name, const spec::Node& config, const KerasCall& call) {
  const bool tensorflow = class_name == "TFOpLambda" || class_name == "SlicingOpLambda";
  Arguments in(config, call, tensorflow, class_name == "Cast");
  std::string name = class_name;
  if (tensorflow) {
    const spec::Node* function = config.find("function");
    if (!function || !function->is_string()) return std::nullopt;
    name = function->as_string();
    in.constant(-1, "name");
  }
  Text text;
  const Row* row = find_keras(kBinary, name, tensorflow);
  if (!row && tensorflow) row = find_keras(kBinaryAliases, name, true);
  if (row) {
    text = read_binary(*row, in, tensorflow);
  } else if (const Row* reduction = find_keras(kReductions, name, tensorflow)) {
    text = read_reduction(*reduction, in, tensorflow);
  } else if (const Row* unary = find_keras(kUnary, name, tensorflow)) {
    std::string x = in.operand(0, tensorflow ? "x" : "x");
    if (x.empty()) x = in.operand(-1, "features");
    if (!x.empty()) text = fmt::format("{}({})", unary->ours, x);
  } else {
    text = tensorflow ? read_tensorflow(name, in) : read_special(name, in);
  }
  if (!text || !in.all_taken()) return std::nullopt;
  return ReadOperation{*text, in.take_constants()};
}

std::optional<WrittenOperation> write_operation(const spec::Expr& e, std::vector<NetworkArgument> arguments, KerasVersion version) {
  const auto known = [&](const Row* row) { return row && !(version == KerasVersion::k2 && row->keras2.empty()); };
  if (e.kind == Expr::Kind::kUnary) {
    if (e.name == "-" && is_tensor(arguments[0])) return make_operation(*find_ours(kUnary, "neg"), std::move(arguments), version);
    return std::nullopt;
  }
  const Row* binary = find_ours(kBinary, e.name);
  if (!binary && arguments.size() == 2) binary = find_ours(kBinaryAliases, e.name);
  if (known(binary) && arguments.size() == 2) {
    WrittenOperation made = make_operation(*binary, {}, version);
    if (version == KerasVersion::k3) {
      made.call.arguments = std::move(arguments);
    } else {
      made.call.arguments = {arguments[0]};
      made.call.keywords = {{e.name == "matmul" ? "b" : "y", arguments[1]}};
    }
    return made;
  }
  const Row* unary = find_ours(kUnary, e.name);
  if (known(unary) && arguments.size() == 1 && is_tensor(arguments[0])) return make_operation(*unary, std::move(arguments), version);
  return e.kind == Expr::Kind::kCall && !arguments.empty() ? write_call(e, std::move(arguments), version) : std::nullopt;
}

}  // namespace dl
