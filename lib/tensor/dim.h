// Dim: a size that may be symbolic. A Graph is built once with names such as "batch" and "time" for the sizes that are
// only known later; a Plan binds them. A symbolic Dim is a polynomial with integer coefficients over atoms, an atom being
// a name or floor(polynomial / k); equal polynomials are the same Dim, so shapes compare by value.
// Thread-safety: the table of polynomials is shared by the process and locked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

using Bindings = std::map<std::string, int64_t>;  // symbol -> size

class Dim {
 public:
  Dim(int64_t value = 0) : value_(value) {}  // NOLINT(google-explicit-constructor): a number is a known size
  static Dim symbol(const std::string& name);

  bool known() const { return expression_ < 0; }
  int64_t value() const;  // known() only
  // Substitutes what `bindings` names; other symbols stay.
  Dim bind(const Bindings& bindings) const;

  friend Dim operator+(Dim a, Dim b);
  friend Dim operator-(Dim a, Dim b);
  friend Dim operator*(Dim a, Dim b);
  friend Dim floor_div(Dim a, int64_t divisor);  // divisor > 0
  friend Dim ceil_div(Dim a, int64_t divisor) { return floor_div(a + Dim(divisor - 1), divisor); }
  // a / b where it divides without remainder for every binding that can be seen symbolically; nullopt else.
  friend std::optional<Dim> exact_div(Dim a, Dim b);
  friend bool operator==(Dim a, Dim b) { return a.value_ == b.value_ && a.expression_ == b.expression_; }
  friend std::string to_string(Dim a);  // "3", "batch", "floor((time - 2) / 2) + 1"

 private:
  struct Table;
  int64_t value_;
  int32_t expression_ = -1;
};

Dim floor_div(Dim a, int64_t divisor);
Dim ceil_div(Dim a, int64_t divisor);
std::optional<Dim> exact_div(Dim a, Dim b);
std::string to_string(Dim a);

using Shape = std::vector<Dim>;

Dim element_count(const Shape& shape);
Shape bind(const Shape& shape, const Bindings& bindings);
bool all_known(const Shape& shape);
Dims known_dims(const Shape& shape);  // DL_CHECKs all_known
Shape to_shape(const Dims& dims);
std::string to_string(const Shape& shape);  // "[batch, 28, 28, 1]"

}  // namespace dl
