// What reading and writing HDF5 files share: element types as they lie in the file, checks, the library's settings.
// Who uses it: hdf5_writer.cpp, hdf5_reader.cpp. Free of HDF5's headers, as hdf5_file.h.
#pragma once

#include <cstddef>

#include "ckpt/hdf5_file.h"
#include "tensor/dtype.h"

namespace dl {

// Once per process: no error stacks on stderr, no plugins loaded, nothing left to do at exit.
void set_up_hdf5();

// For calls that fail only by a bug or without memory: InternalError.
int64_t check_id(int64_t id, const char* call);
void check_status(int status, const char* call);

// The type in the file, always little-endian; bfloat16 and bool, which HDF5 lacks, are marked by the attribute "dtype".
Hdf5Id stored_type(DType dtype);
Hdf5Id memory_type(DType dtype);  // the same in the machine's byte order
Hdf5Id text_type(size_t bytes);   // fixed length, UTF-8, padded with NUL; at least 1 byte
Hdf5Id property_list(int64_t class_id);
inline bool needs_mark(DType dtype) { return dtype == DType::kBFloat16 || dtype == DType::kBool; }

}  // namespace dl
