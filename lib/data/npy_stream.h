// The part of npy.cpp that npz.cpp needs: one array from a stream. Used inside lib/data only.
#pragma once

#include <cstdint>

#include "data/array_rows.h"
#include "data/file.h"

namespace dl {

ArrayRows read_npy_rows(ByteStream& stream, int64_t memory_bytes = ArrayRows::kMemoryBytes);

}  // namespace dl
