// From expressions to functions of Keras and TensorFlow.
#include <algorithm>

#include "io/keras/operation.h"
#include "io/keras/operation_rows.h"

namespace dl {
namespace {

using namespace operation;
using spec::Expr;
using spec::Node;
using Argument = NetworkArgument;

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
  if (const Row* row = find_ours(reduction_rows(), e.name)) {
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

std::optional<WrittenOperation> write_operation(const spec::Expr& e, std::vector<NetworkArgument> arguments, KerasVersion version) {
  const auto known = [&](const Row* row) { return row && !(version == KerasVersion::k2 && row->keras2.empty()); };
  if (e.kind == Expr::Kind::kUnary) {
    if (e.name == "-" && is_tensor(arguments[0])) return make_operation(*find_ours(unary_rows(), "neg"), std::move(arguments), version);
    return std::nullopt;
  }
  const Row* binary = find_ours(binary_rows(), e.name);
  if (!binary && arguments.size() == 2) binary = find_ours(binary_aliases(), e.name);
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
  const Row* unary = find_ours(unary_rows(), e.name);
  if (known(unary) && arguments.size() == 1 && is_tensor(arguments[0])) return make_operation(*unary, std::move(arguments), version);
  return e.kind == Expr::Kind::kCall && !arguments.empty() ? write_call(e, std::move(arguments), version) : std::nullopt;
}

}  // namespace dl
