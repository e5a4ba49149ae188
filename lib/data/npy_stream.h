// The part of npy.cpp that npz.cpp needs: one array from a stream. Used inside lib/data only.
#pragma once

#include <cstdint>

#include "data/file.h"
#include "data/rows.h"

namespace dl {

Rows read_npy_rows(ByteStream& stream, int64_t memory_bytes = Rows::kMemoryBytes);

}  // namespace dl
