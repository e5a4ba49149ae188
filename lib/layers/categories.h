// Integers as categories: looking values up in sorted lists, and one-hot, multi-hot and count encodings of what is found.
// Who uses it: category_encoding.cpp, discretization.cpp, integer_lookup.cpp, hashing.cpp, hashed_crossing.cpp.
#pragma once

#include <string>

#include "layers/layer.h"
#include "tensor/tensor.h"

namespace dl {

// For each element of x how many of the values (ascending, of x's type) are not above it; int32. NaN is above all.
Var count_not_above(Var x, const Tensor& values);

// int32 or int64 of x's shape.
Var to_indices(Var x);

// Keras's `output_mode`, [batch, ...] integers. "one_hot": a new last axis, in the place of one of size 1. "multi_hot", "count": the
// axis after the batch is gone, the new one is the last. Indices outside of 0 .. depth - 1 give zeros. `weights`: null, or how much
// each element counts. float32 or wider.
Var encode_categories(Var indices, const std::string& mode, int64_t depth, DType dtype, Var weights = {});

// `salt`: null, an integer or two; becomes a list of two in the config. And what hash_bucket takes for it.
void check_salt(Layer& layer, spec::Reader& reader);
std::vector<int64_t> salt_of(const Config& config);

}  // namespace dl
