// Config keys of layers and losses as tables: one ConfigKey per key of Keras's config, with Keras's default. One function
// reads a map against such a table and yields a complete, normalised Config, which is also what an exporter writes.
// Who uses it: every layers/<layer>.cpp declares its keys; model parsing, losses and the man page read them.
// Invariant: a Config holds every key of its table (null where "not given" has a meaning of its own).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/node.h"
#include "spec/reader.h"

namespace dl {

enum class KeyKind {
  kInt,
  kFloat,
  kBool,
  kString,
  kChoice,
  kTuple,        // an integer or a list of `rank` integers; becomes a list
  kInts,         // an integer or a list of integers; becomes a list
  kFloats,       // a number or a list of numbers; stays what it is
  kActivation,   // name of an activation function; null becomes "linear"
  kInitializer,  // becomes {class_name, config} with every key
  kRegularizer,  // null, or {class_name, config} with every key
  kConstraint,   // the same
  kLayer,        // a layer as in `layers:`; kept as written, read by the layer's `check`
  kAny,          // kept as written; the layer's `check` normalises it
  kUnsupported,  // a key of Keras that has to keep its default; anything else is an error, never ignored
  kIgnored,      // a key of Keras that cannot change a number here (unroll, use_cudnn)
};

struct ConfigKey {
  std::string name;
  KeyKind kind;
  spec::Node fallback = {};
  bool required = false;
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool max_open = false;  // max itself is not allowed
  bool nullable = false;  // null stays null where the default is a value
  size_t rank = 0;
  std::vector<std::string_view> choices = {};
};

// Rows for the tables. Without a default the key is required.
ConfigKey int_key(const std::string& name, int64_t min);
ConfigKey int_key(const std::string& name, spec::Node fallback, int64_t min);
ConfigKey float_key(const std::string& name, double fallback, double min, double max = std::numeric_limits<double>::infinity());
ConfigKey bool_key(const std::string& name, bool fallback);
ConfigKey choice_key(const std::string& name, std::vector<std::string_view> choices, const char* fallback);
ConfigKey tuple_key(const std::string& name, size_t rank);
ConfigKey tuple_key(const std::string& name, size_t rank, spec::Node fallback);
ConfigKey ints_key(const std::string& name, spec::Node fallback = {}, bool required = false);
ConfigKey floats_key(const std::string& name, spec::Node fallback = {}, bool required = false);
ConfigKey activation_key(const std::string& name, const char* fallback);
ConfigKey initializer_key(const std::string& name, const char* fallback);
ConfigKey regularizer_key(const std::string& name);
ConfigKey constraint_key(const std::string& name);
ConfigKey seed_key();
ConfigKey data_format_key();
ConfigKey any_key(const std::string& name, spec::Node fallback = {}, bool required = false);
ConfigKey unsupported_key(const std::string& name, spec::Node fallback = {});
ConfigKey ignored_key(const std::string& name, spec::Node fallback = {});

// The keys of several tables in a row.
std::vector<ConfigKey> join_keys(std::vector<ConfigKey> first, std::vector<ConfigKey> second);

class Config {
 public:
  // Each DL_CHECKs that the key is there and of that kind.
  int64_t integer(std::string_view key) const;
  double real(std::string_view key) const;
  bool flag(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> reals(std::string_view key) const;  // a single number gives one element
  bool given(std::string_view key) const;                 // not null
  bool has(std::string_view key) const { return node_.find(key) != nullptr; }
  const spec::Node& node(std::string_view key) const;

  void set(std::string_view key, spec::Node value) { node_.set(key, std::move(value)); }
  const spec::Node& values() const { return node_; }

 private:
  spec::Node node_ = spec::Node::map({});
};

// Reads every key of `keys`; problems are reported through `reader`, whose finish() stays with the caller.
Config read_config(spec::Reader& reader, const std::vector<ConfigKey>& keys);

// {class_name: X, config: {...}} as Keras writes it, or {X: {...}}, or "X".
std::optional<spec::NamedConfig> read_object(const spec::Node& node, const std::string& path, spec::Problems& problems);

// The dotted path one level down.
std::string join_path(const std::string& path, std::string_view key);

}  // namespace dl
