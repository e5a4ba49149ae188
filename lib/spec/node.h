// Node: a parsed configuration value with its place in the file. The whole of YAML and JSON input becomes Nodes
// before anything reads it, so every later message can say file:line:column and the dotted path.
// Who uses it: layers, data, train and the commands read their configuration from Nodes through Reader (reader.h).
// Invariants: a tree (no aliases, no cycles), at most kMaxNodes nodes and kMaxDepth levels; map keys are unique strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dl::spec {

inline constexpr int64_t kMaxFileBytes = 1 << 20;
inline constexpr int64_t kMaxNodes = 100'000;
inline constexpr int kMaxDepth = 64;

// Where a value was written. line and column count from 1; 0 = not from a file (command line, default).
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
};
std::string to_string(const Place& place);  // "models/lenet.yaml:14:9", "command line", ...

enum class Kind { kNull, kBool, kInt, kFloat, kString, kList, kMap };
const char* name_of(Kind kind);  // "a list", "an integer": for messages

class Node {
 public:
  using Map = std::vector<std::pair<std::string, Node>>;  // in file order

  Node() = default;
  static Node null() { return {}; }
  static Node boolean(bool value);
  static Node integer(int64_t value);
  static Node real(double value);
  static Node string(std::string value);
  static Node list(std::vector<Node> items);
  static Node map(Map entries);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_map() const { return kind_ == Kind::kMap; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_number() const { return kind_ == Kind::kInt || kind_ == Kind::kFloat; }

  // Each checks its kind with DL_CHECK; validate first, with Reader.
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;  // kInt too
  const std::string& as_string() const;
  const std::vector<Node>& items() const;
  std::vector<Node>& items();
  const Map& entries() const;
  Map& entries();
  const Node* find(std::string_view key) const;  // null when absent or not a map
  Node* find(std::string_view key);
  void set(std::string_view key, Node value);  // replaces, or appends at the end

  const Place& place() const { return place_; }
  void set_place(Place place) { place_ = std::move(place); }
  // Place of the key of entry `key` (the value's place when unknown).
  Place key_place(std::string_view key) const;
  void set_key_place(std::string_view key, Place place);
  // The place of the key that this value belongs to, kept with the value; line 0 when there is none.
  const Place& own_key_place() const { return key_place_; }
  void set_own_key_place(Place place) { key_place_ = std::move(place); }

  friend bool operator==(const Node& a, const Node& b);  // by value, places do not count

 private:
  Kind kind_ = Kind::kNull;
  bool bool_ = false;
  int64_t int_ = 0;
  double float_ = 0;
  std::string string_;
  std::vector<Node> items_;
  Map entries_;
  Place place_;
  Place key_place_;  // of the key this value belongs to, in a map
};

}  // namespace dl::spec
