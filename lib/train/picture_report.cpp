#include "train/picture_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/base64.h"
#include "base/error.h"
#include "data/image.h"
#include "train/html.h"

namespace dl {
namespace {

constexpr int64_t kMaxSide = 512, kMinSide = 2, kGap = 2;

// Puts a picture with its upper left corner at (top, left).
void draw(const Tensor& values, double low, double high, int64_t top, int64_t left, Image& into) {
  const Dims& dims = values.dims();
  const int64_t height = dims[0], width = dims[1], channels = dims.size() == 3 ? dims[2] : 1;
  const double range = high > low ? high - low : 1;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < into.channels; ++c) {
        const double v = values.data<float>()[(y * width + x) * channels + std::min(c, channels - 1)];
        const double share = std::isnan(v) ? 0 : std::clamp((v - low) / range, 0.0, 1.0);
        into.pixels[static_cast<size_t>(((top + y) * into.width + left + x) * into.channels + c)] =
            static_cast<uint8_t>(std::lround(255 * share));
      }
}

}  // namespace

bool is_picture(const Dims& dims) {
  if (dims.size() != 2 && !(dims.size() == 3 && (dims[2] == 1 || dims[2] == 3))) return false;
  return std::all_of(dims.begin(), dims.begin() + 2, [](int64_t d) { return d >= kMinSide && d <= kMaxSide; });
}

std::string render_pictures(const std::vector<ReconstructedPicture>& pictures, const std::string& data_name) {
  if (pictures.empty()) return "";
  const Dims& dims = pictures[0].original.dims();
  DL_CHECK(is_picture(dims), "no pictures");
  double low = pictures[0].original.at(0), high = low;
  for (const ReconstructedPicture& p : pictures)
    for (const float v : p.original.values<float>()) {
      low = std::min<double>(low, v);
      high = std::max<double>(high, v);
    }
  const auto count = static_cast<int64_t>(pictures.size());
  Image grid{2 * dims[0] + kGap, count * (dims[1] + kGap) - kGap, dims.size() == 3 && dims[2] == 3 ? 3 : 1, {}};
  grid.pixels.assign(static_cast<size_t>(grid.height * grid.width * grid.channels), 128);
  for (int64_t i = 0; i < count; ++i) {
    const ReconstructedPicture& p = pictures[static_cast<size_t>(i)];
    draw(p.original, low, high, 0, i * (dims[1] + kGap), grid);
    draw(p.result.reshaped(dims), low, high, dims[0] + kGap, i * (dims[1] + kGap), grid);
  }
  const std::string png = encode_png(grid);
  return fmt::format(
      "<section id=\"pictures\"><h2>Reconstructions</h2>\n<p>The first {} samples of <b>{}</b>: above as they are, below as the network "
      "gives them back.</p>\n<img class=\"pixels\" width=\"{}\" height=\"{}\" alt=\"Originals and reconstructions\" "
      "src=\"data:image/png;base64,{}\">\n</section>\n",
      count, escape_html(data_name), grid.width, grid.height, to_base64(png.data(), png.size()));
}

}  // namespace dl
