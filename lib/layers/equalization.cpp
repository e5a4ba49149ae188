#include <limits>

#include "layers/color.h"
#include "ops/builders.h"
#include "ops/indexing.h"

namespace dl {
namespace {

constexpr std::pair<double, double> kEqualBytes{0, 255};

// In Keras's order of operations, by which a value falls into one bin or the next.
Var scale_to(Var x, std::pair<double, double> from, std::pair<double, double> to) {
  const double scale = (to.second - to.first) / (from.second - from.first);
  return x * scale + (to.first - from.first * scale);
}

// x [batch, pixels, channels] of bytes. Keras takes one histogram for all images of a batch.
Var equalize(Var x, int64_t bins) {
  Graph& graph = *x.graph;
  const int64_t channels = x.dim(2).value();
  const Dim batch = x.dim(0), flat(x.dim(1).value() * channels), table(channels * bins);
  const double last = static_cast<double>(bins - 1);
  const Var first = iota(graph, DType::kInt32, {Dim(1), Dim(1), Dim(channels)}, 2) * static_cast<double>(bins);  // bin of each channel
  const auto flatten = [&](Var index) { return reshape(index + first, {batch, flat}); };

  const Var bin = clip(cast(x * last / 255.0, DType::kInt32), 0, last);
  const Var ones = cast(ones_like(flatten(bin)), DType::kInt32);
  const Var none = full(graph, {DType::kInt32, {batch, table}}, 0);
  const Var counts = reshape(reduce_sum(scatter_elements(none, flatten(bin), ones, 1, Scatter::kAdd), {0}), {Dim(channels), Dim(bins)});
  const Var sums = cast(cumsum(counts, 1), DType::kFloat64);
  const Var least = reduce_min(select(greater(sums, 0.0), sums, std::numeric_limits<double>::max()), {1}, true);
  const Var total = slice_axis(sums, 1, bins - 1, 1) - least;
  const Var levels = clip(round((sums - least) * 255.0 / select(equal(total, 0.0), 1.0, total)), 0, 255);

  const Var place = cast(clip(x / 255.0 * last, 0, last), DType::kInt32);
  const Var y = cast(reshape(gather(reshape(levels, {table}), flatten(place), 0), x.shape()), x.dtype());
  const Var used = reduce_sum(cast(greater(counts, 0.0), DType::kInt32), {1});
  return select(less_equal(used, 1.0), x, y);  // one value alone stays what it is
}

}  // namespace

const LayerDef layer_equalization = {
    .class_name = "Equalization",
    .summary = "In training, spreads the values of each channel evenly over their range.",
    .keys = {value_range_key(),
             {.name = "bins", .kind = KeyKind::kInt, .fallback = spec::Node::integer(256), .min = 2, .max = 65536},
             data_format_key()},
    .check = [](Layer& layer, spec::Reader& reader) { check_value_range(layer, reader); },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const std::pair<double, double> range = value_range(context.config());
      Var x = image.channels_first ? transpose(image.x, {0, 2, 3, 1}) : image.x;
      const Shape shape = x.shape();
      x = reshape(cast(x, DType::kFloat32), {shape[0], Dim(image.height() * image.width()), shape[3]});
      x = reshape(scale_to(equalize(scale_to(x, range, kEqualBytes), context.config().integer("bins")), kEqualBytes, range), shape);
      if (image.channels_first) x = transpose(x, {0, 3, 1, 2});
      return {{context.to_compute(x), {}}};
    },
};

}  // namespace dl
