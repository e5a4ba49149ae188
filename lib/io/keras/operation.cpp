#include "io/keras/operation.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

namespace dl {
namespace {

using spec::Node;

struct Row {
  std::string_view class_name, expression;
};
constexpr Row kInfix[] = {{"Add", "+"}, {"Subtract", "-"}, {"Multiply", "*"}, {"TrueDivide", "/"}, {"Divide", "/"}, {"Power", "**"}};
constexpr Row kBinary[] = {{"Maximum", "maximum"}, {"Minimum", "minimum"}};
constexpr Row kUnary[] = {{"Negative", "neg"},      {"Absolute", "abs"},      {"Abs", "abs"},
                          {"Square", "square"},     {"Sqrt", "sqrt"},         {"Rsqrt", "rsqrt"},
                          {"Exp", "exp"},           {"Expm1", "expm1"},       {"Log", "log"},
                          {"Log1p", "log1p"},       {"Sin", "sin"},           {"Cos", "cos"},
                          {"Tanh", "tanh"},         {"Relu", "relu"},         {"Sigmoid", "sigmoid"},
                          {"Softplus", "softplus"}, {"Softsign", "softsign"}, {"Silu", "silu"},
                          {"Erf", "erf"},           {"Relu6", "relu6"},       {"Reciprocal", "reciprocal"}};

std::string_view find(std::span<const Row> rows, std::string_view name) {
  for (const Row& row : rows)
    if (row.class_name == name) return row.expression;
  return {};
}

// "x0", or a number; nullopt for anything else.
std::optional<std::string> operand(const KerasArgument& argument, size_t& tensors) {
  if (argument.is_tensor) return fmt::format("x{}", tensors++);
  if (!argument.value.is_number() || !std::isfinite(argument.value.as_double())) return std::nullopt;
  return fmt::format("({})", argument.value.as_double());
}

}  // namespace

bool is_operation(const Node& layer) {
  if (const Node* module = layer.find("module"); module && module->is_string())
    return module->as_string().starts_with("keras.src.ops") || module->as_string().starts_with("keras.ops");
  // A legacy .h5 has no modules; every layer has these keys.
  const Node *config = layer.find("config"), *nodes = layer.find("inbound_nodes");
  const bool new_nodes = nodes && nodes->is_list() && !nodes->items().empty() && nodes->items()[0].is_map();
  return new_nodes && config && config->is_map() && !config->find("trainable") && !config->find("dtype");
}

std::optional<std::string> operation_expression(const std::string& class_name, const Node& config, const KerasCall& call) {
  for (const auto& [key, value] : config.entries())
    if (key != "name" && !value.is_null()) return std::nullopt;  // an axis or the like, which no row below has
  std::vector<std::string> operands;
  size_t tensors = 0;
  for (const KerasArgument& argument : call.arguments) {
    const std::optional<std::string> text = operand(argument, tensors);
    if (!text) return std::nullopt;
    operands.push_back(*text);
  }
  if (tensors != call.inputs.size() || tensors == 0) return std::nullopt;
  if (operands.size() == 2) {
    if (const std::string_view sign = find(kInfix, class_name); !sign.empty())
      return fmt::format("{} {} {}", operands[0], sign, operands[1]);
    if (const std::string_view function = find(kBinary, class_name); !function.empty())
      return fmt::format("{}({}, {})", function, operands[0], operands[1]);
  }
  if (operands.size() == 1)
    if (const std::string_view function = find(kUnary, class_name); !function.empty()) return fmt::format("{}({})", function, operands[0]);
  return std::nullopt;
}

}  // namespace dl
