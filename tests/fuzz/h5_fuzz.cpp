// A whole-model .h5: HDF5 (in a child process, whose crashes are findings of the HDF5 library and no bugs here), and JSON.
#include "fuzz/model_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return dl::fuzz::read_as("h5", data, size); }
