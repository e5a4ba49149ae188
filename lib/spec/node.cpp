#include "spec/node.h"

#include <cmath>

#include "base/error.h"

namespace dl::spec {

std::string to_string(const Place& place) {
  if (place.line <= 0) return place.file.empty() ? "default" : place.file;
  std::string text = place.file.empty() ? "line" : place.file;
  text += ':' + std::to_string(place.line);
  if (place.column > 0) text += ':' + std::to_string(place.column);
  return text;
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "a boolean";
    case Kind::kInt:
      return "an integer";
    case Kind::kFloat:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "?";
}

Node Node::boolean(bool value) {
  Node node;
  node.kind_ = Kind::kBool;
  node.bool_ = value;
  return node;
}

Node Node::integer(int64_t value) {
  Node node;
  node.kind_ = Kind::kInt;
  node.int_ = value;
  return node;
}

Node Node::real(double value) {
  Node node;
  node.kind_ = Kind::kFloat;
  node.float_ = value;
  return node;
}

Node Node::string(std::string value) {
  Node node;
  node.kind_ = Kind::kString;
  node.string_ = std::move(value);
  return node;
}

Node Node::list(std::vector<Node> items) {
  Node node;
  node.kind_ = Kind::kList;
  node.items_ = std::move(items);
  return node;
}

Node Node::map(Map entries) {
  Node node;
  node.kind_ = Kind::kMap;
  node.entries_ = std::move(entries);
  return node;
}

namespace {
std::string wrong_kind(Kind found, Kind wanted) { return std::string("node is ") + name_of(found) + ", not " + name_of(wanted); }
}  // namespace

bool Node::as_bool() const {
  DL_CHECK(kind_ == Kind::kBool, wrong_kind(kind_, Kind::kBool));
  return bool_;
}

int64_t Node::as_int() const {
  DL_CHECK(kind_ == Kind::kInt, wrong_kind(kind_, Kind::kInt));
  return int_;
}

double Node::as_double() const {
  DL_CHECK(is_number(), wrong_kind(kind_, Kind::kFloat));
  return kind_ == Kind::kInt ? static_cast<double>(int_) : float_;
}

const std::string& Node::as_string() const {
  DL_CHECK(kind_ == Kind::kString, wrong_kind(kind_, Kind::kString));
  return string_;
}

const std::vector<Node>& Node::items() const {
  DL_CHECK(kind_ == Kind::kList, wrong_kind(kind_, Kind::kList));
  return items_;
}

std::vector<Node>& Node::items() {
  DL_CHECK(kind_ == Kind::kList, wrong_kind(kind_, Kind::kList));
  return items_;
}

const Node::Map& Node::entries() const {
  DL_CHECK(kind_ == Kind::kMap, wrong_kind(kind_, Kind::kMap));
  return entries_;
}

Node::Map& Node::entries() {
  DL_CHECK(kind_ == Kind::kMap, wrong_kind(kind_, Kind::kMap));
  return entries_;
}

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, value] : entries_)
    if (name == key) return &value;
  return nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

void Node::set(std::string_view key, Node value) {
  DL_CHECK(kind_ == Kind::kMap, wrong_kind(kind_, Kind::kMap));
  if (Node* old = find(key)) {
    *old = std::move(value);
  } else {
    entries_.emplace_back(std::string(key), std::move(value));
  }
}

Place Node::key_place(std::string_view key) const {
  const Node* value = find(key);
  if (value == nullptr) return place_;
  return !value->key_place_.file.empty() ? value->key_place_ : value->place_;
}

void Node::set_key_place(std::string_view key, Place place) {
  if (Node* value = find(key)) value->key_place_ = std::move(place);
}

bool operator==(const Node& a, const Node& b) {
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return a.bool_ == b.bool_;
    case Kind::kInt:
      return a.int_ == b.int_;
    // NaN equals NaN here, so that a value read back from text compares equal to what was written.
    case Kind::kFloat:
      return a.float_ == b.float_ || (std::isnan(a.float_) && std::isnan(b.float_));
    case Kind::kString:
      return a.string_ == b.string_;
    case Kind::kList:
      return a.items_ == b.items_;
    case Kind::kMap:
      return a.entries_ == b.entries_;
  }
  return false;
}

}  // namespace dl::spec
