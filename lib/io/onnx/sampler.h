// Values of a picture between its elements, at places that are computed: for GridSample and DeformConv.
#pragma once

#include <string>
#include <vector>

#include "graph/var.h"

namespace dl::onnx {

struct Sampler {
  enum class Mode { kNearest, kLinear, kCubic };
  enum class Padding { kZeros, kBorder, kReflection };
  Mode mode = Mode::kLinear;
  Padding padding = Padding::kZeros;
  bool align_corners = true;  // reflection: about the centres of the outer elements, not their edges
};

// x [n, channels, sizes...]; places: for each axis of a picture [n, points], counted in elements. The result [n, channels, points].
Var sample_at(const Sampler& sampler, Var x, const std::vector<int64_t>& sizes, const std::vector<Var>& places);

}  // namespace dl::onnx
