#include "io/keras/operation_arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "layers/array_node.h"

namespace dl::operation {

using spec::Kind;
using spec::Node;

Arguments::Arguments(const Node& config, const KerasCall& call, bool tensorflow, bool typed) : plain_arrays_(tensorflow) {
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

std::string Arguments::operand(int position, std::string_view keyword) {
  Given* given = take(position, keyword);
  if (!given) return "";
  if (!given->text.empty() && !given->is_list) return given->text;
  if (!given->text.empty()) return "";
  const std::string text = number(given->value);
  return text.empty() ? array(given->value) : text;
}

std::string Arguments::list(int position, std::string_view keyword) {
  Given* given = take(position, keyword);
  return given && given->is_list ? given->text : "";
}

Node Arguments::constant(int position, std::string_view keyword) {
  Given* given = take(position, keyword);
  return given && given->text.empty() ? given->value : Node();
}

bool Arguments::all_taken() const {
  return complete_ &&
         std::all_of(given_.begin(), given_.end(), [](const Given& g) { return g.taken || (g.text.empty() && g.value.is_null()); });
}

std::string Arguments::number(const Node& value) {
  if (value.kind() == Kind::kInt) return fmt::format("({})", value.as_int());
  return value.is_number() && std::isfinite(value.as_double()) ? fmt::format("({})", value.as_double()) : "";
}

Arguments::Given* Arguments::take(int position, std::string_view keyword) {
  for (Given& given : given_)
    if (!given.taken && ((position >= 0 && given.position == position) || (!keyword.empty() && given.keyword == keyword))) {
      given.taken = true;
      return &given;
    }
  return nullptr;
}

// An array {class_name: "__tensor__" or "__numpy__", config: {value, dtype}} as one of our constants.
std::string Arguments::array(const Node& given) {
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

}  // namespace dl::operation
