// IDX, the format of MNIST: 0, 0, type, rank, then the sizes as big-endian u32 and the elements, big-endian. May be gzipped.
// Who uses it: the idx source, tests. Errors: FileError with the expected and the actual byte counts.
#pragma once

#include <string>

#include "data/array_rows.h"
#include "data/file.h"

namespace dl {

Tensor read_idx(ByteStream& stream);
ArrayRows read_idx_rows(ByteStream& stream, int64_t memory_bytes = ArrayRows::kMemoryBytes);

}  // namespace dl
