#include "layers/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "layers/activations.h"
#include "layers/constraints.h"
#include "layers/initializers.h"
#include "layers/regularizers.h"

namespace dl {

// A size or count beyond this is a slip of the keyboard, and products of two still fit into int64.
constexpr double kMaxSize = 2147483647;

using spec::Kind;

ConfigKey int_key(const std::string& name, int64_t min) {
  return {.name = name, .kind = KeyKind::kInt, .required = true, .min = static_cast<double>(min), .max = kMaxSize};
}
ConfigKey int_key(const std::string& name, spec::Node fallback, int64_t min) {
  return {.name = name, .kind = KeyKind::kInt, .fallback = std::move(fallback), .min = static_cast<double>(min), .max = kMaxSize};
}
ConfigKey float_key(const std::string& name, double fallback, double min, double max) {
  return {.name = name, .kind = KeyKind::kFloat, .fallback = spec::Node::real(fallback), .min = min, .max = max};
}
ConfigKey bool_key(const std::string& name, bool fallback) {
  return {.name = name, .kind = KeyKind::kBool, .fallback = spec::Node::boolean(fallback)};
}
ConfigKey choice_key(const std::string& name, std::vector<std::string_view> choices, const char* fallback) {
  return {.name = name, .kind = KeyKind::kChoice, .fallback = spec::Node::string(fallback), .choices = std::move(choices)};
}
ConfigKey tuple_key(const std::string& name, size_t rank) {
  return {.name = name, .kind = KeyKind::kTuple, .required = true, .min = 1, .max = kMaxSize, .rank = rank};
}
ConfigKey tuple_key(const std::string& name, size_t rank, spec::Node fallback) {
  if (fallback.kind() == Kind::kInt) fallback = spec::Node::list(std::vector<spec::Node>(rank, fallback));
  return {.name = name, .kind = KeyKind::kTuple, .fallback = std::move(fallback), .min = 1, .max = kMaxSize, .rank = rank};
}
ConfigKey ints_key(const std::string& name, spec::Node fallback, bool required) {
  return {.name = name, .kind = KeyKind::kInts, .fallback = std::move(fallback), .required = required};
}
ConfigKey floats_key(const std::string& name, spec::Node fallback, bool required) {
  return {.name = name, .kind = KeyKind::kFloats, .fallback = std::move(fallback), .required = required};
}
ConfigKey activation_key(const std::string& name, const char* fallback) {
  return {.name = name, .kind = KeyKind::kActivation, .fallback = spec::Node::string(fallback)};
}
ConfigKey initializer_key(const std::string& name, const char* fallback) {
  return {.name = name, .kind = KeyKind::kInitializer, .fallback = spec::Node::string(fallback)};
}
ConfigKey regularizer_key(const std::string& name) { return {.name = name, .kind = KeyKind::kRegularizer}; }
ConfigKey constraint_key(const std::string& name) { return {.name = name, .kind = KeyKind::kConstraint}; }
ConfigKey seed_key() { return {.name = "seed", .kind = KeyKind::kInt}; }
ConfigKey data_format_key() { return choice_key("data_format", {"channels_last", "channels_first"}, "channels_last"); }
ConfigKey any_key(const std::string& name, spec::Node fallback, bool required) {
  return {.name = name, .kind = KeyKind::kAny, .fallback = std::move(fallback), .required = required};
}
ConfigKey unsupported_key(const std::string& name, spec::Node fallback) {
  return {.name = name, .kind = KeyKind::kUnsupported, .fallback = std::move(fallback)};
}
ConfigKey ignored_key(const std::string& name, spec::Node fallback) {
  return {.name = name, .kind = KeyKind::kIgnored, .fallback = std::move(fallback)};
}

std::vector<ConfigKey> join_keys(std::vector<ConfigKey> first, std::vector<ConfigKey> second) {
  first.insert(first.end(), std::make_move_iterator(second.begin()), std::make_move_iterator(second.end()));
  return first;
}

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

const spec::Node& Config::node(std::string_view key) const {
  const spec::Node* node = node_.find(key);
  DL_CHECK(node, fmt::format("config has no key '{}'", key));
  return *node;
}
int64_t Config::integer(std::string_view key) const { return node(key).as_int(); }
double Config::real(std::string_view key) const { return node(key).as_double(); }
bool Config::flag(std::string_view key) const { return node(key).as_bool(); }
const std::string& Config::text(std::string_view key) const { return node(key).as_string(); }
bool Config::given(std::string_view key) const { return !node(key).is_null(); }
std::vector<int64_t> Config::integers(std::string_view key) const {
  std::vector<int64_t> values;
  for (const spec::Node& item : node(key).items()) values.push_back(item.as_int());
  return values;
}
std::vector<double> Config::reals(std::string_view key) const {
  const spec::Node& value = node(key);
  if (value.is_number()) return {value.as_double()};
  std::vector<double> values;
  for (const spec::Node& item : value.items()) values.push_back(item.as_double());
  return values;
}

namespace {

bool is_int_in(const spec::Node& node, const ConfigKey& key) {
  return node.kind() == Kind::kInt && static_cast<double>(node.as_int()) >= key.min && static_cast<double>(node.as_int()) <= key.max;
}

std::string range_of(const ConfigKey& key) {
  const bool low = std::isfinite(key.min), high = std::isfinite(key.max);
  if (low && key.max == kMaxSize) return fmt::format(" >= {}", key.min);
  if (low && high) return fmt::format(" from {} to {}{}", key.min, key.max, key.max_open ? " (exclusive)" : "");
  return low ? fmt::format(" >= {}", key.min) : high ? fmt::format(" <= {}", key.max) : "";
}

// What a value of this kind looks like, for messages.
std::string describe(const ConfigKey& key) {
  switch (key.kind) {
    case KeyKind::kInt:
      return "an integer" + range_of(key);
    case KeyKind::kFloat:
      return "a number" + range_of(key);
    case KeyKind::kBool:
      return "true or false";
    case KeyKind::kString:
      return "a string";
    case KeyKind::kChoice:
      return fmt::format("one of {}", fmt::join(key.choices, ", "));
    case KeyKind::kTuple:
      return fmt::format("an integer{0} or a list of {1} integers{0}", range_of(key), key.rank);
    case KeyKind::kInts:
      return "an integer or a list of integers";
    case KeyKind::kFloats:
      return "a number or a list of numbers";
    case KeyKind::kActivation:
      return "the name of an activation function";
    default:
      return "a value";
  }
}

bool is_float_in(const spec::Node& node, const ConfigKey& key) {
  if (!node.is_number() || !std::isfinite(node.as_double())) return false;
  const double value = node.as_double();
  return value >= key.min && (key.max_open ? value < key.max : value <= key.max);
}

bool all_of_kind(const spec::Node& node, bool (*fits)(const spec::Node&)) {
  return node.is_list() && std::all_of(node.items().begin(), node.items().end(), fits);
}
bool is_int(const spec::Node& node) { return node.kind() == Kind::kInt; }
bool is_number(const spec::Node& node) { return node.is_number() && std::isfinite(node.as_double()); }

void report_activation(spec::Reader& reader, const std::string& key, const std::string& name) {
  reader.report(key, fmt::format("unknown activation '{}'{}", name, spec::suggestion(name, activation_names())));
}

// The normalised value, or nullopt when it does not fit.
std::optional<spec::Node> convert(const spec::Node& value, const ConfigKey& key) {
  switch (key.kind) {
    case KeyKind::kInt:
      return is_int_in(value, key) ? std::optional(value) : std::nullopt;
    case KeyKind::kFloat:
      return is_float_in(value, key) ? std::optional(spec::Node::real(value.as_double())) : std::nullopt;
    case KeyKind::kBool:
      return value.kind() == Kind::kBool ? std::optional(value) : std::nullopt;
    case KeyKind::kString:
      return value.is_string() ? std::optional(value) : std::nullopt;
    case KeyKind::kChoice: {
      const bool known = value.is_string() && std::find(key.choices.begin(), key.choices.end(), value.as_string()) != key.choices.end();
      return known ? std::optional(value) : std::nullopt;
    }
    case KeyKind::kTuple: {
      if (is_int_in(value, key)) return spec::Node::list(std::vector<spec::Node>(key.rank, value));
      if (!value.is_list() || value.items().size() != key.rank) return std::nullopt;
      const bool fits =
          std::all_of(value.items().begin(), value.items().end(), [&](const spec::Node& item) { return is_int_in(item, key); });
      return fits ? std::optional(value) : std::nullopt;
    }
    case KeyKind::kInts:
      if (is_int(value)) return spec::Node::list({value});
      return all_of_kind(value, is_int) ? std::optional(value) : std::nullopt;
    case KeyKind::kFloats:
      return is_number(value) || all_of_kind(value, is_number) ? std::optional(value) : std::nullopt;
    default:
      return value;
  }
}

spec::Node read_key(spec::Reader& reader, const ConfigKey& key) {
  const spec::Node* given = reader.get(key.name);
  const std::string path = reader.path_of(key.name);
  const bool absent = !given || given->is_null();
  if (absent && key.required) {
    reader.report(key.name, "is missing: " + describe(key));
    return {};
  }
  if (given && given->is_null() && key.nullable) return {};
  const spec::Node& value = absent ? key.fallback : *given;
  if (!given && key.kind != KeyKind::kUnsupported && key.kind != KeyKind::kIgnored) reader.problems().note_default(path, value);
  switch (key.kind) {
    case KeyKind::kInitializer:
      return read_initializer(value, path, reader.problems());
    case KeyKind::kRegularizer:
      return value.is_null() ? spec::Node() : read_regularizer(value, path, reader.problems());
    case KeyKind::kConstraint:
      return value.is_null() ? spec::Node() : read_constraint(value, path, reader.problems());
    case KeyKind::kUnsupported:
      if (absent || value == key.fallback) return key.fallback;
      reader.report(key.name, "is not supported yet; leave it out");
      return key.fallback;
    case KeyKind::kActivation: {
      if (value.is_null() || (given && given->is_null())) return spec::Node::string("linear");
      if (!value.is_string()) break;
      const auto names = activation_names();
      if (std::find(names.begin(), names.end(), value.as_string()) != names.end()) return value;
      report_activation(reader, key.name, value.as_string());
      return spec::Node::string("linear");
    }
    case KeyKind::kLayer:
    case KeyKind::kAny:
    case KeyKind::kIgnored:
      return value;
    default:
      break;
  }
  if (absent && value.is_null()) return {};
  if (std::optional<spec::Node> converted = convert(value, key)) return *converted;
  const std::string found = value.is_string()   ? fmt::format("'{}'", value.as_string())
                            : value.is_number() ? fmt::format("{}", value.as_double())
                                                : std::string(name_of(value.kind()));
  std::string hint;
  if (key.kind == KeyKind::kChoice && value.is_string()) {
    const std::string near = spec::nearest(value.as_string(), key.choices);
    if (!near.empty()) hint = fmt::format(" (did you mean '{}'?)", near);
  }
  reader.report(key.name, fmt::format("is {}, must be {}{}", found, describe(key), hint));
  return key.fallback;
}

}  // namespace

Config read_config(spec::Reader& reader, const std::vector<ConfigKey>& keys) {
  Config config;
  for (const ConfigKey& key : keys) config.set(key.name, read_key(reader, key));
  return config;
}

std::optional<spec::NamedConfig> read_object(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  const spec::Node* class_name = node.find("class_name");
  if (!class_name) return spec::read_named(node, path, problems);
  if (!class_name->is_string()) {
    problems.add(class_name->place(), join_path(path, "class_name"),
                 fmt::format("is {}, must be a class name", name_of(class_name->kind())));
    return std::nullopt;
  }
  const spec::Node* config = node.find("config");
  return spec::NamedConfig{class_name->as_string(), config && !config->is_null() ? config : nullptr, &node};
}

}  // namespace dl
