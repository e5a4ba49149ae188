#include "spec/scalar.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace dl::spec {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Digits {
  size_t whole = 0, fraction = 0;
  bool point = false, exponent = false, negative_exponent = false;
};

// True when `text` (without sign) is [0-9]*[.[0-9]*][e[+-]?[0-9]+] with at least one digit before the exponent.
bool scan_decimal(std::string_view text, Digits& digits) {
  size_t i = 0;
  while (i < text.size() && is_digit(text[i])) ++i;
  digits.whole = i;
  if (i < text.size() && text[i] == '.') {
    digits.point = true;
    const size_t begin = ++i;
    while (i < text.size() && is_digit(text[i])) ++i;
    digits.fraction = i - begin;
  }
  if (digits.whole + digits.fraction == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    digits.exponent = true;
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) digits.negative_exponent = text[i++] == '-';
    const size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    if (i == begin) return false;
  }
  return i == text.size();
}

// 0x1F and 0o17. Returns false when `text` (without sign) is not of that form.
bool read_based(std::string_view text, bool negative, Node& node, std::string& problem) {
  if (text.size() < 3 || text[0] != '0' || (text[1] != 'x' && text[1] != 'o')) return false;
  const int base = text[1] == 'x' ? 16 : 8;
  const std::string_view body = text.substr(2);
  if (!(base == 16 ? std::isxdigit(static_cast<unsigned char>(body[0])) : (body[0] >= '0' && body[0] <= '7'))) return false;
  int64_t value = 0;
  auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), value, base);
  if (end != body.data() + body.size()) return false;
  if (error == std::errc::result_out_of_range) {
    problem = fmt::format("the integer {} does not fit 64 bits", text);
    return true;
  }
  node = Node::integer(negative ? -value : value);
  return true;
}

std::string shorten(std::string_view text) {
  return text.size() <= 40 ? std::string(text) : fmt::format("{}... ({} characters)", text.substr(0, 37), text.size());
}

Node read_decimal(std::string_view text, const Digits& digits, std::string_view sign, std::string& problem) {
  const std::string number = (sign == "-" ? "-" : "") + std::string(text);
  const char* end = number.data() + number.size();
  if (!digits.point && !digits.exponent) {
    if (digits.whole > 1 && text[0] == '0') {
      std::string_view plain = text.substr(std::min(text.find_first_not_of('0'), text.size() - 1));
      problem = fmt::format("the number {} starts with a zero, which some readers take as octal; write {}{} or quote it if it is a string",
                            shorten(text), sign, shorten(plain));
      return {};
    }
    int64_t value = 0;
    if (std::from_chars(number.data(), end, value).ec == std::errc{}) return Node::integer(value);
    problem = fmt::format("the integer {} does not fit 64 bits; write it with a decimal point or quote it", shorten(number));
    return {};
  }
  double value = 0;
  if (std::from_chars(number.data(), end, value).ec != std::errc{}) {
    problem = fmt::format("the number {} is out of range; allowed magnitudes are 4.9e-324 to 1.8e308, and 0", shorten(number));
    return {};
  }
  const bool integral = !digits.point && !digits.negative_exponent && std::abs(value) < 0x1p63;
  if (integral) return Node::integer(static_cast<int64_t>(value));
  return Node::real(value);
}

}  // namespace

Node resolve_scalar(std::string_view text, std::string& problem) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return Node::boolean(true);
  if (text == "false" || text == "False" || text == "FALSE") return Node::boolean(false);
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return Node::real(std::numeric_limits<double>::quiet_NaN());
  const std::string_view sign = text[0] == '-' || text[0] == '+' ? text.substr(0, 1) : std::string_view{};
  const std::string_view body = text.substr(sign.size());
  const bool negative = sign == "-";
  if (body == ".inf" || body == ".Inf" || body == ".INF") {
    return Node::real(negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity());
  }
  Node node;
  if (read_based(body, negative, node, problem)) return node;
  Digits digits;
  if (scan_decimal(body, digits)) return read_decimal(body, digits, sign, problem);
  return Node::string(std::string(text));
}

std::string format_real(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  std::string text = fmt::format("{}", value);
  // 1e+16 alone would read back as an integer.
  if (text.find('.') == std::string::npos) text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

}  // namespace dl::spec
