#include "tensor/dim.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <mutex>
#include <unordered_map>

namespace dl {
namespace {

using Monomial = std::vector<int32_t>;           // sorted atom numbers, repeated for powers; empty = constant term
using Polynomial = std::map<Monomial, int64_t>;  // no zero coefficients

struct Atom {
  std::string name;        // a symbol ...
  Polynomial numerator{};  // ... or floor(numerator / divisor) where divisor > 0
  int64_t divisor = 0;
};

int64_t checked(int64_t a, int64_t b, bool multiply) {
  int64_t result = 0;
  const bool overflow = multiply ? __builtin_mul_overflow(a, b, &result) : __builtin_add_overflow(a, b, &result);
  if (overflow) throw UserError("a shape is too large: its size does not fit in 64 bits");
  return result;
}

void add_term(Polynomial& p, const Monomial& m, int64_t coefficient) {
  if (coefficient == 0) return;
  auto [it, inserted] = p.try_emplace(m, coefficient);
  if (inserted) return;
  it->second = checked(it->second, coefficient, false);
  if (it->second == 0) p.erase(it);
}

Polynomial multiply(const Polynomial& a, const Polynomial& b) {
  Polynomial result;
  for (const auto& [ma, ca] : a)
    for (const auto& [mb, cb] : b) {
      Monomial m;
      std::merge(ma.begin(), ma.end(), mb.begin(), mb.end(), std::back_inserter(m));
      add_term(result, m, checked(ca, cb, true));
    }
  return result;
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

}  // namespace

// Interned polynomials and atoms, keyed by their printed form.
struct Dim::Table {
  std::mutex mutex;
  std::deque<Polynomial> polynomials;
  std::deque<Atom> atoms;
  std::unordered_map<std::string, int32_t> polynomial_ids, atom_ids;

  static Table& get() {
    static Table table;
    return table;
  }

  std::string print(const Polynomial& p) const {
    std::string text;
    // Highest terms first, the constant (empty monomial) last: "2*batch + 1".
    for (auto it = p.rbegin(); it != p.rend(); ++it) {
      const auto& [monomial, coefficient] = *it;
      const int64_t magnitude = coefficient < 0 ? -coefficient : coefficient;
      text += text.empty() ? (coefficient < 0 ? "-" : "") : (coefficient < 0 ? " - " : " + ");
      if (monomial.empty() || magnitude != 1) text += std::to_string(magnitude);
      for (size_t i = 0; i < monomial.size(); ++i) text += (i || magnitude != 1 ? "*" : "") + atoms[static_cast<size_t>(monomial[i])].name;
    }
    return text.empty() ? "0" : text;
  }

  int32_t atom(Atom a) {
    auto [it, inserted] = atom_ids.try_emplace(a.name, static_cast<int32_t>(atoms.size()));
    if (inserted) atoms.push_back(std::move(a));
    return it->second;
  }

  Dim intern(Polynomial p) {
    if (p.empty()) return Dim(0);
    if (p.size() == 1 && p.begin()->first.empty()) return Dim(p.begin()->second);
    auto [it, inserted] = polynomial_ids.try_emplace(print(p), static_cast<int32_t>(polynomials.size()));
    if (inserted) polynomials.push_back(std::move(p));
    Dim d;
    d.expression_ = it->second;
    return d;
  }

  Polynomial polynomial(Dim d) const {
    if (!d.known()) return polynomials[static_cast<size_t>(d.expression_)];
    Polynomial p;
    add_term(p, {}, d.value_);
    return p;
  }

  Dim divide(const Polynomial& p, int64_t divisor) {
    if (divisor == 1) return intern(p);
    // floor((k*q + r) / k) = q + floor(r / k): take out what divides.
    Polynomial quotient, rest;
    for (const auto& [m, c] : p) {
      const int64_t q = floor_divide(c, divisor);
      if (c == q * divisor || m.empty()) {
        add_term(quotient, m, q);
        add_term(rest, m, c - q * divisor);
      } else {
        add_term(rest, m, c);
      }
    }
    if (rest.empty() || (rest.size() == 1 && rest.begin()->first.empty())) return intern(quotient);
    const std::string name = "floor((" + print(rest) + ") / " + std::to_string(divisor) + ")";
    add_term(quotient, {atom({name, rest, divisor})}, 1);
    return intern(quotient);
  }

  Dim bind(const Polynomial& p, const Bindings& bindings) {
    Polynomial result;
    for (const auto& [monomial, coefficient] : p) {
      Polynomial term;
      add_term(term, {}, coefficient);
      for (int32_t id : monomial) {
        const Atom a = atoms[static_cast<size_t>(id)];
        Polynomial factor;
        if (a.divisor > 0) {
          factor = polynomial(divide(polynomial(bind(a.numerator, bindings)), a.divisor));
        } else if (auto it = bindings.find(a.name); it != bindings.end()) {
          add_term(factor, {}, it->second);
        } else {
          add_term(factor, {id}, 1);
        }
        term = multiply(term, factor);
      }
      for (const auto& [m, c] : term) add_term(result, m, c);
    }
    return intern(result);
  }
};

Dim Dim::symbol(const std::string& name) {
  Table& table = Table::get();
  std::lock_guard lock(table.mutex);
  Polynomial p;
  add_term(p, {table.atom({name})}, 1);
  return table.intern(p);
}

int64_t Dim::value() const {
  DL_CHECK(known(), "size '" + to_string(*this) + "' is not bound");
  return value_;
}

Dim Dim::bind(const Bindings& bindings) const {
  if (known()) return *this;
  Table& table = Table::get();
  std::lock_guard lock(table.mutex);
  return table.bind(table.polynomial(*this), bindings);
}

Dim operator+(Dim a, Dim b) {
  if (a.known() && b.known()) return Dim(checked(a.value_, b.value_, false));
  Dim::Table& table = Dim::Table::get();
  std::lock_guard lock(table.mutex);
  Polynomial p = table.polynomial(a);
  for (const auto& [m, c] : table.polynomial(b)) add_term(p, m, c);
  return table.intern(p);
}

Dim operator-(Dim a, Dim b) { return a + b * Dim(-1); }

Dim operator*(Dim a, Dim b) {
  if (a.known() && b.known()) return Dim(checked(a.value_, b.value_, true));
  Dim::Table& table = Dim::Table::get();
  std::lock_guard lock(table.mutex);
  return table.intern(multiply(table.polynomial(a), table.polynomial(b)));
}

Dim floor_div(Dim a, int64_t divisor) {
  DL_CHECK(divisor > 0, "division of a size by " + std::to_string(divisor));
  if (a.known()) return Dim(floor_divide(a.value_, divisor));
  Dim::Table& table = Dim::Table::get();
  std::lock_guard lock(table.mutex);
  return table.divide(table.polynomial(a), divisor);
}

std::optional<Dim> exact_div(Dim a, Dim b) {
  if (a.known() && b.known()) {
    if (b.value_ == -1) return Dim(0) - a;  // the least number has no quotient: an overflow, told as such
    if (b.value_ == 0 || a.value_ % b.value_ != 0) return std::nullopt;
    return Dim(a.value_ / b.value_);
  }
  Dim::Table& table = Dim::Table::get();
  std::lock_guard lock(table.mutex);
  const Polynomial numerator = table.polynomial(a), denominator = table.polynomial(b);
  if (a == b) return Dim(1);
  if (denominator.size() != 1) return std::nullopt;
  const auto& [divisor_atoms, divisor] = *denominator.begin();
  Polynomial result;
  for (const auto& [m, c] : numerator) {
    if (c % divisor != 0 || !std::includes(m.begin(), m.end(), divisor_atoms.begin(), divisor_atoms.end())) return std::nullopt;
    Monomial rest;
    std::set_difference(m.begin(), m.end(), divisor_atoms.begin(), divisor_atoms.end(), std::back_inserter(rest));
    add_term(result, rest, c / divisor);
  }
  return table.intern(result);
}

std::string to_string(Dim a) {
  if (a.known()) return std::to_string(a.value_);
  Dim::Table& table = Dim::Table::get();
  std::lock_guard lock(table.mutex);
  return table.print(table.polynomial(a));
}

Dim element_count(const Shape& shape) {
  Dim count(1);
  for (Dim d : shape) count = count * d;
  return count;
}

Shape bind(const Shape& shape, const Bindings& bindings) {
  Shape result;
  result.reserve(shape.size());
  for (Dim d : shape) result.push_back(d.bind(bindings));
  return result;
}

bool all_known(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](Dim d) { return d.known(); });
}

Dims known_dims(const Shape& shape) {
  Dims dims;
  dims.reserve(shape.size());
  for (Dim d : shape) dims.push_back(d.value());
  return dims;
}

Shape to_shape(const Dims& dims) { return {dims.begin(), dims.end()}; }

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + to_string(shape[i]);
  return text + "]";
}

}  // namespace dl
