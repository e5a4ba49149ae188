// IDX, the format of MNIST: 0, 0, type, rank, then the sizes as big-endian u32 and the elements, big-endian. May be gzipped.
// Who uses it: the idx source, tests. Errors: FileError with the expected and the actual byte counts.
#pragma once

#include <string>

#include "data/file.h"
#include "tensor/tensor.h"

namespace dl {

Tensor read_idx(ByteStream& stream);
Tensor read_idx(const std::string& path);

}  // namespace dl
