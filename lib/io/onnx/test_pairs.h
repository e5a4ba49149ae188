// The text of test pairs in the metadata of an ONNX file; its form is told in export.h.
// Who uses it: export.cpp and onnx_format.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/saved_model.h"

namespace dl::onnx_export {

// As many of the pairs as fit, "" for none.
std::string test_text(const std::vector<TestPair>& tests);
// Nullopt: not such a text.
std::optional<std::vector<TestPair>> read_test_text(const std::string& text);

}  // namespace dl::onnx_export
