#include "io/keras/json_node.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"

namespace dl {
namespace {

using spec::Node;

constexpr int64_t kMaxValues = 500'000;

// Builds the tree from nlohmann's events, so that no second tree exists and limits hold while reading.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Node take() { return std::move(root_); }
  const std::string& error() const { return error_; }

  bool null() override { return add({}); }
  bool boolean(bool value) override { return add(Node::boolean(value)); }
  bool number_integer(number_integer_t value) override { return add(Node::integer(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return add(value > INT64_MAX ? Node::real(static_cast<double>(value)) : Node::integer(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override { return add(Node::real(value)); }
  bool string(string_t& value) override { return add(Node::string(std::move(value))); }
  bool binary(binary_t&) override { return fail("binary data"); }
  bool start_object(std::size_t) override { return open(Node::map({})); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Node::list({})); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    if (open_.back()->entries().size() < 64 ? open_.back()->find(value) != nullptr : false)
      return fail(fmt::format("the key '{}' appears twice", value));
    keys_.back() = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail(fmt::format("syntax error at byte {}", position));
  }

 private:
  bool fail(const std::string& message) {
    if (error_.empty()) error_ = message;
    return false;
  }

  Node* place(Node value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Node& parent = *open_.back();
    if (parent.is_list()) return &parent.items().emplace_back(std::move(value));
    return &parent.entries().emplace_back(std::move(keys_.back()), std::move(value)).second;
  }
  bool add(Node value) {
    if (++values_ > kMaxValues) return fail("more values than any model has");
    place(std::move(value));
    return true;
  }
  // Pointers into a parent stay valid while a child is open: the parent does not grow meanwhile.
  bool open(Node value) {
    if (++values_ > kMaxValues) return fail("more values than any model has");
    if (open_.size() >= static_cast<size_t>(kMaxJsonDepth)) return fail(fmt::format("more than {} levels", kMaxJsonDepth));
    open_.push_back(place(std::move(value)));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  Node root_;
  std::vector<Node*> open_;
  std::vector<std::string> keys_;
  int64_t values_ = 0;
  std::string error_;
};

void write_text(std::string& out, const std::string& text) {
  out += nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void write(std::string& out, const Node& node) {
  switch (node.kind()) {
    case spec::Kind::kNull:
      out += "null";
      break;
    case spec::Kind::kBool:
      out += node.as_bool() ? "true" : "false";
      break;
    case spec::Kind::kInt:
      out += fmt::format("{}", node.as_int());
      break;
    case spec::Kind::kFloat: {
      const double value = node.as_double();
      // Python's names; its json module reads and writes them.
      const std::string text = std::isnan(value)   ? "NaN"
                               : std::isinf(value) ? (value > 0 ? "Infinity" : "-Infinity")
                                                   : fmt::format("{}", value);
      out += text;
      if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) out += ".0";
      break;
    }
    case spec::Kind::kString:
      write_text(out, node.as_string());
      break;
    case spec::Kind::kList: {
      out += '[';
      const char* separator = "";
      for (const Node& item : node.items()) {
        out += separator;
        write(out, item);
        separator = ", ";
      }
      out += ']';
      break;
    }
    case spec::Kind::kMap: {
      out += '{';
      const char* separator = "";
      for (const auto& [key, value] : node.entries()) {
        out += separator;
        write_text(out, key);
        out += ": ";
        write(out, value);
        separator = ", ";
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

Node parse_json(std::string_view text, const std::string& place) {
  Builder builder;
  const bool good = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  if (!good) throw FileError(fmt::format("{}: is no JSON: {}", place, builder.error()));
  return builder.take();
}

std::string to_json(const Node& node) {
  std::string out;
  write(out, node);
  return out;
}

}  // namespace dl
