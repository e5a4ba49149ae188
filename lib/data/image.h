// JPEG and PNG bytes to 8-bit pixels, and bilinear resizing as Keras's image_dataset_from_directory does it.
// Who uses it: the images source. Gray, RGB, alpha (dropped), palette, 1- to 16-bit (upper 8 bits) and CMYK come out as gray or RGB.
// Thread-safe: no shared state. Errors: FileError; the number of pixels is checked before any are decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dl {

inline constexpr int64_t kMaxImagePixels = 100'000'000;
inline constexpr int64_t kMaxImageBytes = int64_t{256} << 20;  // of the file

struct Image {
  int64_t height = 0, width = 0, channels = 0;  // 1 (gray) or 3 (RGB); decoded images have no others
  std::vector<uint8_t> pixels;                  // [height][width][channels]
};

// The format is told by the content, never by the name. `name` begins messages.
Image decode_image(std::span<const std::byte> bytes, const std::string& name, int64_t channels);

// The bytes of a PNG file; 4 channels are RGBA.
std::string encode_png(const Image& image);

// [height][width][channels] floats of 0..255: bilinear, half-pixel centers, no antialiasing (tf.image.resize).
void resize_bilinear(const Image& image, int64_t height, int64_t width, float* out);

}  // namespace dl
