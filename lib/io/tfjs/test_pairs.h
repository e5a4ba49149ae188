// Inputs and the outputs they gave, as text inside of a model file: a JSON list of {inputs, outputs}, each a map from name to {dtype, dims,
// data: the bytes in base64}. The same text as in the metadata of our ONNX files.
#pragma once

#include <string>
#include <vector>

#include "io/saved_model.h"

namespace dl::tfjs {

inline constexpr const char* kTestKey = "dltool.test";

// "" where there is nothing, or more than `max_bytes`.
std::string test_pairs_text(const std::vector<TestPair>& tests, size_t max_bytes);
// From userDefinedMetadata of model.json; what is damaged is left out, with a warning.
void read_test_pairs(const spec::Node& root, SavedModel& model);

}  // namespace dl::tfjs
