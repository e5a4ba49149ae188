// From functions of Keras and TensorFlow to expressions.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/keras/operation.h"
#include "io/keras/operation_arguments.h"
#include "io/keras/operation_rows.h"

namespace dl {
namespace {

using namespace operation;
using spec::Node;

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
  const Row* row = find_keras(binary_rows(), name, tensorflow);
  if (!row && tensorflow) row = find_keras(binary_aliases(), name, true);
  if (row) {
    text = read_binary(*row, in, tensorflow);
  } else if (const Row* reduction = find_keras(reduction_rows(), name, tensorflow)) {
    text = read_reduction(*reduction, in, tensorflow);
  } else if (const Row* unary = find_keras(unary_rows(), name, tensorflow)) {
    std::string x = in.operand(0, tensorflow ? "x" : "x");
    if (x.empty()) x = in.operand(-1, "features");
    if (!x.empty()) text = fmt::format("{}({})", unary->ours, x);
  } else {
    text = tensorflow ? read_tensorflow(name, in) : read_special(name, in);
  }
  if (!text || !in.all_taken()) return std::nullopt;
  return ReadOperation{*text, in.take_constants()};
}

}  // namespace dl
