// Arrays in a configuration: nested lists of booleans, of integers or of numbers, such as `constants` of Lambda.
// Who uses it: Lambda, and readers and writers of models with such arrays. Numbers keep their bits (float32 in the shortest form).
#pragma once

#include <optional>
#include <vector>

#include "spec/node.h"
#include "tensor/tensor.h"

namespace dl {

inline constexpr int64_t kMaxArrayElements = 65'536;  // what belongs in a configuration; more is a weight

// bool, int32 (int64 where it does not fit) or float32; nullopt: lists of unequal length, other or mixed kinds, too many elements.
std::optional<Tensor> array_of(const spec::Node& node);
// The numbers of `node`, broadcast to `dims` as NumPy does; nullopt where they are no numbers or do not fit.
std::optional<std::vector<double>> broadcast_numbers(const spec::Node& node, const Dims& dims);
// The lists; nullopt where there are too many elements or one is not finite. float16 and float64 become numbers as well.
std::optional<spec::Node> array_node(const Tensor& array);

}  // namespace dl
