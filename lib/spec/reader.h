// Reader: takes typed values out of a map Node, collects every problem instead of stopping at the first, and reports
// keys nobody asked for with the nearest known one. One Problems list serves a whole run file; it also keeps the defaults taken.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/defaults.h"
#include "spec/node.h"

namespace dl::spec {

// Everything wrong with a spec, in file order. `path` is dotted: layers[3].units
class Problems {
 public:
  void add(const Place& place, const std::string& path, const std::string& message);
  bool empty() const { return lines_.empty(); }
  const std::vector<std::string>& lines() const { return lines_; }
  // Throws one UserError whose message holds all lines, each "file:line:column: path: what, what is allowed".
  void throw_if_any() const;

  // The value taken for a key that is not there. Null and "" stand for "none" and are not kept.
  void note_default(const std::string& path, const Node& value);
  std::vector<Default> take_defaults() { return std::exchange(defaults_, {}); }  // those noted since the last call

 private:
  struct Order {
    int file, line, column;  // file: in order of first appearance
    auto operator<=>(const Order&) const = default;
  };
  std::vector<std::string> lines_;
  std::vector<Order> orders_;  // parallel to lines_
  std::vector<std::string> files_;
  std::vector<Default> defaults_;
};

struct IntRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};
struct FloatRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false;  // min itself is not allowed
  bool max_open = false;
};

class Reader {
 public:
  // `node` must be a map or null (an empty map); anything else is reported. `path` is the dotted path of `node`.
  Reader(const Node& node, std::string path, Problems& problems);

  // Each reads one key once, marks it as known, and returns the default (or a harmless value) after reporting a problem.
  // Without a default the key is required. A key whose value is null is reported: leave it out for the default, or use get().
  int64_t get_int(std::string_view key, std::optional<int64_t> fallback = {}, IntRange range = {});
  double get_float(std::string_view key, std::optional<double> fallback = {}, FloatRange range = {});  // finite only
  bool get_bool(std::string_view key, std::optional<bool> fallback = {});
  std::string get_string(std::string_view key, std::optional<std::string> fallback = {});
  std::string get_choice(std::string_view key, std::span<const std::string_view> allowed, std::optional<std::string> fallback = {});
  std::vector<int64_t> get_ints(std::string_view key, std::optional<std::vector<int64_t>> fallback = {}, IntRange range = {});
  std::vector<std::string> get_strings(std::string_view key, std::optional<std::vector<std::string>> fallback = {});
  // An integer or a list of exactly `rank` integers (kernel_size: 3 or [3, 5]).
  std::vector<int64_t> get_tuple(std::string_view key, size_t rank, std::optional<int64_t> fallback, IntRange range = {1, 1 << 20});
  // The raw child, null when absent; marks it as known.
  const Node* get(std::string_view key);
  bool has(std::string_view key) const;

  // Report at the place of `key` (or of the map when absent).
  void report(std::string_view key, const std::string& message);
  // Reports every key that was not asked for. Call once, last.
  void finish();

  const Node& node() const { return node_; }
  std::string path_of(std::string_view key) const;
  Problems& problems() { return problems_; }

 private:
  // `fallback`: the default as a Node; null where the key is required.
  const Node* fetch(std::string_view key, bool required, const std::string& wanted, const Node& fallback);

  const Node& node_;
  std::string path_;
  Problems& problems_;
  std::vector<std::string> known_;
};

// A name with an optional config, as Keras users write them: "relu", {Adam: {learning_rate: 0.1}}, "Conv2D" with null.
struct NamedConfig {
  std::string name;
  const Node* config = nullptr;  // null when only a name was given
  const Node* source = nullptr;  // the whole node, for its place
};
// Reports and returns nullopt when `node` is not of that form.
std::optional<NamedConfig> read_named(const Node& node, const std::string& path, Problems& problems);

// The candidate with the smallest edit distance to `word`, if near enough to be a likely typo. "" if none.
std::string nearest(std::string_view word, std::span<const std::string_view> candidates);
// " (did you mean 'x'?)" or "; known: a, b, c" for up to a dozen candidates; "" when there is nothing to say.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace dl::spec
