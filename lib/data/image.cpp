#include "data/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

// jpeglib.h needs stdio.h before it.
#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include "base/error.h"

namespace dl {
namespace {

// ITU-R BT.601 in 16-bit fixed point, the weights libjpeg and Pillow use.
uint8_t luma(int r, int g, int b) { return static_cast<uint8_t>((r * 19595 + g * 38470 + b * 7471 + 32768) >> 16); }

void check_size(const std::string& name, uint64_t width, uint64_t height) {
  if (width == 0 || height == 0) throw FileError(name + ": an image without pixels");
  if (width > static_cast<uint64_t>(kMaxImagePixels) || height > static_cast<uint64_t>(kMaxImagePixels) / width)
    throw FileError(fmt::format("{}: {} x {} pixels; at most {} are decoded", name, width, height, kMaxImagePixels));
}

// ---- JPEG ----------------------------------------------------------------------------------------------------------------

constexpr int kMaxScans = 500;  // of a progressive file: each costs a pass over all blocks

struct JpegState {
  jpeg_error_mgr errors;  // first: libjpeg hands back a pointer to it
  jpeg_progress_mgr progress;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

JpegState& state_of(j_common_ptr info) { return *reinterpret_cast<JpegState*>(info->err); }

[[noreturn]] void jpeg_fail(j_common_ptr info) {
  (*info->err->format_message)(info, state_of(info).message);
  std::longjmp(state_of(info).jump, 1);
}

// libjpeg fills what is missing with gray and only warns; a warning that means lost pixels is an error here.
void jpeg_message(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC))
    jpeg_fail(info);
}

void jpeg_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  std::strcpy(state_of(info).message, "too many progressive scans");
  std::longjmp(state_of(info).jump, 1);
}

// CMYK as RGB. Adobe writes it inverted; libjpeg hands it on as it is.
void convert_cmyk(const uint8_t* src, uint8_t* dst, int64_t count, bool inverted, int64_t channels) {
  for (int64_t i = 0; i < count; ++i, src += 4) {
    int rgb[3];
    for (int c = 0; c < 3; ++c) {
      const int ink = inverted ? src[c] : 255 - src[c], key = inverted ? src[3] : 255 - src[3];
      rgb[c] = (ink * key + 127) / 255;
    }
    if (channels == 1) {
      *dst++ = luma(rgb[0], rgb[1], rgb[2]);
    } else {
      for (const int value : rgb) *dst++ = static_cast<uint8_t>(value);
    }
  }
}

// Everything that setjmp may cut short lives in the caller, so that no destructor is jumped over. False: see state.message.
bool read_jpeg(jpeg_decompress_struct& info, JpegState& state, std::span<const std::byte> bytes, Image& image, std::vector<uint8_t>& row,
               bool& too_large) {
  if (setjmp(state.jump)) return false;
  jpeg_create_decompress(&info);
  info.progress = &state.progress;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  if (static_cast<int64_t>(info.image_width) * info.image_height > kMaxImagePixels) {
    too_large = true;
    return false;
  }
  const bool cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = cmyk ? JCS_CMYK : image.channels == 1 && info.jpeg_color_space != JCS_RGB ? JCS_GRAYSCALE : JCS_RGB;
  const bool rgb_to_gray = !cmyk && image.channels == 1 && info.jpeg_color_space == JCS_RGB;
  jpeg_start_decompress(&info);
  image.height = info.output_height;
  image.width = info.output_width;
  image.pixels.resize(static_cast<size_t>(image.height * image.width * image.channels));
  row.resize(static_cast<size_t>(image.width) * 4);
  while (info.output_scanline < info.output_height) {
    uint8_t* target = image.pixels.data() + static_cast<size_t>(info.output_scanline) * static_cast<size_t>(image.width * image.channels);
    JSAMPROW rows[1] = {cmyk || rgb_to_gray ? row.data() : target};
    jpeg_read_scanlines(&info, rows, 1);
    if (cmyk) convert_cmyk(row.data(), target, image.width, info.saw_Adobe_marker, image.channels);
    if (rgb_to_gray)
      for (int64_t x = 0; x < image.width; ++x)
        target[x] = luma(row[static_cast<size_t>(3 * x)], row[static_cast<size_t>(3 * x + 1)], row[static_cast<size_t>(3 * x + 2)]);
  }
  jpeg_finish_decompress(&info);
  return true;
}

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name, int64_t channels) {
  jpeg_decompress_struct info{};
  JpegState state{};
  info.err = jpeg_std_error(&state.errors);
  state.errors.error_exit = jpeg_fail;
  state.errors.emit_message = jpeg_message;
  state.progress.progress_monitor = jpeg_progress;
  Image image;
  image.channels = channels;
  std::vector<uint8_t> row;
  bool too_large = false;
  const bool ok = read_jpeg(info, state, bytes, image, row, too_large);
  const uint64_t width = info.image_width, height = info.image_height;
  jpeg_destroy_decompress(&info);
  if (too_large) check_size(name, width, height);
  if (!ok) throw FileError(fmt::format("{}: damaged JPEG: {}", name, state.message));
  return image;
}

// ---- PNG -----------------------------------------------------------------------------------------------------------------

struct PngState {
  std::span<const std::byte> rest;
  char message[200] = "";
};

[[noreturn]] void png_fail(png_structp png, png_const_charp message) {
  auto* state = static_cast<PngState*>(png_get_error_ptr(png));
  std::strncpy(state->message, message, sizeof state->message - 1);
  png_longjmp(png, 1);
}

void png_pull(png_structp png, png_bytep into, png_size_t size) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (state->rest.size() < size) png_fail(png, "the file is truncated");
  std::memcpy(into, state->rest.data(), size);
  state->rest = state->rest.subspan(size);
}

// As read_jpeg: the caller owns all that has a destructor.
bool read_png(png_structp png, png_infop info, PngState& state, Image& image, std::vector<png_bytep>& rows, bool& too_large) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(png, 64u << 20);
  png_set_chunk_cache_max(png, 128);
  png_set_read_fn(png, &state, png_pull);
  png_read_info(png, info);
  image.width = png_get_image_width(png, info);
  image.height = png_get_image_height(png, info);
  if (image.height > kMaxImagePixels / image.width) {
    too_large = true;
    return false;
  }
  png_set_strip_16(png);
  png_set_packing(png);
  png_set_expand(png);  // palette to RGB, 1-4 bit gray to 8, tRNS to alpha
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const size_t stride = png_get_rowbytes(png, info);
  if (stride != static_cast<size_t>(image.width) * 3) png_fail(png, "unexpected row size");
  image.channels = 3;
  image.pixels.resize(stride * static_cast<size_t>(image.height));
  for (int64_t y = 0; y < image.height; ++y) rows.push_back(image.pixels.data() + static_cast<size_t>(y) * stride);
  png_read_image(png, rows.data());
  return true;
}

void ignore_png_warning(png_structp, png_const_charp) {}

Image decode_png(std::span<const std::byte> bytes, const std::string& name, int64_t channels) {
  PngState state{bytes};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, png_fail, ignore_png_warning);
  if (!png) throw EnvError(name + ": not enough memory to decode");
  png_infop info = png_create_info_struct(png);
  Image image;
  std::vector<png_bytep> rows;
  bool too_large = false;
  const bool ok = info && read_png(png, info, state, image, rows, too_large);
  png_destroy_read_struct(&png, info ? &info : nullptr, nullptr);
  if (too_large) check_size(name, static_cast<uint64_t>(image.width), static_cast<uint64_t>(image.height));
  if (!ok) throw FileError(fmt::format("{}: damaged PNG: {}", name, state.message));
  if (channels == 1) {
    const int64_t count = image.height * image.width;
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t* p = image.pixels.data() + 3 * i;
      image.pixels[static_cast<size_t>(i)] = luma(p[0], p[1], p[2]);
    }
    image.pixels.resize(static_cast<size_t>(count));
    image.channels = 1;
  }
  return image;
}

}  // namespace

std::string encode_png(const Image& image) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string out(bytes, '\0');
  if (!png_image_write_to_memory(&png, out.data(), &bytes, 0, image.pixels.data(), 0, nullptr))
    throw InternalError(fmt::format("PNG of {} x {} pixels: {}", image.width, image.height, png.message));
  out.resize(bytes);
  return out;
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name, int64_t channels) {
  DL_CHECK(channels == 1 || channels == 3, "images are gray or RGB");
  const auto begins = [&](std::string_view magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  if (begins("\xff\xd8\xff")) return decode_jpeg(bytes, name, channels);
  if (begins("\x89PNG\r\n\x1a\n")) return decode_png(bytes, name, channels);
  if (bytes.empty()) throw FileError(name + ": an empty file");
  const char* kind = begins("GIF8")                  ? "a GIF"
                     : begins("BM")                  ? "a BMP"
                     : begins("RIFF")                ? "a WebP or other RIFF file"
                     : begins("II*") || begins("MM") ? "a TIFF"
                                                     : "of an unknown kind";
  throw FileError(fmt::format("{}: the content is {}; JPEG and PNG are read", name, kind));
}

void resize_bilinear(const Image& image, int64_t height, int64_t width, float* out) {
  const int64_t channels = image.channels;
  if (height == image.height && width == image.width) {
    std::copy(image.pixels.begin(), image.pixels.end(), out);
    return;
  }
  struct Tap {
    int64_t low, high;
    float weight;  // of high
  };
  const auto taps_of = [](int64_t to, int64_t from) {
    std::vector<Tap> taps;
    const float scale = static_cast<float>(from) / static_cast<float>(to);
    for (int64_t i = 0; i < to; ++i) {
      const float at = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
      const auto low = static_cast<int64_t>(std::max(at, -1.0f) + 1.0f) - 1;  // floor for at >= -1
      taps.push_back({std::max<int64_t>(low, 0), std::min(low + 1, from - 1), at - static_cast<float>(low)});
    }
    return taps;
  };
  const std::vector<Tap> columns = taps_of(width, image.width);
  for (const Tap& y : taps_of(height, image.height)) {
    const uint8_t* top = image.pixels.data() + y.low * image.width * channels;
    const uint8_t* bottom = image.pixels.data() + y.high * image.width * channels;
    for (const Tap& x : columns) {
      for (int64_t c = 0; c < channels; ++c) {
        const float tl = top[x.low * channels + c], tr = top[x.high * channels + c];
        const float bl = bottom[x.low * channels + c], br = bottom[x.high * channels + c];
        const float t = tl + (tr - tl) * x.weight, b = bl + (br - bl) * x.weight;
        *out++ = t + (b - t) * y.weight;
      }
    }
  }
}

}  // namespace dl
