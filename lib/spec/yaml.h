// Text to Node. The only place that sees yaml-cpp. Accepts YAML 1.2 core scalars (`no` and `yes` are strings; 017 is
// refused with advice; 1e3 is an integer), BOM and CRLF. Refuses duplicate keys, aliases that expand past kMaxNodes, cycles, depth
// past kMaxDepth, merge keys, a second document, binary and UTF-16, files over kMaxFileBytes: each at once and with its place.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "spec/node.h"

namespace dl::spec {

Node parse_yaml(std::string_view text, const std::string& file_name);  // UserError
Node load_yaml(const std::string& path);                               // "-" is standard input; UserError when it cannot be read
// Expands ${NAME} and ${NAME:-default} (used when NAME is unset or empty) in every string value, which stays a string;
// $${ is a plain ${. UserError naming the place for an unset variable.
void expand_environment(Node& node);
// "training.epochs=3", "layers[0].Dense.units=5": sets the value (parsed as YAML) in the tree, creating maps on the way. UserError
// when the assignment is malformed, a list is too short or a scalar stands in the path; `root` is then unchanged.
void apply_override(Node& root, std::string_view assignment);
// YAML text that parses back to an equal Node; what --print-config writes.
std::string to_yaml(const Node& node);

}  // namespace dl::spec
