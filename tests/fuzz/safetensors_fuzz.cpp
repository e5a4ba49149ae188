// A safetensors file.
#include "fuzz/model_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return dl::fuzz::read_as("safetensors", data, size); }
