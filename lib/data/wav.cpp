#include "data/wav.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/error.h"

namespace dl {
namespace {

constexpr int64_t kMaxChannels = 256;
enum Code : uint32_t { kPcm = 1, kFloat = 3, kExtensible = 0xfffe };

uint64_t number(std::span<const std::byte> bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[at + i]);
  return value;
}

struct Format {
  uint32_t code = 0, channels = 0, rate = 0, bits = 0;
};

Format read_format(std::span<const std::byte> chunk, const std::string& name) {
  if (chunk.size() < 16) throw FileError(name + ": the format chunk is too short");
  Format format{static_cast<uint32_t>(number(chunk, 0, 2)), static_cast<uint32_t>(number(chunk, 2, 2)),
                static_cast<uint32_t>(number(chunk, 4, 4)), static_cast<uint32_t>(number(chunk, 14, 2))};
  if (format.code == kExtensible && chunk.size() >= 26) format.code = static_cast<uint32_t>(number(chunk, 24, 2));
  const bool known = (format.code == kPcm && (format.bits == 8 || format.bits == 16 || format.bits == 24 || format.bits == 32)) ||
                     (format.code == kFloat && (format.bits == 32 || format.bits == 64));
  if (!known)
    throw FileError(fmt::format("{}: WAV format {} of {} bits is not read; PCM of 8, 16, 24, 32 bits and floats of 32, 64 bits are", name,
                                format.code, format.bits));
  if (format.channels == 0 || format.channels > kMaxChannels || format.rate == 0)
    throw FileError(
        fmt::format("{}: {} channels at {} Hz; expected 1 to {} channels and a rate", name, format.channels, format.rate, kMaxChannels));
  const uint64_t frame = number(chunk, 12, 2);
  if (frame != uint64_t{format.channels} * format.bits / 8)
    throw FileError(fmt::format("{}: {} bytes a frame do not fit {} channels of {} bits", name, frame, format.channels, format.bits));
  return format;
}

float sample_of(std::span<const std::byte> data, size_t at, const Format& format) {
  const uint64_t raw = number(data, at, format.bits / 8);
  if (format.code == kFloat)
    return format.bits == 32 ? std::bit_cast<float>(static_cast<uint32_t>(raw)) : static_cast<float>(std::bit_cast<double>(raw));
  if (format.bits == 8) return (static_cast<float>(raw) - 128) / 128;
  const auto shift = 64 - format.bits;
  const auto value = static_cast<int64_t>(raw << shift) >> shift;  // with its sign
  return static_cast<float>(static_cast<double>(value) / std::ldexp(1.0, static_cast<int>(format.bits) - 1));
}

}  // namespace

Sound decode_wav(std::span<const std::byte> bytes, const std::string& name) {
  const auto text = [&](size_t at) { return std::string_view(reinterpret_cast<const char*>(bytes.data()) + at, 4); };
  if (bytes.size() < 12 || text(0) != "RIFF" || text(8) != "WAVE")
    throw FileError(name + (bytes.empty() ? ": an empty file" : ": not a WAV file (RIFF ... WAVE)"));
  Format format;
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const std::string_view id = text(at);
    const uint64_t size = number(bytes, at + 4, 4);
    at += 8;
    if (size > bytes.size() - at)
      throw FileError(fmt::format("{}: a chunk claims {} bytes, {} are left; the file is truncated", name, size, bytes.size() - at));
    const std::span<const std::byte> chunk = bytes.subspan(at, static_cast<size_t>(size));
    if (id == "fmt ") {
      format = read_format(chunk, name);
    } else if (id == "data") {
      if (format.code == 0) throw FileError(name + ": sound data before its format");
      const size_t width = format.bits / 8, frame = width * format.channels;
      if (size % frame != 0) throw FileError(fmt::format("{}: {} bytes of data are no whole frames of {} bytes", name, size, frame));
      Sound sound{format.rate, static_cast<int64_t>(size / frame), format.channels, {}};
      sound.samples.reserve(static_cast<size_t>(size) / width);
      for (size_t i = 0; i < chunk.size(); i += width) {
        const float value = sample_of(chunk, i, format);
        if (!std::isfinite(value)) throw FileError(fmt::format("{}: sample {} is not a finite number", name, i / width));
        sound.samples.push_back(value);
      }
      return sound;
    }
    at += static_cast<size_t>(size + size % 2);
    if (at > bytes.size()) break;
  }
  throw FileError(name + ": no sound data; the file is truncated");
}

}  // namespace dl
