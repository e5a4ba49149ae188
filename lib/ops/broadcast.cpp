#include "ops/broadcast.h"

namespace dl {

Shape broadcast_shapes(const InferCall& call, std::initializer_list<Shape> shapes) {
  Shape result;
  for (const Shape& shape : shapes) {
    if (shape.size() > result.size()) result.insert(result.begin(), shape.size() - result.size(), Dim(1));
    for (size_t i = 0; i < shape.size(); ++i) {
      Dim& out = result[result.size() - shape.size() + i];
      const Dim in = shape[i];
      if (in == out || in == Dim(1)) continue;
      if (!(out == Dim(1))) infer_error(call, "shapes do not broadcast: " + to_string(in) + " against " + to_string(out));
      out = in;
    }
  }
  return result;
}

}  // namespace dl
