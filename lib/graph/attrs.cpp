#include "graph/attrs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/philox.h"
#include "graph/program.h"

namespace dl {

Body::Body(std::shared_ptr<const Program> program)
    : program_(std::move(program)), text_(std::make_shared<const std::string>(program_ ? to_text(*program_) : "")) {}

bool operator==(const Body& a, const Body& b) {
  if (a.program_ == b.program_) return true;
  return a.program_ && b.program_ && *a.text_ == *b.text_ && same_program(*a.program_, *b.program_);
}

Attrs::Attrs(std::initializer_list<std::pair<std::string, AttrValue>> values) {
  for (const auto& [name, value] : values) set(name, value);
}

void Attrs::set(std::string_view name, AttrValue value) {
  auto it = std::lower_bound(values_.begin(), values_.end(), name, [](const auto& entry, std::string_view n) { return entry.first < n; });
  if (it != values_.end() && it->first == name) {
    it->second = std::move(value);
  } else {
    values_.insert(it, {std::string(name), std::move(value)});
  }
}

const AttrValue* Attrs::find(std::string_view name) const {
  for (const auto& [key, value] : values_)
    if (key == name) return &value;
  return nullptr;
}

namespace {

template <class T>
const T& get(const Attrs& attrs, std::string_view name) {
  const AttrValue* value = attrs.find(name);
  DL_CHECK(value, fmt::format("attribute '{}' is missing", name));
  const T* typed = std::get_if<T>(value);
  DL_CHECK(typed, fmt::format("attribute '{}' has another type", name));
  return *typed;
}

bool same(const AttrValue& a, const AttrValue& b) {
  if (a.index() != b.index()) return false;
  if (const Tensor* t = std::get_if<Tensor>(&a)) return bit_equal(*t, std::get<Tensor>(b));
  if (const double* d = std::get_if<double>(&a)) return std::memcmp(d, &std::get<double>(b), sizeof *d) == 0;  // NaN equals itself
  return std::visit(
      [&](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, Tensor>)
          return false;
        else
          return x == std::get<T>(b);
      },
      a);
}

}  // namespace

int64_t Attrs::integer(std::string_view name) const { return get<int64_t>(*this, name); }
double Attrs::real(std::string_view name) const { return get<double>(*this, name); }
const std::string& Attrs::text(std::string_view name) const { return get<std::string>(*this, name); }
const std::vector<int64_t>& Attrs::integers(std::string_view name) const { return get<std::vector<int64_t>>(*this, name); }
const std::vector<double>& Attrs::reals(std::string_view name) const { return get<std::vector<double>>(*this, name); }
const Shape& Attrs::shape(std::string_view name) const { return get<Shape>(*this, name); }
const Program& Attrs::body(std::string_view name) const {
  const Program* program = get<Body>(*this, name).program();
  DL_CHECK(program, fmt::format("attribute '{}' is empty", name));
  return *program;
}
DType Attrs::dtype(std::string_view name) const { return get<DType>(*this, name); }
const Tensor& Attrs::tensor(std::string_view name) const { return get<Tensor>(*this, name); }

bool operator==(const Attrs& a, const Attrs& b) {
  return std::equal(a.values().begin(), a.values().end(), b.values().begin(), b.values().end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && same(x.second, y.second); });
}

uint64_t hash_of(const Attrs& attrs) {
  uint64_t hash = 0;
  for (const auto& [name, value] : attrs.values()) {
    hash = hash * 31 + hash_name(name.data(), name.size());
    if (const Tensor* t = std::get_if<Tensor>(&value)) {
      hash = hash * 31 + hash_name(static_cast<const char*>(t->raw()), std::min<size_t>(t->bytes(), 1024));
    } else {
      const std::string text = to_string(value);
      hash = hash * 31 + hash_name(text.data(), text.size());
    }
  }
  return hash;
}

std::string to_string(const AttrValue& value) {
  return std::visit(
      [](const auto& x) -> std::string {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return "'" + x + "'";
        } else if constexpr (std::is_same_v<T, Shape>) {
          return to_string(x);
        } else if constexpr (std::is_same_v<T, DType>) {
          return name_of(x);
        } else if constexpr (std::is_same_v<T, Tensor>) {
          if (x.size() == 1) return fmt::format("{}", x.at(0));
          return fmt::format("<{} {}>", name_of(x.dtype()), to_string(std::span<const int64_t>(x.dims())));
        } else if constexpr (std::is_same_v<T, Body>) {
          return "{\n" + x.text() + "}";
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
          return to_string(std::span<const int64_t>(x));
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          return fmt::format("[{}]", fmt::join(x, ", "));
        } else {
          return fmt::format("{}", x);
        }
      },
      value);
}

std::string to_string(const Attrs& attrs) {
  std::string text;
  for (const auto& [name, value] : attrs.values()) text += (text.empty() ? "" : " ") + name + "=" + to_string(value);
  return text;
}

}  // namespace dl
