// Expressions of Lambda layers and losses ("x * sigmoid(1.702 * x)", "mean(abs(y_true - y_pred), axis=-1)") as a tree.
// Who uses it: layers and losses turn the tree into operators; nothing is evaluated and no name is resolved here.
// Grammar, Python's precedence:  comparison: sum [(< <= > >= == !=) sum];  sum: product {(+ -) product};
// product: unary {(* /) unary};  unary: (+ -) unary | power;  power: primary [** unary];
// primary: number | name | name(argument, ...) | (comparison) | [comparison, ...];  argument: comparison | name=comparison.
// Invariants: at most kMaxExpressionBytes of text, kMaxExpressionDepth nested levels, kMaxExpressionHeight levels of the tree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spec/node.h"

namespace dl::spec {

inline constexpr size_t kMaxExpressionBytes = 10'000;
inline constexpr int kMaxExpressionDepth = 64;
inline constexpr int kMaxExpressionHeight = 512;  // long sums and products lean to the left

struct Expr {
  enum class Kind { kNumber, kName, kCall, kUnary, kBinary, kList };

  Kind kind = Kind::kNumber;
  double number = 0;       // kNumber; finite
  bool integral = false;   // kNumber: written without point and exponent
  std::string name;        // kName; kCall: the function; kUnary: "-" or "+"; kBinary: "+", "**", "<=", ...
  std::vector<Expr> args;  // kCall, kList; kUnary: one operand; kBinary: two
  std::string keyword;     // as an argument of a call: its keyword, "" when positional
  int column = 0;          // of the first character, an operator's sign, a call's name; characters counted from 1
  int height = 1;

  // The argument with this keyword; null when absent.
  const Expr* find(std::string_view argument) const;
};

// UserError "place: expression, column 7: what is wrong, what is allowed".
Expr parse_expression(std::string_view text, const Place& place = {});
// The same, from a string or number in a specification; UserError for other kinds.
Expr parse_expression(const Node& node);
// How to write a formula, for one that stands in the place of a name; "" for what looks like a name.
std::string formula_hint(std::string_view text);
// Fully parenthesised text that parses back to an equal tree: "(x * sigmoid((1.702 * x)))".
std::string to_string(const Expr& expression);
bool equal(const Expr& a, const Expr& b);  // columns do not count

}  // namespace dl::spec
