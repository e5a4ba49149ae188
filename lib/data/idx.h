// IDX, the format of MNIST: 0, 0, type, rank, then the sizes as big-endian u32 and the elements, big-endian. May be gzipped.
// Who uses it: the idx source, tests. Errors: FileError with the expected and the actual byte counts.
#pragma once

#include <string>

#include "data/file.h"
#include "data/rows.h"

namespace dl {

Tensor read_idx(ByteStream& stream);
Rows read_idx_rows(ByteStream& stream, int64_t memory_bytes = Rows::kMemoryBytes);

}  // namespace dl
