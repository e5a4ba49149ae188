#include "backend/cpu/window.h"

#include "graph/attrs.h"

namespace dl::cpu {
namespace {

WindowGeometry common(const Attrs& attrs, const Dims& x, const Dims& y) {
  WindowGeometry g;
  g.spatial = x.size() - 2;
  g.channels_first = attrs.flag("channels_first");
  g.batch = x[0];
  g.channels = g.channels_first ? x[1] : x.back();
  g.out_channels = g.channels_first ? y[1] : y.back();
  const size_t first = g.channels_first ? 2 : 1;
  for (size_t i = 0; i < g.spatial; ++i) {
    const size_t k = 3 - g.spatial + i;
    g.in[k] = x[first + i];
    g.out[k] = y[first + i];
    g.stride[k] = attrs.integers("strides")[i];
    g.dilation[k] = attrs.integers("dilations")[i];
    g.pad_begin[k] = attrs.integers("pads_begin")[i];
    g.pad_end[k] = attrs.integers("pads_end")[i];
  }
  return g;
}

}  // namespace

WindowGeometry conv_geometry(const Attrs& attrs, const Dims& x, const Dims& kernel, const Dims& y) {
  WindowGeometry g = common(attrs, x, y);
  g.groups = attrs.integer("groups");
  for (size_t i = 0; i < g.spatial; ++i) g.size[3 - g.spatial + i] = kernel[i];
  return g;
}

WindowGeometry pool_geometry(const Attrs& attrs, const Dims& x, const Dims& y) {
  WindowGeometry g = common(attrs, x, y);
  for (size_t i = 0; i < g.spatial; ++i) g.size[3 - g.spatial + i] = attrs.integers("size")[i];
  return g;
}

}  // namespace dl::cpu
