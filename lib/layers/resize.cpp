#include "layers/resize.h"

#include <vector>

#include "ops/builders.h"

namespace dl {
namespace {

// [..., n, parts, ...] -> [..., n * parts, ...], the parts of an element side by side.
Var interleave(const std::vector<Var>& parts, int64_t axis) {
  std::vector<Var> columns;
  for (Var part : parts) columns.push_back(expand_dims(part, axis + 1));
  Shape shape = parts[0].shape();
  Dim& size = shape[static_cast<size_t>(axis)];
  size = size * Dim(static_cast<int64_t>(parts.size()));
  return reshape(concat(columns, axis + 1), shape);
}

}  // namespace

Var repeat_elements(Var x, int64_t axis, int64_t times) {
  if (times == 1) return x;
  Shape spread = x.shape(), shape = x.shape();
  spread.insert(spread.begin() + axis + 1, Dim(times));
  shape[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)] * Dim(times);
  return reshape(broadcast_to(expand_dims(x, axis + 1), spread), shape);
}

Var enlarge_linear(Var x, int64_t axis, int64_t times) {
  if (times == 1) return x;
  // With a whole factor the weights repeat: element i gives `times` results, between it and its neighbour on one side.
  const Dim size = x.dim(axis), rest = size - Dim(1);
  const Var before = concat({slice_axis(x, axis, 0, 1), slice_axis(x, axis, 0, rest)}, axis);
  const Var after = concat({slice_axis(x, axis, 1, rest), slice_axis(x, axis, rest, 1)}, axis);
  std::vector<Var> parts;
  for (int64_t i = 0; i < times; ++i) {
    const double offset = (static_cast<double>(i) + 0.5) / static_cast<double>(times) - 0.5;
    const double share = offset < 0 ? -offset : offset;
    parts.push_back(offset == 0 ? x : x + ((offset < 0 ? before : after) - x) * share);
  }
  return interleave(parts, axis);
}

}  // namespace dl
