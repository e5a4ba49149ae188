#include "train/picture_report.h"

#include <doctest/doctest.h>

#include "base/base64.h"
#include "data/image.h"
#include "unit/text.h"

using namespace dl;

TEST_CASE("pictures: originals above, reconstructions below, on the scale of the originals") {
  CHECK(is_picture({28, 28}));
  CHECK(is_picture({28, 28, 3}));
  CHECK(!is_picture({28, 28, 4}));
  CHECK(!is_picture({784}));
  CHECK(!is_picture({144, 1}));
  CHECK(render_pictures({}, "test").empty());
  std::vector<ReconstructedPicture> pictures;
  for (int i = 0; i < 2; ++i)
    pictures.push_back({Tensor::from<float>({2, 3}, std::vector<float>{-1, 0, 1, 0, 0, 0}),
                        Tensor::from<float>({6}, std::vector<float>{-5, 0, 5, NAN, 0, 0.5f})});
  const std::string html = render_pictures(pictures, "<test>");
  CHECK(has(html, "The first 2 samples of <b>&lt;test&gt;</b>"));
  const size_t from = html.find("base64,") + 7;
  const auto png = from_base64(html.substr(from, html.find('"', from) - from));
  REQUIRE(png);
  const Image image = decode_image(std::as_bytes(std::span(*png)), "p", 1);
  REQUIRE(image.height == 2 + 2 + 2);
  REQUIRE(image.width == 3 + 2 + 3);
  const auto row = [&](int64_t y) {
    return std::vector<int>(image.pixels.begin() + static_cast<std::ptrdiff_t>(y * 8),
                            image.pixels.begin() + static_cast<std::ptrdiff_t>(y * 8 + 8));
  };
  CHECK(row(0) == std::vector<int>{0, 128, 255, 128, 128, 0, 128, 255});
  CHECK(row(2) == std::vector<int>(8, 128));
  CHECK(row(4) == std::vector<int>{0, 128, 255, 128, 128, 0, 128, 255});
  CHECK(row(5)[0] == 0);
  CHECK(row(5)[2] == 191);
}
