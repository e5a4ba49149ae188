// External data of an ONNX model: bytes of a file in the model's own folder, and nothing else.
// Who uses it: tensor_data.cpp. Security: the location is relative, has no "..", no symbolic link lies on the way, and it is a regular
// file with one name; offset and length are checked against its size before anybody asks for memory.
#pragma once

#include <cstdint>
#include <string>

namespace dl::onnx {

class ExternalData {
 public:
  // `length` < 0: not given. FileError, beginning with `place`, where the file is not to be read or lacks bytes [offset, offset +
  // expected).
  ExternalData(const std::string& folder, const std::string& location, int64_t offset, int64_t length, int64_t expected, std::string place);
  ~ExternalData();
  ExternalData(const ExternalData&) = delete;
  ExternalData& operator=(const ExternalData&) = delete;

  void read(void* to) const;  // `expected` bytes

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string place_, location_;
  int64_t offset_, expected_;
  int file_ = -1;
};

}  // namespace dl::onnx
