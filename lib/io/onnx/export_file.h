// The bytes of an ONNX file. Weights are made, written and dropped one by one.
// Who uses it: export.cpp.
#pragma once

#include <map>
#include <string>

#include "io/onnx/export_graph.h"

namespace dl::onnx_export {

struct FileOptions {
  int opset = 17;
  bool external_data = false;  // weights above 1 KiB in PATH.data; chosen for models that one file cannot hold
  std::map<std::string, std::string> metadata;
};

// Atomic: the data file, then the model, each in a temporary file that is synced and renamed.
void write_file(const OnnxGraph& graph, const std::string& path, const FileOptions& options);

}  // namespace dl::onnx_export
