// Integers into bins by hashing, as TensorFlow does for Keras.
// Who uses it: layers Hashing, HashedCrossing, IntegerLookup.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/var.h"

namespace dl {

// Bins 0 .. buckets - 1 of the decimal text of each element, int64: by FarmHash, or by SipHash where `key` has its two halves.
Var hash_bucket(Var x, int64_t buckets, const std::vector<int64_t>& key = {});
// Bins of the combinations of int64 values of one shape, two or more of them.
Var hash_crossing(std::span<const Var> values, int64_t buckets);

}  // namespace dl
