// Writing of ONNX files: the inference program of a model, one ONNX node for each operator where the standard has it, weights folded
// into plain initializers, convolutions channels-first with transposes at the edges only. A graph that was read from an ONNX file comes
// out as it was, node by node (export_as_written.cpp), unless another layout or float16 is asked for.
// Who uses it: format_onnx (onnx_format.cpp).
// What the file holds beside the graph: metadata_props with the entries of SavedModel::metadata under their own keys, and the model's
// test pairs under kOnnxTestKey where their text is shorter than kOnnxTestBytes (pairs that no longer fit are left out). That text is
// JSON: [{"inputs": {NAME: TENSOR, ...}, "outputs": {...}}, ...], TENSOR = {"dtype": "float32", "dims": [1, 3], "data": BASE64}, the
// data row-major and little-endian.
#pragma once

#include <string>
#include <vector>

#include "io/format.h"

namespace dl {

inline constexpr const char* kOnnxTestKey = "dltool.test";
inline constexpr size_t kOnnxTestBytes = size_t{64} << 10;
inline constexpr int kOldestOnnxOpset = 13, kNewestOnnxOpset = 21;

// The operator set a model is written in when nobody asks for one: 17, or that of an ONNX file which was newer, as far as it is written.
int usual_onnx_opset(const SavedModel& model);
// Atomic: temporary files, synced, renamed. UserError for an opset outside of the range above, FileError listing unsupported_onnx().
void write_onnx(const SavedModel& model, const std::string& path, const WriteOptions& options);
// What ONNX has no exact form for, a line each: "layer 'x' (op): why; what to do". Empty: all is well.
std::vector<std::string> unsupported_onnx(const SavedModel& model, const WriteOptions& options);

}  // namespace dl
