// Geometry of ONNX convolutions and pools: strides, dilations, pads, auto_pad.
// Who uses it: import_conv.cpp, import_pool.cpp and others with sliding windows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/onnx/importer.h"
#include "ops/nn.h"

namespace dl::onnx {

// A size that has to be a number here; NeedsInput where it is symbolic.
int64_t known_size(NodeCall& call, Dim size, const std::string& what);

// A convolution: kernel [out, channels / groups, spatial...] of ONNX as [spatial..., channels / groups, out]; padding is resolved.
struct Convolution {
  Var x, kernel;
  Window window;
  int64_t groups;
};
Convolution convolution_of(NodeCall& call, Var x, Var w);
// Its spatial sizes; checks ranks and the attribute kernel_shape.
std::vector<int64_t> kernel_sizes(NodeCall& call, Var x, Var w);
// [a, b, spatial...] -> [spatial..., b, a].
Var to_kernel(Var w);
// One number for each channel (axis 1) added to y.
Var add_bias(NodeCall& call, Var y, Var bias);

struct Windows {
  // Reads the attributes; FileError where their lengths do not fit.
  Windows(NodeCall& call, size_t spatial, std::vector<int64_t> kernel);

  int64_t reach(size_t i) const { return (size[i] - 1) * dilations[i] + 1; }  // elements a window spans
  bool same() const { return auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER"; }
  // Pads of axis i from auto_pad, for an input of size `in`.
  void resolve_auto_pad(Dim in, size_t i);
  Window window() const;

  std::vector<int64_t> size, strides, dilations, pads_begin, pads_end;
  std::string auto_pad;

 private:
  NodeCall& call_;
};

}  // namespace dl::onnx
