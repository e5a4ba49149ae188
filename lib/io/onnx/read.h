// An ONNX model from memory. Who uses it: tests and the fuzz target. Files are read through the table of formats (io/format.h).
#pragma once

#include <cstddef>
#include <span>

#include "io/format.h"

namespace dl {

// FileError; external data is refused. ReadOptions::given as for a file.
SavedModel read_onnx_bytes(std::span<const std::byte> bytes, const ReadOptions& options = {});

}  // namespace dl
