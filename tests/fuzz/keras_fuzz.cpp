// A .keras file: zip archive, JSON, HDF5 (in a child process, whose crashes are findings of the HDF5 library and no bugs here).
#include "fuzz/model_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return dl::fuzz::read_as("keras", data, size); }
