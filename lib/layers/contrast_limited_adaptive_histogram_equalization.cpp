#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "layers/color.h"
#include "ops/builders.h"
#include "ops/indexing.h"

namespace dl {
namespace {

constexpr std::pair<double, double> kTileBytes{0, 255};
constexpr int64_t kLevels = 256;

// How an image falls into tiles, all of one size.
struct TileGrid {
  int64_t rows, columns, height, width;  // number of tiles; size of one
};

// Mirrored at the end up to `size`.
Var mirror_to(Var x, int64_t axis, int64_t size) {
  const int64_t n = x.dim(axis).value();
  if (size == n) return x;
  if (size > 2 * n) throw UserError(fmt::format("the grid of tiles is too fine for {} pixels", n));
  Tensor from(DType::kInt64, {size});
  for (int64_t i = 0; i < size; ++i) from.set(i, static_cast<double>(i < n ? i : 2 * n - 1 - i));
  return gather(x, constant(*x.graph, from), axis);
}

// For each tile what becomes of each level: [batch, rows, columns, channels, levels].
Var tile_levels(Var bytes, const TileGrid& grid, double clip_limit) {
  const Dim batch = bytes.dim(0), channels = bytes.dim(3);
  const Dim rows(grid.rows), columns(grid.columns), pixels(grid.height * grid.width);
  const Var split = reshape(bytes, {batch, rows, Dim(grid.height), columns, Dim(grid.width), channels});
  const Var tiles = reshape(transpose(split, {0, 1, 3, 5, 2, 4}), {batch, rows, columns, channels, pixels});
  const Var none = full(*bytes.graph, {DType::kFloat32, {batch, rows, columns, channels, Dim(kLevels)}}, 0);
  Var counts = scatter_elements(none, tiles, cast(ones_like(tiles), DType::kFloat32), 4, Scatter::kAdd);
  const auto area = static_cast<double>(grid.height * grid.width);
  if (clip_limit > 0) {
    const Var clipped = clip(counts, 0, clip_limit * area / kLevels);
    counts = clipped + reduce_sum(counts - clipped, {4}, true) / static_cast<double>(kLevels);
  }
  const Var sums = cumsum(counts, 4);
  const Var least = reduce_min(sums, {4}, true);
  const Var total = area - least;
  return clip((sums - least) * 255.0 / select(equal(total, 0.0), 1.0, total), 0, 255);
}

// Where a pixel lies between the middles of two tiles, of a grid with a copy of the outer tiles around it.
struct Between {
  std::vector<int64_t> low, high;
  Tensor weight;  // of high, float32
};
Between between_tiles(int64_t tiles, int64_t size) {
  Between b{{}, {}, Tensor(DType::kFloat32, {tiles * size})};
  for (int64_t i = 0; i < tiles * size; ++i) {
    const float at = (static_cast<float>(i) - static_cast<float>(static_cast<double>(size) / 2)) / static_cast<float>(size) + 1.0f;
    const float floor = std::floor(at);
    b.weight.set(i, at - floor);
    b.low.push_back(std::clamp<int64_t>(static_cast<int64_t>(floor), 0, tiles + 1));
    b.high.push_back(std::clamp<int64_t>(static_cast<int64_t>(floor) + 1, 0, tiles + 1));
  }
  return b;
}

// bytes [batch, height, width, channels] as integers, `levels` of their tiles.
Var apply_levels(Var bytes, Var levels, const TileGrid& grid) {
  Graph& graph = *bytes.graph;
  const Dim batch = bytes.dim(0);
  const int64_t channels = bytes.dim(3).value(), height = grid.rows * grid.height, width = grid.columns * grid.width;
  levels = concat({slice_axis(levels, 1, 0, 1), levels, slice_axis(levels, 1, grid.rows - 1, 1)}, 1);
  levels = concat({slice_axis(levels, 2, 0, 1), levels, slice_axis(levels, 2, grid.columns - 1, 1)}, 2);
  levels = reshape(levels, {batch, Dim((grid.rows + 2) * (grid.columns + 2) * channels * kLevels)});
  const Between y = between_tiles(grid.rows, grid.height), x = between_tiles(grid.columns, grid.width);
  const auto look_up = [&](const std::vector<int64_t>& row, const std::vector<int64_t>& column) {
    Tensor start(DType::kInt64, {1, height, width, channels});
    int64_t* place = start.data<int64_t>();
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < width; ++j)
        for (int64_t c = 0; c < channels; ++c)
          *place++ = ((row[static_cast<size_t>(i)] * (grid.columns + 2) + column[static_cast<size_t>(j)]) * channels + c) * kLevels;
    const Var index = reshape(cast(bytes, DType::kInt64) + constant(graph, start), {batch, Dim(height * width * channels)});
    return reshape(gather_elements(levels, index, 1), bytes.shape());
  };
  const Var wy = reshape(constant(graph, y.weight), {Dim(1), Dim(height), Dim(1), Dim(1)});
  const Var wx = reshape(constant(graph, x.weight), {Dim(1), Dim(1), Dim(width), Dim(1)});
  const Var top = look_up(y.low, x.low) * (1.0 - wx) + look_up(y.low, x.high) * wx;
  const Var bottom = look_up(y.high, x.low) * (1.0 - wx) + look_up(y.high, x.high) * wx;
  return top * (1.0 - wy) + bottom * wy;
}

std::vector<MaskedVar> build_clahe(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const Image image = read_image(context, inputs[0].value);
  const std::vector<int64_t> tiles = config.integers("tile_grid_size");
  const int64_t height = image.height(), width = image.width();
  const TileGrid grid{tiles[0], tiles[1], (height + tiles[0] - 1) / tiles[0], (width + tiles[1] - 1) / tiles[1]};
  if (!image.x.dim(image.channel_axis).known()) throw UserError("needs to know the number of channels");
  const std::pair<double, double> range = value_range(config);
  Var x = cast(image.channels_first ? transpose(image.x, {0, 2, 3, 1}) : image.x, DType::kFloat32);
  x = mirror_to(mirror_to(change_range(x, range, kTileBytes), 1, grid.rows * grid.height), 2, grid.columns * grid.width);
  const Var bytes = cast(clip(x, 0, 255), DType::kInt32);
  Var y = apply_levels(bytes, tile_levels(bytes, grid, config.real("clip_limit")), grid);
  y = slice_axis(slice_axis(y, 1, 0, height), 2, 0, width);
  y = change_range(y, kTileBytes, range);
  return {{cast(image.channels_first ? transpose(y, {0, 3, 1, 2}) : y, image.x.dtype()), {}}};
}

}  // namespace

const LayerDef layer_contrast_limited_adaptive_histogram_equalization = {
    .class_name = "ContrastLimitedAdaptiveHistogramEqualization",
    .summary = "Spreads the values of each tile of an image over their range, with limited contrast; at inference, too.",
    .keys = {value_range_key(), float_key("clip_limit", 4, -std::numeric_limits<double>::infinity()),
             tuple_key("tile_grid_size", 2, spec::Node::integer(8)), data_format_key()},
    .check = [](Layer& layer, spec::Reader& reader) { check_value_range(layer, reader); },
    .build = build_clahe,
};

}  // namespace dl
