// JSON to spec::Node: config.json and the JSON attributes of Keras files, which may come from anybody.
// Who uses it: lib/io/keras. Errors: FileError "PLACE: is no JSON: ...", also for more than kMaxJsonDepth levels, too many values, a key
// that appears twice.
#pragma once

#include <string>
#include <string_view>

#include "spec/node.h"

namespace dl {

inline constexpr int kMaxJsonDepth = 100;

// `place` begins messages; nodes have no places.
spec::Node parse_json(std::string_view text, const std::string& place);
// Compact, with ", " and ": " as Python's json.dumps. Numbers in the shortest form that reads back the same.
std::string to_json(const spec::Node& node);

}  // namespace dl
