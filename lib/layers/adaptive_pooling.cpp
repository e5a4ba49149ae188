#include "layers/adaptive_pooling.h"

#include "base/error.h"
#include "layers/window.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// Where every axis divides, the windows are ordinary ones.
bool divides(const Shape& sizes, const std::vector<int64_t>& out) {
  for (size_t i = 0; i < out.size(); ++i)
    if (sizes[i].value() % out[i] != 0) return false;
  return true;
}

Var pool_regular(Var x, const Shape& sizes, const std::vector<int64_t>& out, bool channels_first, Pooling pooling) {
  Window window;
  for (size_t i = 0; i < out.size(); ++i) window.size.push_back(sizes[i].value() / out[i]);
  window.strides = window.size;
  window.channels_first = channels_first;
  return pooling == Pooling::kMax ? max_pool(x, window) : avg_pool(x, window);
}

// Windows are products of intervals, so one axis after the other gives the same maximum and, all rows of a window being
// equally long, the same mean.
Var pool_axis(Var x, int64_t axis, int64_t out, Pooling pooling) {
  const int64_t size = x.dim(axis).value();
  std::vector<Var> results;
  for (int64_t i = 0; i < out; ++i) {
    const int64_t begin = i * size / out, end = ((i + 1) * size + out - 1) / out;
    const Var window = slice_axis(x, axis, begin, end - begin);
    results.push_back(pooling == Pooling::kMax ? reduce_max(window, {axis}, true) : reduce_mean(window, {axis}, true));
  }
  return concat(results, axis);
}

}  // namespace

std::vector<ConfigKey> adaptive_pooling_keys(size_t spatial) { return {tuple_key("output_size", spatial), data_format_key()}; }

std::vector<MaskedVar> build_adaptive_pooling(LayerContext& context, std::span<const MaskedVar> inputs, Pooling pooling) {
  const bool channels_first = context.config().text("data_format") == "channels_first";
  const std::vector<int64_t> out = context.config().integers("output_size");
  Var x = inputs[0].value;
  require_rank(x, static_cast<int64_t>(out.size()), context.layer().def->class_name, channels_first);
  const Shape sizes = spatial_sizes(x, channels_first);
  if (!all_known(sizes))
    throw UserError("needs known sizes to divide into windows, got " + to_string(x.shape()) + ": give them in the input's shape");
  if (divides(sizes, out)) return {{pool_regular(x, sizes, out, channels_first, pooling), {}}};
  for (size_t i = 0; i < out.size(); ++i) x = pool_axis(x, static_cast<int64_t>(i) + (channels_first ? 2 : 1), out[i], pooling);
  return {{x, {}}};
}

}  // namespace dl
