#include "io/onnx/exact_integers.h"

#include <algorithm>
#include <functional>

#include "ops/builders.h"

namespace dl::onnx {
namespace {

constexpr int64_t kTerms = 256;  // 256 * 255 * 255 < 2^24: any order of adding is exact
constexpr int64_t kMaxPieces = 64;

// The sum of product(begin, count) over pieces of [0, size).
Var add_pieces(int64_t size, int64_t piece, const std::function<Var(int64_t, int64_t)>& product) {
  Var sum;
  for (int64_t begin = 0; begin < std::max<int64_t>(size, 1); begin += piece) {
    const Var part = cast(product(begin, std::min(piece, size - begin)), DType::kInt32);
    sum = sum.valid() ? sum + part : part;
  }
  return sum;
}

}  // namespace

Var exact_matmul(Var a, Var b) {
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if (row) a = expand_dims(a, 0);
  if (column) b = expand_dims(b, 1);
  const Dim k = a.dim(-1);
  Var y;
  if (k.known() && k.value() <= kTerms * kMaxPieces) {
    const Var fa = cast(a, DType::kFloat32), fb = cast(b, DType::kFloat32);
    y = add_pieces(k.value(), kTerms, [&](int64_t begin, int64_t count) {
      return matmul(slice_axis(fa, -1, begin, count), slice_axis(fb, -2, begin, count));
    });
  } else {
    y = matmul(a, b);
  }
  if (row) y = squeeze(y, {-2});
  if (column) y = squeeze(y, {-1});
  return y;
}

Var exact_conv(Var x, Var kernel, const Window& window, int64_t groups) {
  Dim taps(1);
  for (int64_t i = 0; i + 2 < kernel.rank(); ++i) taps = taps * kernel.dim(i);
  const Dim depth = kernel.dim(-2);
  const int64_t channel_axis = window.channels_first ? 1 : -1;
  const bool pieces = taps.known() && depth.known() && taps.value() > 0 && taps.value() <= kTerms;
  const int64_t piece = pieces ? std::max<int64_t>(1, kTerms / taps.value()) : 0;
  if (pieces && (depth.value() <= piece || (groups == 1 && depth.value() <= piece * kMaxPieces))) {
    const Var fx = cast(x, DType::kFloat32), fk = cast(kernel, DType::kFloat32);
    if (depth.value() <= piece) return cast(conv(fx, fk, window, groups), DType::kInt32);
    return add_pieces(depth.value(), piece, [&](int64_t begin, int64_t count) {
      return conv(slice_axis(fx, channel_axis, begin, count), slice_axis(fk, -2, begin, count), window);
    });
  }
  return cast(conv(cast(x, DType::kFloat64), cast(kernel, DType::kFloat64), window, groups), DType::kInt32);
}

}  // namespace dl::onnx
