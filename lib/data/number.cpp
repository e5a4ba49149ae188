#include "data/number.h"

#include <charconv>
#include <cmath>
#include <system_error>

namespace dl {

NumberKind parse_number(std::string_view text, double& value) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) return NumberKind::kNotNumber;
  if (error == std::errc::result_out_of_range) {
    // from_chars does not say which way: a negative exponent, or no exponent and only zeros before the point, is underflow.
    const size_t e = text.find_first_of("eE");
    const size_t first = text.find_first_of("123456789");
    const bool tiny = e != std::string_view::npos ? text[e + 1] == '-' : first > text.find('.');
    value = 0;
    return tiny ? NumberKind::kNumber : NumberKind::kTooLarge;
  }
  return std::isfinite(value) ? NumberKind::kNumber : NumberKind::kNotFinite;
}

}  // namespace dl
