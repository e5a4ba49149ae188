// Operators of vision: places in pictures and boxes around things.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "io/onnx/import_util.h"
#include "io/onnx/sampler.h"
#include "ops/indexing.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;
constexpr int64_t kMaxElements = int64_t{1} << 28;  // of a constant that is made here

int64_t product(std::span<const int64_t> sizes) { return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()); }

Dims picture_sizes(NodeCall& call, Var x, const char* what) {
  if (x.rank() < 3) call.fail("takes an operand [batch, channels, sizes...]");
  return known_shape(call, Shape(x.shape().begin() + 2, x.shape().end()), what);
}

// ---- GridSample, AffineGrid

Sampler grid_sampler(NodeCall& call) {
  Sampler s;
  const std::string mode = call.text("mode", "linear"), padding = call.text("padding_mode", "zeros");
  if (mode == "nearest")
    s.mode = Sampler::Mode::kNearest;
  else if (mode == "cubic" || mode == "bicubic")
    s.mode = Sampler::Mode::kCubic;
  else if (mode != "linear" && mode != "bilinear")
    call.fail(fmt::format("mode '{}' is not known", mode));
  if (padding == "border")
    s.padding = Sampler::Padding::kBorder;
  else if (padding == "reflection")
    s.padding = Sampler::Padding::kReflection;
  else if (padding != "zeros")
    call.fail(fmt::format("padding_mode '{}' is not known", padding));
  s.align_corners = call.integer("align_corners", 0) != 0;
  return s;
}

OnnxValues import_grid_sample(NodeCall& call) {
  const Var x = call.in(0), grid = call.in(1);
  const Sampler sampler = grid_sampler(call);
  const Dims sizes = picture_sizes(call, x, "the size of the picture");
  const auto axes = static_cast<int64_t>(sizes.size());
  if (grid.rank() != x.rank() || grid.dim(-1) != Dim(axes) || grid.dim(0) != x.dim(0))
    call.fail(fmt::format("a grid of shape {} does not fit {}", to_string(grid.shape()), to_string(x.shape())));
  const Shape out(grid.shape().begin() + 1, grid.shape().end() - 1);
  const Var flat = reshape(grid, {grid.dim(0), element_count(out), Dim(axes)});
  std::vector<Var> places;
  for (int64_t i = 0; i < axes; ++i) {  // the grid names the last axis first
    const Var n = squeeze(slice_axis(flat, 2, axes - 1 - i, 1), {2});
    const auto size = static_cast<double>(sizes[static_cast<size_t>(i)]);
    places.push_back(sampler.align_corners ? (n + 1.0) / 2.0 * (size - 1) : ((n + 1.0) * size - 1.0) / 2.0);
  }
  Shape shape = {x.dim(0), x.dim(1)};
  shape.insert(shape.end(), out.begin(), out.end());
  return {reshape(sample_at(sampler, x, sizes, places), shape)};
}

OnnxValues import_affine_grid(NodeCall& call) {
  const Var theta = call.in(0);
  const Ints size = call.ints(1, "the size of the grid");
  if (size.size() < 4 || size.size() > 5) call.fail("the size must have 4 or 5 numbers");
  const Dims sizes(size.begin() + 2, size.end());
  const auto axes = static_cast<int64_t>(sizes.size());
  for (const int64_t s : sizes)
    if (s < 1 || s > kMaxElements) call.fail("the size of the grid is out of range");
  if (product(sizes) > kMaxElements) call.fail("the grid is too large");
  if (theta.rank() != 3 || theta.dim(1) != Dim(axes) || theta.dim(2) != Dim(axes + 1)) call.fail("theta does not fit the size");
  const bool align = call.integer("align_corners", 0) != 0;
  // Columns: the place of each point, last axis first, and 1.
  const int64_t points = product(sizes);
  Reals columns(static_cast<size_t>((axes + 1) * points), 1);
  for (int64_t p = 0; p < points; ++p) {
    int64_t rest = p;
    for (int64_t i = axes; i-- > 0;) {
      const int64_t n = sizes[static_cast<size_t>(i)], at = rest % n;
      rest /= n;
      const auto count = static_cast<double>(n), place = static_cast<double>(at);
      columns[static_cast<size_t>((axes - 1 - i) * points + p)] =
          align ? (n == 1 ? -1 : -1 + 2 * place / (count - 1)) : (2 * place + 1) / count - 1;
    }
  }
  const Var grid = matmul(theta, numbers(call.graph(), theta.dtype(), {axes + 1, points}, columns));  // [n, axes, points]
  Shape shape = {theta.dim(0)};
  for (const int64_t s : sizes) shape.push_back(s);
  shape.push_back(axes);
  return {reshape(transpose(grid, {0, 2, 1}), shape)};
}

// ---- DeformConv

Ints list_of(NodeCall& call, const char* name, size_t count, int64_t fallback) {
  Ints list = call.integers(name);
  if (list.empty()) list.assign(count, fallback);
  if (list.size() != count) call.fail(fmt::format("{} has {} numbers instead of {}", name, list.size(), count));
  for (const int64_t v : list)
    if (std::abs(static_cast<double>(v)) > 0x1p20) call.fail(fmt::format("{} is out of range", name));
  return list;
}

OnnxValues import_deform_conv(NodeCall& call) {
  const Var x = call.in(0), w = call.in(1), offset = call.in(2);
  const Dims sizes = picture_sizes(call, x, "the size of the picture");
  if (sizes.size() != 2 || w.rank() != 4 || offset.rank() != 4) call.unsupported("a picture of other than two axes");
  const Dims kernel = known_shape(call, w.shape(), "the kernel");
  const int64_t taps = kernel[2] * kernel[3], groups = call.integer("group", 1), offset_groups = call.integer("offset_group", 1);
  const Ints strides = list_of(call, "strides", 2, 1), dilations = list_of(call, "dilations", 2, 1), pads = list_of(call, "pads", 4, 0);
  const int64_t channels = known_shape(call, {x.dim(1)}, "the channels")[0];
  if (groups < 1 || offset_groups < 1 || channels != kernel[1] * groups || kernel[0] % groups != 0 || channels % offset_groups != 0)
    call.fail("channels and groups do not fit");
  Dims out;
  for (size_t i = 0; i < 2; ++i) {
    if (strides[i] < 1 || dilations[i] < 1 || kernel[i + 2] < 1) call.fail("strides and dilations must be positive");
    out.push_back((sizes[i] + pads[i] + pads[i + 2] - (kernel[i + 2] - 1) * dilations[i] - 1) / strides[i] + 1);
    if (out[i] < 1 || offset.dim(static_cast<int64_t>(i) + 2) != Dim(out[i])) call.fail("the offsets do not have the size of the result");
  }
  if (offset.dim(1) != Dim(offset_groups * taps * 2)) call.fail("the offsets do not fit kernel and groups");
  const int64_t points = product(out);
  const Dim batch = x.dim(0);
  const Var moves = reshape(offset, {batch, Dim(offset_groups), Dim(taps), Dim(2), Dim(points)});
  std::vector<Var> columns;
  for (int64_t g = 0; g < offset_groups; ++g) {
    std::vector<Var> places;
    for (size_t axis = 0; axis < 2; ++axis) {
      Reals at;
      for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t p = 0; p < points; ++p) {
          const int64_t step = axis == 0 ? tap / kernel[3] : tap % kernel[3], row = axis == 0 ? p / out[1] : p % out[1];
          at.push_back(static_cast<double>(row * strides[axis] - pads[axis] + step * dilations[axis]));
        }
      const Var move =
          reshape(slice(moves, {0, g, 0, static_cast<int64_t>(axis), 0}, {batch, 1, taps, 1, points}), {batch, Dim(taps * points)});
      places.push_back(move + numbers(call.graph(), x.dtype(), {taps * points}, at));
    }
    const int64_t width = channels / offset_groups;
    Var values = sample_at({}, slice_axis(x, 1, g * width, width), sizes, places);
    if (call.has(4)) {
      const Var mask = reshape(slice_axis(call.in(4), 1, g * taps, taps), {batch, Dim(1), Dim(taps * points)});
      values = values * mask;
    }
    columns.push_back(values);
  }
  const Var all = reshape(concat(columns, 1), {batch, Dim(groups), Dim(kernel[1] * taps), Dim(points)});
  const Var weights = reshape(w, {Dim(1), Dim(groups), Dim(kernel[0] / groups), Dim(kernel[1] * taps)});
  Var y = reshape(matmul(weights, all), {batch, Dim(kernel[0]), Dim(out[0]), Dim(out[1])});
  if (call.has(3)) y = y + along_axis(call.in(3), 1, 4);
  return {y};
}

// ---- Col2Im, CenterCropPad, MaxUnpool

OnnxValues import_col2im(NodeCall& call) {
  const Var x = call.in(0);
  const Ints image = call.ints(1, "the image's shape"), block = call.ints(2, "the block's shape");
  const size_t axes = image.size();
  if (x.rank() != 3 || axes == 0 || block.size() != axes) call.fail("shapes of image and block do not fit");
  const Ints strides = list_of(call, "strides", axes, 1), dilations = list_of(call, "dilations", axes, 1),
             pads = list_of(call, "pads", 2 * axes, 0);
  Dims padded, steps;
  for (size_t i = 0; i < axes; ++i) {
    if (image[i] < 1 || block[i] < 1 || strides[i] < 1 || dilations[i] < 1 || pads[i] < 0 || pads[axes + i] < 0)
      call.fail("sizes must be positive");
    padded.push_back(image[i] + pads[i] + pads[axes + i]);
    const int64_t reach = (block[i] - 1) * dilations[i] + 1;
    if (reach > padded[i] || padded[i] > kMaxElements) call.fail("the block does not fit the image");
    steps.push_back((padded[i] - reach) / strides[i] + 1);
  }
  const int64_t taps = product(block), blocks = product(steps);
  if (taps > kMaxElements / std::max<int64_t>(blocks, 1) || product(padded) > kMaxElements) call.fail("the image is too large");
  if (x.dim(2) != Dim(blocks) || !exact_div(x.dim(1), Dim(taps)))
    call.fail(fmt::format("an operand of shape {} does not fit {} blocks of {}", to_string(x.shape()), blocks, taps));
  Ints places;
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t b = 0; b < blocks; ++b) {
      int64_t place = 0, stride = 1, tap_rest = tap, block_rest = b;
      for (size_t i = axes; i-- > 0;) {
        place += (tap_rest % block[i] * dilations[i] + block_rest % steps[i] * strides[i]) * stride;
        tap_rest /= block[i], block_rest /= steps[i], stride *= padded[i];
      }
      places.push_back(place);
    }
  const Dim channels = *exact_div(x.dim(1), Dim(taps));
  const Var columns = reshape(x, {x.dim(0), channels, Dim(taps * blocks)});
  Var y = scatter_add(columns, integers(call.graph(), {taps * blocks}, places), Dim(product(padded)), 2);
  Shape shape = {x.dim(0), channels};
  for (const int64_t size : padded) shape.push_back(size);
  y = reshape(y, shape);
  for (size_t i = 0; i < axes; ++i) y = slice_axis(y, static_cast<int64_t>(i) + 2, pads[i], image[i]);
  return {y};
}

OnnxValues import_center_crop_pad(NodeCall& call) {
  Var x = call.in(0);
  const Ints wanted = call.ints(1, "the shape");
  Ints axes = call.integers("axes");
  if (!call.has_attribute("axes"))
    for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  if (axes.size() != wanted.size()) call.fail("the shape does not have a size for each axis");
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = checked_axis(call, axes[i], x.rank()), have = known_shape(call, {x.dim(axis)}, "the size that is cut")[0];
    if (wanted[i] < 0 || wanted[i] > kMaxElements) call.fail("a size is out of range");
    if (wanted[i] < have) {
      x = slice_axis(x, axis, (have - wanted[i]) / 2, wanted[i]);
    } else if (wanted[i] > have) {
      Ints before(static_cast<size_t>(x.rank()), 0), after = before;
      before[static_cast<size_t>(axis)] = (wanted[i] - have) / 2;
      after[static_cast<size_t>(axis)] = wanted[i] - have - (wanted[i] - have) / 2;
      x = pad(x, before, after);
    }
  }
  return {x};
}

// The indices count in the tensor that was pooled; where output_shape asks for more, that has room behind it.
OnnxValues import_max_unpool(NodeCall& call) {
  const Var x = call.in(0), at = call.in(1);
  const Dims sizes = known_shape(call, x.shape(), "the size of the operand");
  if (sizes.size() < 3 || at.shape() != x.shape()) call.fail("operand and indices must have one shape [batch, channels, sizes...]");
  const size_t axes = sizes.size() - 2;
  const Ints kernel = list_of(call, "kernel_shape", axes, 0), strides = list_of(call, "strides", axes, 1),
             pads = list_of(call, "pads", 2 * axes, 0);
  Dims pooled(sizes.begin(), sizes.begin() + 2);
  for (size_t i = 0; i < axes; ++i) {
    if (kernel[i] < 1 || strides[i] < 1 || kernel[i] > kMaxElements || strides[i] > kMaxElements)
      call.fail("kernel_shape and strides must be positive");
    pooled.push_back((sizes[i + 2] - 1) * strides[i] + kernel[i] - pads[i] - pads[axes + i]);
    if (pooled.back() < 1 || pooled.back() > kMaxElements) call.fail("the result has no size");
  }
  if (element_count(std::span<const int64_t>(pooled)) > kMaxElements) call.fail("the result is too large");
  const Var zeros = full(call.graph(), {x.dtype(), {Dim(product(pooled))}}, 0);
  const Dim count(product(sizes));
  Var y = reshape(scatter_elements(zeros, reshape(at, {count}), reshape(x, {count}), 0), to_shape(pooled));
  if (call.has(2)) {
    const Ints wanted = call.ints(2, "the result's shape");
    if (wanted.size() != pooled.size()) call.fail("output_shape does not have the operand's rank");
    Ints after;
    for (size_t i = 0; i < pooled.size(); ++i) {
      after.push_back(wanted[i] - pooled[i]);
      if (after[i] < 0 || wanted[i] > kMaxElements)
        call.fail(fmt::format("output_shape is smaller than what was pooled, {}", to_string(std::span<const int64_t>(pooled))));
    }
    y = pad(y, Ints(pooled.size(), 0), after);
  }
  return {y};
}

// ---- RoiAlign

// What is read for one cell of the result: rows of [batch * height * width, channels], their weights, and the cell.
struct RoiTaps {
  Ints rows, cells;
  Reals weights;
};

struct RoiPlan {
  int64_t height, width, out_height, out_width, sampling;
  float scale;
  bool half_pixel, average;

  // The samples of region `r` with corners x1, y1, x2, y2 in picture `batch`.
  void add(RoiTaps& taps, int64_t r, const float* corner, int64_t batch) const {
    const float offset = half_pixel ? 0.5f : 0;
    const float left = corner[0] * scale - offset, top = corner[1] * scale - offset;
    float w = corner[2] * scale - offset - left, h = corner[3] * scale - offset - top;
    if (!half_pixel) w = std::max(w, 1.0f), h = std::max(h, 1.0f);
    const float bin_w = w / static_cast<float>(out_width), bin_h = h / static_cast<float>(out_height);
    const auto grid = [&](float bin) { return sampling > 0 ? sampling : static_cast<int64_t>(std::clamp(std::ceil(bin), 0.0f, 4096.0f)); };
    const int64_t grid_w = grid(bin_w), grid_h = grid(bin_h);
    const double share = average ? 1.0 / static_cast<double>(std::max<int64_t>(grid_w * grid_h, 1)) : 1;
    for (int64_t cell = 0; cell < out_height * out_width; ++cell)
      for (int64_t iy = 0; iy < grid_h; ++iy)
        for (int64_t ix = 0; ix < grid_w; ++ix) {
          const float y =
              top + static_cast<float>(cell / out_width) * bin_h + (static_cast<float>(iy) + 0.5f) * bin_h / static_cast<float>(grid_h);
          const float x =
              left + static_cast<float>(cell % out_width) * bin_w + (static_cast<float>(ix) + 0.5f) * bin_w / static_cast<float>(grid_w);
          add_sample(taps, r * out_height * out_width + cell, batch, y, x, share);
        }
  }

 private:
  void add_sample(RoiTaps& taps, int64_t cell, int64_t batch, float y, float x, double share) const {
    const bool outside = !(y >= -1) || !(x >= -1) || y > static_cast<float>(height) || x > static_cast<float>(width);
    const auto [y0, y1, ly] = neighbours(outside ? 0 : y, height);
    const auto [x0, x1, lx] = neighbours(outside ? 0 : x, width);
    const double factor = outside ? 0 : share;
    const auto put = [&](int64_t row, int64_t column, double weight) {
      taps.rows.push_back((batch * height + row) * width + column);
      taps.cells.push_back(cell);
      taps.weights.push_back(weight * factor);
    };
    put(y0, x0, (1 - ly) * (1 - lx)), put(y0, x1, (1 - ly) * lx), put(y1, x0, ly * (1 - lx)), put(y1, x1, ly * lx);
  }
  static std::tuple<int64_t, int64_t, double> neighbours(float place, int64_t size) {
    place = std::max(place, 0.0f);
    const auto low = static_cast<int64_t>(place);
    if (low >= size - 1) return {size - 1, size - 1, 0.0};
    return {low, low + 1, static_cast<double>(place) - static_cast<double>(low)};
  }
};

OnnxValues import_roi_align(NodeCall& call) {
  const Var x = call.in(0);
  const Dims sizes = known_shape(call, x.shape(), "the size of the picture");
  const Tensor rois = call.concrete(1, "the regions").cast(DType::kFloat32);
  const Ints batches = call.ints(2, "the regions' pictures");
  const auto count = static_cast<int64_t>(batches.size());
  if (sizes.size() != 4 || rois.dims() != Dims{count, 4}) call.fail("needs a picture of two axes and four numbers for each region");
  const std::string mode = call.text("mode", "avg"),
                    place = call.text("coordinate_transformation_mode", call.opset() < 16 ? "output_half_pixel" : "half_pixel");
  if (mode != "avg" && mode != "max") call.fail(fmt::format("mode '{}' is not known", mode));
  if (place != "half_pixel" && place != "output_half_pixel")
    call.fail(fmt::format("coordinate_transformation_mode '{}' is not known", place));
  const RoiPlan plan{sizes[2],
                     sizes[3],
                     call.integer("output_height", 1),
                     call.integer("output_width", 1),
                     call.integer("sampling_ratio", 0),
                     static_cast<float>(call.real("spatial_scale", 1)),
                     place == "half_pixel",
                     mode == "avg"};
  if (plan.height < 1 || plan.width < 1 || plan.out_height < 1 || plan.out_width < 1 || plan.sampling < 0 || plan.out_height > 4096 ||
      plan.out_width > 4096 || plan.sampling > 4096)
    call.fail("its sizes are out of range");
  RoiTaps taps;
  for (int64_t r = 0; r < count; ++r) {
    const int64_t batch = batches[static_cast<size_t>(r)];
    if (batch < 0 || batch >= sizes[0]) call.fail(fmt::format("region {} is in picture {} of {}", r, batch, sizes[0]));
    plan.add(taps, r, rois.data<float>() + 4 * r, batch);
    if (static_cast<int64_t>(taps.rows.size()) > kMaxElements) call.fail("the regions are too large");
  }
  const auto reads = static_cast<int64_t>(taps.rows.size());
  const Dim cells(count * plan.out_height * plan.out_width), channels(sizes[1]);
  const Var rows = reshape(transpose(x, {0, 2, 3, 1}), {Dim(sizes[0] * sizes[2] * sizes[3]), channels});
  const Var values =
      gather(rows, integers(call.graph(), {reads}, taps.rows), 0) * numbers(call.graph(), x.dtype(), {reads, 1}, taps.weights);
  const Var at = integers(call.graph(), {reads}, taps.cells);
  Var y;
  if (plan.average) {
    y = scatter_add(values, at, cells, 0);
  } else {
    const Var none = full(call.graph(), {x.dtype(), {cells, channels}}, -INFINITY);
    y = scatter_elements(none, broadcast_to(expand_dims(at, 1), {Dim(reads), channels}), values, 0, Scatter::kMaximum);
  }
  return {transpose(reshape(y, {Dim(count), Dim(plan.out_height), Dim(plan.out_width), channels}), {0, 3, 1, 2})};
}

// ---- MaxRoiPool

// For each part of a region, along one axis, whether a place of the picture is in it: [regions, parts, size].
Var region_parts(NodeCall& call, const Tensor& rois, int64_t first, int64_t parts, int64_t size, float scale) {
  const int64_t count = rois.dims()[0];
  std::vector<double> inside(static_cast<size_t>(count * parts * size), 0);
  for (int64_t r = 0; r < count; ++r) {
    const float low = std::round(rois.data<float>()[5 * r + first] * scale),
                high = std::round(rois.data<float>()[5 * r + first + 2] * scale);
    const float step = std::max(high - low + 1, 1.0f) / static_cast<float>(parts);
    for (int64_t p = 0; p < parts; ++p) {
      const float begin = std::floor(static_cast<float>(p) * step) + low, end = std::ceil(static_cast<float>(p + 1) * step) + low;
      for (int64_t i = 0; i < size; ++i)
        if (static_cast<float>(i) >= begin && static_cast<float>(i) < end) inside[static_cast<size_t>((r * parts + p) * size + i)] = 1;
    }
  }
  return numbers(call.graph(), DType::kBool, {count, parts, size}, inside);
}

OnnxValues import_max_roi_pool(NodeCall& call) {
  const Var x = call.in(0);
  const Dims sizes = known_shape(call, x.shape(), "the size of the picture");
  const Tensor rois = call.concrete(1, "the regions").cast(DType::kFloat32);
  const Ints pooled = call.integers("pooled_shape");
  const auto scale = static_cast<float>(call.real("spatial_scale", 1));
  if (sizes.size() != 4 || rois.rank() != 2 || rois.dims()[1] != 5 || pooled.size() != 2)
    call.fail("needs a picture of two axes, five numbers for each region and a pooled_shape of two");
  const int64_t count = rois.dims()[0];
  for (size_t i = 0; i < 2; ++i)
    if (pooled[i] < 1 || pooled[i] > 4096 || pooled[i] * sizes[i + 2] * std::max<int64_t>(count, 1) > kMaxElements)
      call.fail("its sizes are out of range");
  Ints batches;
  for (int64_t r = 0; r < count; ++r) {
    const float batch = rois.data<float>()[5 * r];
    if (!(batch >= 0) || batch >= static_cast<float>(sizes[0]))
      call.fail(fmt::format("region {} is in picture {} of {}", r, batch, sizes[0]));
    batches.push_back(static_cast<int64_t>(batch));
  }
  // [regions, channels, 1, height, width]: the largest along the width of each part, then along the height.
  const Var regions = expand_dims(gather(x, integers(call.graph(), {count}, batches), 0), 2);
  const auto along = [&](Var v, int64_t first, int64_t parts, int64_t size, int64_t axis) {
    const Var inside = region_parts(call, rois, first, parts, size, scale);
    Shape shape(5, Dim(1));
    shape[0] = Dim(count), shape[2] = Dim(parts), shape[static_cast<size_t>(axis)] = Dim(size);
    return reduce_max(select(reshape(inside, shape), v, -INFINITY), {axis});
  };
  const Var wide = transpose(along(regions, 1, pooled[1], sizes[3], 4), {0, 1, 3, 2});  // [regions, channels, height, parts]
  const Var y = along(expand_dims(wide, 2), 2, pooled[0], sizes[2], 3);
  return {select(equal(y, -INFINITY), 0.0, y)};
}

// ---- NonMaxSuppression

struct Box {
  float y1, x1, y2, x2;
  float area() const { return (y2 - y1) * (x2 - x1); }
};

Box box_at(const Tensor& boxes, int64_t index, bool center) {
  const float* b = boxes.data<float>() + 4 * index;
  if (center) return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

bool overlap(const Box& a, const Box& b, float threshold) {
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1), width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (height <= 0 || width <= 0 || a.area() <= 0 || b.area() <= 0) return false;
  const float common = height * width;
  return common / (a.area() + b.area() - common) > threshold;
}

OnnxValues import_non_max_suppression(NodeCall& call) {
  const char* what = "the number of boxes that are kept";
  const Tensor boxes = call.concrete(0, what).cast(DType::kFloat32), scores = call.concrete(1, what).cast(DType::kFloat32);
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dims()[2] != 4 || boxes.dims()[0] != scores.dims()[0] ||
      boxes.dims()[1] != scores.dims()[2])
    call.fail("takes boxes [batches, boxes, 4] and scores [batches, classes, boxes]");
  const int64_t most = call.has(2) ? call.int_value(2, "max_output_boxes_per_class") : 0;
  const auto threshold = static_cast<float>(call.has(3) ? call.real_value(3, "iou_threshold") : 0);
  const auto least = static_cast<float>(call.has(4) ? call.real_value(4, "score_threshold") : -INFINITY);
  const bool center = call.integer("center_point_box", 0) != 0;
  const int64_t batches = scores.dims()[0], classes = scores.dims()[1], count = scores.dims()[2];
  Ints result;
  for (int64_t group = 0; group < batches * classes; ++group) {
    const float* score = scores.data<float>() + group * count;
    Ints order;
    for (int64_t i = 0; i < count; ++i)
      if (!call.has(4) || score[i] > least) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
    std::vector<Box> kept;
    for (const int64_t i : order) {
      if (static_cast<int64_t>(kept.size()) >= most) break;
      const Box box = box_at(boxes, group / classes * count + i, center);
      if (std::any_of(kept.begin(), kept.end(), [&](const Box& k) { return overlap(box, k, threshold); })) continue;
      kept.push_back(box);
      result.insert(result.end(), {group / classes, group % classes, i});
    }
  }
  return {OnnxValue(int_tensor({static_cast<int64_t>(result.size()) / 3, 3}, result))};
}

constexpr OpRow kVisionRows[] = {
    {"GridSample", 16, import_grid_sample},
    {"AffineGrid", 20, import_affine_grid},
    {"DeformConv", 19, import_deform_conv},
    {"Col2Im", 18, import_col2im},
    {"CenterCropPad", 18, import_center_crop_pad, kAnyType},
    {"MaxUnpool", 9, import_max_unpool},
    {"RoiAlign", 10, import_roi_align},
    {"MaxRoiPool", 1, import_max_roi_pool},
    {"NonMaxSuppression", 10, import_non_max_suppression},
};

}  // namespace

std::span<const OpRow> onnx_rows_vision() { return kVisionRows; }

}  // namespace dl::onnx
