#include "spec/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "spec/scalar.h"

namespace dl::spec {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_comparison(std::string_view op) { return op == "<" || op == "<=" || op == ">" || op == ">=" || op == "==" || op == "!="; }

struct Token {
  enum class Kind { kEnd, kNumber, kName, kSymbol };
  Kind kind = Kind::kEnd;
  std::string_view text;
  size_t offset = 0;
};

class Parser {
 public:
  Parser(std::string_view text, const Place& place) : text_(text), place_(place) { advance(); }

  Expr parse_all() {
    if (token_.kind == Token::Kind::kEnd) fail(token_.offset, "the expression is empty; write for example x * sigmoid(1.702 * x)");
    Expr result = parse_comparison();
    if (token_.kind != Token::Kind::kEnd) fail(token_.offset, fmt::format("expected an operator or the end, found {}", found()));
    return result;
  }

 private:
  // Counts a level of nesting while it lives: every recursion goes through one.
  struct Level {
    explicit Level(Parser& parser) : depth(parser.depth_) {
      if (++depth > kMaxExpressionDepth) {
        --depth;  // no destructor runs when a constructor throws
        parser.fail(parser.token_.offset, fmt::format("nested too deep; at most {} levels are allowed", kMaxExpressionDepth));
      }
    }
    ~Level() { --depth; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    int& depth;
  };

  [[noreturn]] void fail(size_t offset, const std::string& message) const {
    const bool known = place_.line > 0 || !place_.file.empty();
    throw UserError(fmt::format("{}expression, column {}: {}", known ? to_string(place_) + ": " : "", column_of(offset), message));
  }
  int column_of(size_t offset) const {
    int column = 1;
    for (size_t i = 0; i < std::min(offset, text_.size()); ++i) column += (static_cast<unsigned char>(text_[i]) & 0xC0u) != 0x80u;
    return column;
  }
  std::string found() const {
    if (token_.kind == Token::Kind::kEnd) return "the end";
    return token_.text.size() <= 40 ? fmt::format("'{}'", token_.text) : fmt::format("'{}...'", token_.text.substr(0, 37));
  }
  bool at(std::string_view symbol) const { return token_.kind == Token::Kind::kSymbol && token_.text == symbol; }
  void expect(std::string_view symbol) {
    if (!at(symbol)) fail(token_.offset, fmt::format("expected '{}', found {}", symbol, found()));
    advance();
  }

  void advance();
  size_t scan_number(size_t begin) const;
  size_t scan_symbol(size_t begin) const;
  Expr make(Expr::Kind kind, std::string_view name, size_t offset, std::vector<Expr> args);
  Expr parse_comparison();
  Expr parse_sum();
  Expr parse_product();
  Expr parse_unary();
  Expr parse_power();
  Expr parse_primary();
  Expr parse_number();
  std::vector<Expr> parse_arguments(std::string_view close, bool keywords);

  std::string_view text_;
  const Place& place_;
  Token token_;
  size_t next_ = 0;
  int depth_ = 0;
};

size_t Parser::scan_number(size_t begin) const {
  const auto digits = [&](size_t i) {
    while (i < text_.size() && is_digit(text_[i])) ++i;
    return i;
  };
  size_t i = digits(begin);
  if (i < text_.size() && text_[i] == '.') i = digits(i + 1);
  if (i < text_.size() && (text_[i] == 'e' || text_[i] == 'E')) {
    size_t exponent = i + 1;
    if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
    if (digits(exponent) > exponent) i = digits(exponent);
  }
  if (i < text_.size() && (begins_name(text_[i]) || text_[i] == '.')) {
    fail(begin, fmt::format("malformed number '{}'; write '*' between a number and a name",
                            text_.substr(begin, std::min<size_t>(i + 1 - begin, 40))));
  }
  return i;
}

size_t Parser::scan_symbol(size_t begin) const {
  const std::string_view two = text_.substr(begin, 2);
  if (two == "**" || two == "<=" || two == ">=" || two == "==" || two == "!=") return begin + 2;
  if (std::string_view("+-*/<>()[],=").find(text_[begin]) != std::string_view::npos) return begin + 1;
  if (text_[begin] == '^') fail(begin, "'^' is not a power here; write **");
  const auto byte = static_cast<unsigned char>(text_[begin]);
  const std::string shown = byte > 0x20 && byte < 0x7F ? fmt::format("'{}'", text_[begin]) : fmt::format("byte 0x{:02x}", byte);
  fail(begin,
       shown + " cannot stand in an expression; allowed are numbers, names, calls, + - * / **, comparisons, parentheses and [lists]");
}

void Parser::advance() {
  while (next_ < text_.size() && std::string_view(" \t\r\n").find(text_[next_]) != std::string_view::npos) ++next_;
  token_ = {Token::Kind::kEnd, {}, next_};
  if (next_ == text_.size()) return;
  const char c = text_[next_];
  size_t end = next_;
  if (is_digit(c) || (c == '.' && next_ + 1 < text_.size() && is_digit(text_[next_ + 1]))) {
    token_.kind = Token::Kind::kNumber;
    end = scan_number(next_);
  } else if (begins_name(c)) {
    token_.kind = Token::Kind::kName;
    while (end < text_.size() && (begins_name(text_[end]) || is_digit(text_[end]))) ++end;
  } else {
    token_.kind = Token::Kind::kSymbol;
    end = scan_symbol(next_);
  }
  token_.text = text_.substr(next_, end - next_);
  next_ = end;
}

Expr Parser::make(Expr::Kind kind, std::string_view name, size_t offset, std::vector<Expr> args) {
  Expr result;
  result.kind = kind;
  result.name = name;
  result.column = column_of(offset);
  for (const Expr& arg : args) result.height = std::max(result.height, arg.height + 1);
  if (result.height > kMaxExpressionHeight) {
    fail(offset, fmt::format("too many operations in a row; at most {} are allowed, so split the expression", kMaxExpressionHeight - 1));
  }
  result.args = std::move(args);
  return result;
}

Expr Parser::parse_comparison() {
  const Level level(*this);
  Expr left = parse_sum();
  if (token_.kind != Token::Kind::kSymbol || !is_comparison(token_.text)) return left;
  const Token op = token_;
  advance();
  std::vector<Expr> operands;
  operands.push_back(std::move(left));
  operands.push_back(parse_sum());
  if (token_.kind == Token::Kind::kSymbol && is_comparison(token_.text)) {
    fail(token_.offset, "comparisons do not chain; write (a < b) * (b < c)");
  }
  return make(Expr::Kind::kBinary, op.text, op.offset, std::move(operands));
}

Expr Parser::parse_sum() {
  Expr left = parse_product();
  while (at("+") || at("-")) {
    const Token op = token_;
    advance();
    std::vector<Expr> operands;
    operands.push_back(std::move(left));
    operands.push_back(parse_product());
    left = make(Expr::Kind::kBinary, op.text, op.offset, std::move(operands));
  }
  return left;
}

Expr Parser::parse_product() {
  Expr left = parse_unary();
  while (at("*") || at("/")) {
    const Token op = token_;
    advance();
    std::vector<Expr> operands;
    operands.push_back(std::move(left));
    operands.push_back(parse_unary());
    left = make(Expr::Kind::kBinary, op.text, op.offset, std::move(operands));
  }
  return left;
}

Expr Parser::parse_unary() {
  if (!at("+") && !at("-")) return parse_power();
  const Level level(*this);
  const Token op = token_;
  advance();
  std::vector<Expr> operand;
  operand.push_back(parse_unary());
  return make(Expr::Kind::kUnary, op.text, op.offset, std::move(operand));
}

Expr Parser::parse_power() {
  Expr base = parse_primary();
  if (!at("**")) return base;
  const Level level(*this);
  const Token op = token_;
  advance();
  std::vector<Expr> operands;
  operands.push_back(std::move(base));
  operands.push_back(parse_unary());
  return make(Expr::Kind::kBinary, op.text, op.offset, std::move(operands));
}

Expr Parser::parse_number() {
  Expr result = make(Expr::Kind::kNumber, "", token_.offset, {});
  result.integral = token_.text.find_first_not_of("0123456789") == std::string_view::npos;
  const char* end = token_.text.data() + token_.text.size();
  if (std::from_chars(token_.text.data(), end, result.number).ec != std::errc{}) {
    fail(token_.offset, fmt::format("the number {} is out of range", found()));
  }
  advance();
  return result;
}

std::vector<Expr> Parser::parse_arguments(std::string_view close, bool keywords) {
  std::vector<Expr> args;
  while (!at(close)) {
    std::string_view keyword;
    const size_t offset = token_.offset;
    if (keywords && token_.kind == Token::Kind::kName) {
      const Token name = token_;
      const size_t after = next_;
      advance();
      if (at("=")) {
        keyword = name.text;
        advance();
      } else {
        token_ = name;
        next_ = after;
      }
    }
    const bool repeated =
        !keyword.empty() && std::any_of(args.begin(), args.end(), [&](const Expr& arg) { return arg.keyword == keyword; });
    if (repeated) fail(offset, fmt::format("the argument '{}' is given twice", keyword));
    if (keyword.empty() && !args.empty() && !args.back().keyword.empty())
      fail(offset, "a positional argument cannot follow a keyword argument");
    args.push_back(parse_comparison());
    args.back().keyword = keyword;
    if (at(close)) break;
    if (!at(",")) fail(token_.offset, fmt::format("expected ',' or '{}', found {}", close, found()));
    advance();
  }
  advance();
  return args;
}

Expr Parser::parse_primary() {
  const Token first = token_;
  if (first.kind == Token::Kind::kNumber) return parse_number();
  if (first.kind == Token::Kind::kName) {
    advance();
    if (!at("(")) return make(Expr::Kind::kName, first.text, first.offset, {});
    advance();
    return make(Expr::Kind::kCall, first.text, first.offset, parse_arguments(")", true));
  }
  if (at("[")) {
    advance();
    return make(Expr::Kind::kList, "", first.offset, parse_arguments("]", false));
  }
  if (at("(")) {
    advance();
    Expr inside = parse_comparison();
    expect(")");
    return inside;
  }
  fail(first.offset, fmt::format("expected a number, a name, '(' or '[', found {}", found()));
}

}  // namespace

const Expr* Expr::find(std::string_view argument) const {
  for (const Expr& arg : args)
    if (arg.keyword == argument) return &arg;
  return nullptr;
}

Expr parse_expression(std::string_view text, const Place& place) {
  if (text.size() > kMaxExpressionBytes) {
    const bool known = place.line > 0 || !place.file.empty();
    throw UserError(fmt::format("{}the expression is {} bytes long; at most {} are allowed", known ? to_string(place) + ": " : "",
                                text.size(), kMaxExpressionBytes));
  }
  return Parser(text, place).parse_all();
}

Expr parse_expression(const Node& node) {
  if (node.is_string()) return parse_expression(node.as_string(), node.place());
  if (node.kind() == Kind::kInt) return parse_expression(std::to_string(node.as_int()), node.place());
  if (node.kind() == Kind::kFloat) return parse_expression(format_real(node.as_double()), node.place());
  throw UserError(fmt::format("{}: expected an expression such as \"x * sigmoid(1.702 * x)\", found {}", to_string(node.place()),
                              name_of(node.kind())));
}

std::string to_string(const Expr& expression) {
  const auto joined = [&] {
    std::string out;
    for (const Expr& arg : expression.args) {
      out += (out.empty() ? "" : ", ") + (arg.keyword.empty() ? "" : arg.keyword + "=") + to_string(arg);
    }
    return out;
  };
  switch (expression.kind) {
    case Expr::Kind::kNumber:
      return expression.integral ? fmt::format("{:.0f}", expression.number) : format_real(expression.number);
    case Expr::Kind::kName:
      return expression.name;
    case Expr::Kind::kCall:
      return expression.name + "(" + joined() + ")";
    case Expr::Kind::kUnary:
      return "(" + expression.name + to_string(expression.args[0]) + ")";
    case Expr::Kind::kBinary:
      return "(" + to_string(expression.args[0]) + " " + expression.name + " " + to_string(expression.args[1]) + ")";
    case Expr::Kind::kList:
      return "[" + joined() + "]";
  }
  return "";
}

bool equal(const Expr& a, const Expr& b) {
  return a.kind == b.kind && a.number == b.number && a.integral == b.integral && a.name == b.name && a.keyword == b.keyword &&
         std::equal(a.args.begin(), a.args.end(), b.args.begin(), b.args.end(), equal);
}

std::string formula_hint(std::string_view text) {
  return text.find_first_of("()+*/") == std::string_view::npos ? "" : "; a formula is written as {expression: \"...\"}";
}

}  // namespace dl::spec
