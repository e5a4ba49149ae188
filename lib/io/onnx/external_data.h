// External data of an ONNX model: bytes of a file in the model's own folder, and nothing else (io/contained_file.h). Offset and length are
// checked against its size before anybody asks for memory.
// Who uses it: tensor_data.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "io/contained_file.h"

namespace dl::onnx {

class ExternalData {
 public:
  // `length` < 0: not given. FileError, beginning with `place`, where the file is not to be read or lacks bytes [offset, offset +
  // expected).
  ExternalData(const std::string& folder, const std::string& location, int64_t offset, int64_t length, int64_t expected,
               const std::string& place);

  void read(void* to) const;  // `expected` bytes

 private:
  ContainedFile file_;
  int64_t offset_, expected_;
};

}  // namespace dl::onnx
