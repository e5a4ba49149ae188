#include "layers/einsum.h"

#include <fmt/format.h>

#include <vector>

#include "base/error.h"
#include "ops/builders.h"

namespace dl {
namespace {

bool has(const std::string& axes, char letter) { return axes.find(letter) != std::string::npos; }

// Sums over the letters that only this operand has and the result lacks; they vanish from `axes`.
Var sum_own(Var x, std::string& axes, const std::string& other, const std::string& out) {
  std::vector<int64_t> summed;
  std::string kept;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (has(other, axes[i]) || has(out, axes[i])) {
      kept += axes[i];
    } else {
      summed.push_back(static_cast<int64_t>(i));
    }
  }
  axes = kept;
  return summed.empty() ? x : reduce_sum(x, summed);
}

std::string letters_of(const std::string& axes, const std::string& other, const std::string& out, bool in_other, bool in_out) {
  std::string letters;
  for (char letter : axes)
    if (has(other, letter) == in_other && has(out, letter) == in_out) letters += letter;
  return letters;
}

Dim size_of_letter(Var x, const std::string& axes, char letter) { return x.dim(static_cast<int64_t>(axes.find(letter))); }

Shape sizes_of(Var x, const std::string& axes, const std::string& letters) {
  Shape sizes;
  for (char letter : letters) sizes.push_back(size_of_letter(x, axes, letter));
  return sizes;
}

Var permute(Var x, const std::string& from, const std::string& to) {
  std::vector<int64_t> perm;
  for (char letter : to) perm.push_back(static_cast<int64_t>(from.find(letter)));
  return from == to ? x : transpose(x, perm);
}

}  // namespace

Var einsum(Var x, const std::string& a, Var y, const std::string& b, const std::string& out) {
  if (static_cast<size_t>(x.rank()) != a.size() || static_cast<size_t>(y.rank()) != b.size())
    throw UserError(fmt::format("'{},{}->{}' does not fit {} and {}", a, b, out, to_string(x.shape()), to_string(y.shape())));
  std::string left = a, right = b;
  x = sum_own(x, left, b, out);
  y = sum_own(y, right, a, out);
  for (char letter : left)
    if (has(right, letter) && !(size_of_letter(x, left, letter) == size_of_letter(y, right, letter)))
      throw UserError(fmt::format("axis '{}' of '{},{}->{}' has the size {} in one operand and {} in the other", letter, a, b, out,
                                  to_string(size_of_letter(x, left, letter)), to_string(size_of_letter(y, right, letter))));
  const std::string batch = letters_of(left, right, out, true, true), summed = letters_of(left, right, out, true, false);
  const std::string rows = letters_of(left, right, out, false, true), columns = letters_of(right, left, out, false, true);
  const Shape batch_sizes = sizes_of(x, left, batch), row_sizes = sizes_of(x, left, rows), column_sizes = sizes_of(y, right, columns);
  const Dim inner = element_count(sizes_of(x, left, summed));
  const auto with = [&](Dim first, Dim second) {
    Shape shape = batch_sizes;
    shape.insert(shape.end(), {first, second});
    return shape;
  };
  const Var m = reshape(permute(x, left, batch + rows + summed), with(element_count(row_sizes), inner));
  const Var n = reshape(permute(y, right, batch + summed + columns), with(inner, element_count(column_sizes)));
  Shape shape = batch_sizes;
  shape.insert(shape.end(), row_sizes.begin(), row_sizes.end());
  shape.insert(shape.end(), column_sizes.begin(), column_sizes.end());
  return permute(reshape(matmul(m, n), shape), batch + rows + columns, out);
}

}  // namespace dl
