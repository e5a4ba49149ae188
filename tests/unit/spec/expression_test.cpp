#include "spec/expression.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "spec/yaml.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::spec;

namespace {

std::string text_of(std::string_view text) { return to_string(parse_expression(text)); }

std::string error_of(std::string_view text) {
  try {
    parse_expression(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("precedence and grouping are Python's") {
  CHECK(text_of("x * sigmoid(1.702 * x)") == "(x * sigmoid((1.702 * x)))");
  CHECK(text_of("a - b - c") == "((a - b) - c)");
  CHECK(text_of("a / b * c") == "((a / b) * c)");
  CHECK(text_of("a + b * c") == "(a + (b * c))");
  CHECK(text_of("(a + b) * c") == "((a + b) * c)");
  CHECK(text_of("-x ** 2") == "(-(x ** 2))");
  CHECK(text_of("2 ** -x") == "(2 ** (-x))");
  CHECK(text_of("a ** b ** c") == "(a ** (b ** c))");
  CHECK(text_of("-x * y") == "((-x) * y)");
  CHECK(text_of("--x") == "(-(-x))");
  CHECK(text_of("a + b < c * d") == "((a + b) < (c * d))");
  CHECK(text_of("(a <= b) == (c != d)") == "((a <= b) == (c != d))");
  CHECK(text_of("a**b>=c") == "((a ** b) >= c)");
}

TEST_CASE("numbers, calls, keywords, lists") {
  CHECK(parse_expression("1e-3").number == 1e-3);
  CHECK(parse_expression(".5").number == 0.5);
  CHECK(parse_expression("3").integral);
  CHECK_FALSE(parse_expression("3.").integral);
  CHECK(text_of("mean(abs(y_true - y_pred), axis=-1)") == "mean(abs((y_true - y_pred)), axis=(-1))");
  const Expr call = parse_expression("sum(x, axis=[0, 1], keepdims=True)");
  REQUIRE(call.args.size() == 3);
  CHECK(call.find("axis")->kind == Expr::Kind::kList);
  CHECK(call.find("axis")->args[1].number == 1);
  CHECK(call.find("keepdims")->name == "True");
  CHECK(call.find("none") == nullptr);
  CHECK(call.args[1].column == 13);
  CHECK(text_of("f()") == "f()");
  CHECK(text_of("f(a, )") == "f(a)");
  CHECK(text_of("f(a == b)") == "f((a == b))");
  CHECK(text_of("[]") == "[]");
  CHECK(text_of(" \n x\t") == "x");
  CHECK(parse_expression(parse_yaml("0.5", "f")).number == 0.5);
}

TEST_CASE("errors carry the column and the cure") {
  CHECK(error_of("") == "expression, column 1: the expression is empty; write for example x * sigmoid(1.702 * x)");
  CHECK(error_of("x *") == "expression, column 4: expected a number, a name, '(' or '[', found the end");
  CHECK(error_of("x * )") == "expression, column 5: expected a number, a name, '(' or '[', found ')'");
  CHECK(error_of("(x + 1") == "expression, column 7: expected ')', found the end");
  CHECK(error_of("f(x y)") == "expression, column 5: expected ',' or ')', found 'y'");
  CHECK(error_of("x y") == "expression, column 3: expected an operator or the end, found 'y'");
  CHECK(error_of("2x") == "expression, column 1: malformed number '2x'; write '*' between a number and a name");
  CHECK(error_of("x ^ 2") == "expression, column 3: '^' is not a power here; write **");
  CHECK(error_of("a < b < c") == "expression, column 7: comparisons do not chain; write (a < b) * (b < c)");
  CHECK(error_of("f(axis=1, x)") == "expression, column 11: a positional argument cannot follow a keyword argument");
  CHECK(error_of("f(a=1, a=2)") == "expression, column 8: the argument 'a' is given twice");
  CHECK(error_of("a = 1") == "expression, column 3: expected an operator or the end, found '='");
  CHECK(error_of("1e999") == "expression, column 1: the number '1e999' is out of range");
  CHECK(error_of("x.y").find("column 2: '.' cannot stand in an expression") != std::string::npos);
  CHECK(error_of("x + \xC3\xA9").find("column 5: byte 0xc3 cannot stand") != std::string::npos);
  CHECK(error_of("__import__('os')").find("column 12: ''' cannot stand") != std::string::npos);
  CHECK_THROWS_WITH_AS(parse_expression(parse_yaml("'x *'", "m.yaml")),
                       "m.yaml:1:1: expression, column 4: expected a number, a name, '(' or '[', found the end", UserError);
  CHECK_THROWS_WITH_AS(parse_expression(parse_yaml("[x]", "m.yaml")), doctest::Contains("found a list"), UserError);
}

TEST_CASE("size, depth and height are bounded") {
  CHECK(error_of(std::string(10'001, 'x')) == "the expression is 10001 bytes long; at most 10000 are allowed");
  for (const char* part : {"(", "[", "f(", "-", "x**", "f(a=[", "(-"}) {
    INFO(std::string(part));
    CHECK(error_of(repeat(part, 10'000 / std::string_view(part).size())).find("nested too deep; at most 64 levels are allowed") !=
          std::string::npos);
  }
  CHECK(error_of(repeat("(", 63) + "x" + repeat(")", 63)) == "no error");
  CHECK(error_of(repeat("(", 64) + "x" + repeat(")", 64)).find("column 65: nested too deep") != std::string::npos);
  CHECK(parse_expression("x" + repeat("+x", 511)).height == 512);
  CHECK(error_of("x" + repeat("+x", 512)).find("too many operations in a row; at most 511 are allowed") != std::string::npos);
}

TEST_CASE("text of a tree parses back to it") {
  for (const char* text : {"-x ** -2.5e-7 / f(a, [1, -2], k=(a < b))", "a - (b - (c - 1e300))", "12345678901234567890", "+x != 0.1"}) {
    const Expr tree = parse_expression(text);
    CHECK(equal(parse_expression(to_string(tree)), tree));
  }
  CHECK_FALSE(equal(parse_expression("a - b"), parse_expression("b - a")));
}
