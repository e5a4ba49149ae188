// What an unquoted scalar means under YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema), and plain
// scalars back to text. Private to lib/spec. Two differences, both on purpose: a decimal with a leading zero is an error
// (YAML 1.1 reads 017 as 15, YAML 1.2 as 17), and 1e3 is an integer, since users write batch counts that way.
#pragma once

#include <string>
#include <string_view>

#include "spec/node.h"

namespace dl::spec {

// `problem` is set, and the node is null, when the text is a number that cannot be represented or is ambiguous.
Node resolve_scalar(std::string_view text, std::string& problem);
// The shortest text that resolve_scalar reads as exactly this number (.nan and .inf included).
std::string format_real(double value);

}  // namespace dl::spec
