// Reading of large ONNX files: the raw data of large initializers is read apart from the message, into strings of the right size, since
// protobuf lets strings above 50 MB grow by doubling and so needs up to twice the memory of a model.
// Who uses it: onnx_format.cpp.
#pragma once

#include <cstdint>
#include <string>

namespace dl::onnx {

class ModelProto;

// False: the file is no well-formed message of this kind, and `model` is undefined. FileError: the file cannot be read.
bool parse_large_file(int file, int64_t size, const std::string& path, int max_nesting, ModelProto& model);

}  // namespace dl::onnx
