// What Pillow makes of the same files is the judge (tests/unit/data/files/make_files.py).
#include "data/image.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>

#include "data/file.h"
#include "data/npy.h"
#include "helpers.h"

using namespace dl;
using namespace dl::test;

namespace {

Image decode(const std::string& bytes, int64_t channels = 3) { return decode_image(bytes_of(bytes), "t", channels); }
std::string decode_error(const std::string& bytes) {
  return error_of([&] { decode(bytes); });
}

// Largest difference of a pixel.
double difference(const std::string& file, const Tensor& expected, int64_t channels = 3) {
  const Image image = decode(read_text(kFiles + file), channels);
  REQUIRE(Dims{image.height, image.width, image.channels} == expected.dims());
  double worst = 0;
  for (int64_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(expected.at(i) - image.pixels[static_cast<size_t>(i)]));
  return worst;
}

}  // namespace

TEST_CASE("image: every kind of PNG and JPEG as Pillow decodes it") {
  for (const char* file : {"rgb.png", "gray.png", "alpha.png", "gray_alpha.png", "palette.png", "bilevel.png", "gray16.png", "one.png",
                           "rgb.jpg", "gray.jpg", "progressive.jpg"}) {
    CAPTURE(file);
    CHECK(difference(file, read_npy(kFiles + file + ".expected.npy")) == 0);
  }
  CHECK(difference("cmyk.jpg", read_npy(kFiles + "cmyk.jpg.expected.npy")) <= 1);  // rounding of the ink product
}

TEST_CASE("image: gray from colors, and gray stays what it was") {
  const Tensor rgb = read_npy(kFiles + "rgb.png.expected.npy");
  const Image gray = decode(read_text(kFiles + "rgb.png"), 1);
  for (int64_t i = 0; i < gray.height * gray.width; ++i)
    CHECK(gray.pixels[static_cast<size_t>(i)] ==
          std::floor(0.299 * rgb.at(3 * i) + 0.587 * rgb.at(3 * i + 1) + 0.114 * rgb.at(3 * i + 2) + 0.5));
  const Image same = decode(read_text(kFiles + "gray.png"), 1);
  for (int64_t i = 0; i < same.height * same.width; ++i) CHECK(same.pixels[static_cast<size_t>(i)] == rgb.at(3 * i));
}

TEST_CASE("image: what is written as PNG reads back") {
  for (const int64_t channels : {1, 3}) {
    Image image{5, 7, channels, {}};
    for (int64_t i = 0; i < 35 * channels; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 37));
    const Image back = decode_image(bytes_of(encode_png(image)), "p", channels);
    CHECK(back.height == 5);
    CHECK(back.width == 7);
    CHECK(back.pixels == image.pixels);
  }
}

TEST_CASE("image: resizing is bilinear with half-pixel centers") {
  const Image image = decode(read_text(kFiles + "rgb.png"));
  const Tensor expected = read_npy(kFiles + "rgb.png.resized_5x31.npy");
  std::vector<float> out(static_cast<size_t>(expected.size()));
  resize_bilinear(image, 5, 31, out.data());
  for (int64_t i = 0; i < expected.size(); ++i) CHECK(std::abs(expected.at(i) - out[static_cast<size_t>(i)]) < 1e-4);
}

TEST_CASE("image: damaged, hostile and foreign files") {
  for (const char* file : {"huge.png", "huge.jpg"}) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(decode_error(read_text(kFiles + file)) == "3: t: 60000 x 60000 pixels; at most 100000000 are decoded");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500));
  }
  CHECK(decode_error("") == "3: t: an empty file");
  CHECK(decode_error("GIF89a....") == "3: t: the content is a GIF; JPEG and PNG are read");
  CHECK(decode_error("text") == "3: t: the content is of an unknown kind; JPEG and PNG are read");
  for (const char* file : {"rgb.jpg", "progressive.jpg"}) {
    const std::string jpeg = read_text(kFiles + file);
    for (size_t n = 1; n + 2 < jpeg.size(); n += 5) CHECK(decode_error(jpeg.substr(0, n)).find("3: t: ") == 0);
  }
  const std::string png = read_text(kFiles + "rgb.png");
  for (size_t n = 1; n + 12 + 4 < png.size(); n += 3)
    CHECK(decode_error(png.substr(0, n)).find("3: t: ") == 0);  // 12: IEND, 4: the CRC of the data
  for (const char* file : {"rgb.jpg", "cmyk.jpg", "progressive.jpg", "palette.png", "gray16.png"}) {
    const std::string good = read_text(kFiles + file);
    for (size_t n = 0; n < good.size(); ++n) {
      std::string flipped = good;
      flipped[n] = static_cast<char>(flipped[n] ^ 0x40);
      const std::string error = decode_error(flipped);
      CHECK((error.empty() || error.find("3: t: ") == 0));
    }
  }
}

TEST_CASE("images source: classes, order, corrupt policy") {
  const TestFolder folder;
  const std::string good = read_text(kFiles + "rgb.png"), jpeg = read_text(kFiles + "rgb.jpg");
  for (const char* name : {"b/2.png", "b/10.PNG", "B/1.png", "a/1.png", "a/.hidden.png", ".git/1.png"}) folder.write(name, good);
  folder.write("a/0.jpeg", jpeg);
  folder.write("a/notes.txt", "no image");
  const auto open = [&](const std::string& keys) { return open_source("{format: images, path: ., " + keys + "}", folder.path); };
  const OpenedSource opened = open("size: [4, 6], color: gray, rescale: 1/255");
  CHECK(opened.dataset->size() == 5);
  CHECK(opened.dataset->fields()[0].dims == Dims{4, 6, 1});
  CHECK(opened.dataset->fields()[1].classes == std::vector<std::string>{"B", "a", "b"});  // byte order
  CHECK(numbers(gather_all(*opened.dataset)[1]) == std::vector<double>{0, 1, 1, 2, 2});
  for (const double v : numbers(gather_all(*opened.dataset)[0])) CHECK((v >= 0 && v <= 1));
  CHECK(open("classes: [b, a]").dataset->fields()[0].dims == Dims{13, 17, 3});
  CHECK(numbers(gather_all(*open("classes: [b, a]").dataset)[1]) == std::vector<double>{0, 0, 1, 1});

  folder.write("b/bad.jpg", jpeg.substr(0, jpeg.size() / 2));
  folder.write("b/gif.jpg", "GIF89a");
  folder.write("b/zero.png", "");
  const std::string error = error_of([&] { gather_all(*open("size: [4, 6]").dataset); });
  CHECK(error.find("b/bad.jpg: damaged JPEG: ") != std::string::npos);
  CHECK(error.find("; corrupt: skip leaves such images out") != std::string::npos);
  const OpenedSource skipping = open("size: [4, 6], corrupt: skip");
  CHECK(skipping.dataset->size() == 8);
  CHECK(numbers(gather_all(*skipping.dataset)[1]) == std::vector<double>{0, 1, 1, 2, 2});
  CHECK(error_of([&] { open("classes: [a, dog]"); }).find("no sub-folder for class 'dog'") != std::string::npos);
  CHECK(error_of([&] { open_source("{format: images, path: absent}", folder.path); }).find("4: ") == 0);
  CHECK(error_of([&] { open_source("{format: images, path: a}", folder.path); }).find("0 sub-folders; expected one per class") !=
        std::string::npos);
  const OpenedSource flat = open_source("{format: images, path: a, labels: false, size: [2, 2]}", folder.path);
  CHECK(flat.dataset->size() == 2);
  CHECK(flat.dataset->fields().size() == 1);
}
