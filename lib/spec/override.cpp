// Dotted overrides of the command line, and environment variables in values.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <variant>

#include "base/error.h"
#include "spec/yaml.h"

namespace dl::spec {
namespace {

constexpr std::string_view kExample = "write for example training.epochs=3 or layers[0].Dense.units=5";

using Step = std::variant<std::string, size_t>;  // a key, or the index of a list item

[[noreturn]] void fail(std::string_view assignment, const std::string& message) {
  throw UserError(fmt::format("command line: '{}': {}", assignment.substr(0, 200), message));
}

// Reads "[12]" at `position` and moves it past the bracket.
size_t read_index(std::string_view assignment, std::string_view path, size_t& position) {
  const size_t close = path.find(']', position);
  const std::string_view digits = path.substr(position + 1, close == std::string_view::npos ? 0 : close - position - 1);
  size_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) {
    fail(assignment, fmt::format("a list index must be a number in brackets, counted from 0; {}", kExample));
  }
  position = close + 1;
  return index;
}

std::vector<Step> split_path(std::string_view assignment, std::string_view path) {
  std::vector<Step> steps;
  size_t i = 0;
  while (i < path.size()) {
    if (path[i] == '[') {
      steps.emplace_back(read_index(assignment, path, i));
    } else {
      const size_t end = std::min(path.find_first_of(".[]", i), path.size());
      if (end == i) fail(assignment, fmt::format("a key is missing before or after '.'; {}", kExample));
      steps.emplace_back(std::string(path.substr(i, end - i)));
      i = end;
    }
    if (i == path.size()) return steps;
    if (path[i] == '.') {
      if (++i == path.size()) fail(assignment, fmt::format("a key is missing after the last '.'; {}", kExample));
    } else if (path[i] != '[') {
      fail(assignment, fmt::format("'.' or '[' must follow ']'; {}", kExample));
    }
  }
  fail(assignment, fmt::format("the key before '=' is empty; {}", kExample));
}

int levels_of(const Node& node) {
  int deepest = 0;
  if (node.is_list())
    for (const Node& item : node.items()) deepest = std::max(deepest, levels_of(item));
  if (node.is_map())
    for (const auto& [key, value] : node.entries()) deepest = std::max(deepest, levels_of(value));
  return deepest + 1;
}

void set_places(Node& node, const Place& place) {
  node.set_place(place);
  node.set_own_key_place(place);
  if (node.is_list())
    for (Node& item : node.items()) set_places(item, place);
  if (node.is_map())
    for (auto& [key, value] : node.entries()) set_places(value, place);
}

Node parse_value(std::string_view assignment, std::string_view text) {
  Node value;
  if (!text.empty()) {
    try {
      value = parse_yaml(text, "value");
    } catch (const UserError& error) {
      fail(assignment, error.what());
    }
  }
  set_places(value, {"command line", 0, 0});
  return value;
}

// The node `step` leads to, made where it is missing.
Node& descend(Node& node, const Step& step, std::string_view assignment, const std::string& walked) {
  const std::string name = walked.empty() ? "the top level" : "'" + walked + "'";
  if (const auto* index = std::get_if<size_t>(&step)) {
    if (!node.is_list()) fail(assignment, fmt::format("{} is {}, not a list", name, name_of(node.kind())));
    if (*index >= node.items().size()) {
      fail(assignment, fmt::format("{} has {} items, so there is no [{}]; indices count from 0", name, node.items().size(), *index));
    }
    return node.items()[*index];
  }
  const auto& key = std::get<std::string>(step);
  if (node.is_null()) {
    const Place place = node.place();
    const Place key_place = node.own_key_place();
    node = Node::map({});
    node.set_place(place);
    node.set_own_key_place(key_place);
  }
  if (node.is_list()) fail(assignment, fmt::format("{} is a list; name an item, as in {}[0]", name, walked));
  if (!node.is_map()) fail(assignment, fmt::format("{} is {}, so '{}' cannot be set in it", name, name_of(node.kind()), key));
  if (node.find(key) == nullptr) {
    Node child;
    set_places(child, {"command line", 0, 0});
    node.set(key, std::move(child));
  }
  return *node.find(key);
}

// ---- environment ----

std::string read_variable(std::string_view body, const Place& place) {
  const size_t separator = body.find(":-");
  const std::string name(body.substr(0, separator));
  const auto valid = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) || !std::all_of(name.begin(), name.end(), valid)) {
    throw UserError(
        fmt::format("{}: '${{{}}}' names no environment variable; write ${{NAME}}, ${{NAME:-default}}, or $${{ for a plain '${{'",
                    to_string(place), body.substr(0, 80)));
  }
  const char* value = std::getenv(name.c_str());
  if (separator != std::string_view::npos) return value != nullptr && *value != '\0' ? value : std::string(body.substr(separator + 2));
  if (value == nullptr) {
    throw UserError(
        fmt::format("{}: the environment variable {} is not set; set it, or write ${{{}:-default}}", to_string(place), name, name));
  }
  return value;
}

std::string expand(std::string_view text, const Place& place) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.substr(i, 3) == "$${") {
      out += "${";
      i += 3;
    } else if (text.substr(i, 2) == "${") {
      const size_t close = text.find('}', i);
      if (close == std::string_view::npos) throw UserError(fmt::format("{}: '${{' without a closing '}}'", to_string(place)));
      out += read_variable(text.substr(i + 2, close - i - 2), place);
      i = close + 1;
    } else {
      out += text[i++];
    }
    if (static_cast<int64_t>(out.size()) > kMaxFileBytes) {
      throw UserError(fmt::format("{}: expands to more than {} bytes", to_string(place), kMaxFileBytes));
    }
  }
  return out;
}

}  // namespace

void apply_override(Node& root, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) fail(assignment, fmt::format("'=' is missing; {}", kExample));
  const std::vector<Step> steps = split_path(assignment, assignment.substr(0, equals));
  Node value = parse_value(assignment, assignment.substr(equals + 1));
  if (static_cast<int>(steps.size()) + levels_of(value) > kMaxDepth) {
    fail(assignment, fmt::format("nested too deep; at most {} levels are allowed", kMaxDepth));
  }
  Node changed = root;  // a failed override changes nothing
  Node* node = &changed;
  std::string walked;
  for (const Step& step : steps) {
    node = &descend(*node, step, assignment, walked);
    if (const auto* index = std::get_if<size_t>(&step)) {
      walked += fmt::format("[{}]", *index);
    } else {
      walked += (walked.empty() ? "" : ".") + std::get<std::string>(step);
    }
  }
  *node = std::move(value);
  root = std::move(changed);
}

void expand_environment(Node& node) {
  if (node.is_string() && node.as_string().find("${") != std::string::npos) {
    Node expanded = Node::string(expand(node.as_string(), node.place()));
    expanded.set_place(node.place());
    expanded.set_own_key_place(node.own_key_place());
    node = std::move(expanded);
  } else if (node.is_list()) {
    for (Node& item : node.items()) expand_environment(item);
  } else if (node.is_map()) {
    for (auto& [key, value] : node.entries()) expand_environment(value);
  }
}

}  // namespace dl::spec
