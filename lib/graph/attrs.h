// Attributes of a graph node: a few named values, sorted by name, compared and hashed by content.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tensor/dim.h"
#include "tensor/tensor.h"

namespace dl {

struct Program;

// A Program inside of an operator, such as one step of a loop; compared and hashed by its text. Null: none.
class Body {
 public:
  Body() = default;
  explicit Body(std::shared_ptr<const Program> program);
  const Program* program() const { return program_.get(); }
  const std::string& text() const { return *text_; }  // to_text of the program
  friend bool operator==(const Body& a, const Body& b);

 private:
  std::shared_ptr<const Program> program_;
  std::shared_ptr<const std::string> text_ = std::make_shared<const std::string>();
};

// Booleans are int64_t 0 or 1. Shape carries sizes that may be symbolic.
using AttrValue = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, Shape, DType, Tensor, Body>;

class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<std::string, AttrValue>> values);

  void set(std::string_view name, AttrValue value);
  const AttrValue* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  const std::vector<std::pair<std::string, AttrValue>>& values() const { return values_; }

  // DL_CHECK that the attribute is there and of that type: Graph::add has filled the defaults of the operator.
  int64_t integer(std::string_view name) const;
  bool flag(std::string_view name) const { return integer(name) != 0; }
  double real(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  const std::vector<int64_t>& integers(std::string_view name) const;
  const std::vector<double>& reals(std::string_view name) const;
  const Shape& shape(std::string_view name) const;
  DType dtype(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const;
  const Program& body(std::string_view name) const;  // DL_CHECK that there is one

 private:
  std::vector<std::pair<std::string, AttrValue>> values_;
};

bool operator==(const Attrs& a, const Attrs& b);
uint64_t hash_of(const Attrs& attrs);
std::string to_string(const AttrValue& value);
std::string to_string(const Attrs& attrs);  // "axes=[0, 1] keepdims=1"

}  // namespace dl
