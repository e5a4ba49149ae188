// Numbers in text, independent of the locale. Used by the CSV reader and the configuration of sources.
#pragma once

#include <string_view>

namespace dl {

enum class NumberKind { kNumber, kNotNumber, kNotFinite, kTooLarge };

// Decimal notation with an optional sign and exponent, nothing before or after it. "nan" and "inf" are kNotFinite.
// Values too small for a double become 0; too large ones are kTooLarge.
NumberKind parse_number(std::string_view text, double& value);

}  // namespace dl
