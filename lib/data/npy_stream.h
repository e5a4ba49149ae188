// The part of npy.cpp that npz.cpp needs: one array from a stream. Used inside lib/data only.
#pragma once

#include <cstdint>
#include <optional>

#include "data/file.h"
#include "tensor/tensor.h"

namespace dl {

// `available`: an upper bound of the bytes in the stream where one is known and can be trusted.
Tensor read_npy(ByteStream& stream, std::optional<int64_t> available);

}  // namespace dl
