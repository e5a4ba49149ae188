// An ONNX file: read as it is, and once more with values for its inputs, so that sizes and branches that depend on them are followed too.
#include <cstdint>

#include "base/error.h"
#include "io/needs_input.h"
#include "io/onnx/read.h"

namespace {

// Ones in each input, of small sizes.
dl::NamedTensors values_for(const dl::NeedsInput& e) {
  dl::NamedTensors given;
  for (const std::string& name : e.inputs) given.emplace_back(name, dl::Tensor::from<int64_t>({1}, std::vector<int64_t>{1}));
  return given;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    dl::read_onnx_bytes(bytes);
  } catch (const dl::NeedsInput& e) {
    try {
      dl::read_onnx_bytes(bytes, {.given = values_for(e), .input_shapes = {}});
    } catch (const dl::FileError&) {
    }
  } catch (const dl::FileError&) {
  }
  return 0;
}
