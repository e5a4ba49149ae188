// The functions of operation.h that are one name for one name: ours in the grammar of expressions, Keras 3's, TensorFlow's.
// Who uses it: operation_read.cpp and operation_write.cpp, so that both directions have one description.
#pragma once

#include <span>
#include <string_view>

#include "spec/node.h"

namespace dl::operation {

// One function: our name, Keras 3's class and module, the function of TensorFlow that tf.keras wraps ("" where there is none).
struct Row {
  std::string_view ours, keras3, module, keras2;
};
inline constexpr std::string_view kNumpy = "keras.src.ops.numpy", kMath = "keras.src.ops.math", kNn = "keras.src.ops.nn";

std::span<const Row> binary_rows();  // of two operands; the sign where the grammar has one
// The same functions under other names, and functions of operands that the grammar spells in the sign's name.
std::span<const Row> binary_aliases();
std::span<const Row> unary_rows();
std::span<const Row> reduction_rows();

inline bool is_int(const spec::Node& node) { return node.kind() == spec::Kind::kInt; }

// Null where there is none.
const Row* find_ours(std::span<const Row> rows, std::string_view name);
const Row* find_keras(std::span<const Row> rows, std::string_view name, bool tensorflow);

}  // namespace dl::operation
