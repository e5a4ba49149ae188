// Numbers of a TensorProto as a Tensor: typed fields, raw_data, external data, and types narrower than a byte.
// Who uses it: Importer. Errors: FileError where sizes do not fit; no memory is asked for before the bytes are known to exist.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/tensor.h"

namespace dl::onnx {

class TensorProto;

// `folder`: where external data may lie, "" forbids it. `narrow` receives the ONNX type where DType has not got it, else 0.
Tensor decode_tensor(const TensorProto& proto, const std::string& folder, const std::string& place, int32_t* narrow);
// The same, for the last time: the numbers are taken out of `proto` as they are read, so that a large tensor is in memory once.
Tensor take_tensor(TensorProto& proto, const std::string& folder, const std::string& place, int32_t* narrow);

// Rounds float32 numbers to a narrow float type (float8, float4), as Cast does; `saturate` as in Cast 19.
float round_to_narrow(float value, int32_t onnx_type, bool saturate, const std::string& round_mode = "up");

}  // namespace dl::onnx
