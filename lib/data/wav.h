// WAV files: PCM of 8, 16, 24 and 32 bits and floats of 32 and 64 bits, any number of channels, with or without the extensible header.
// Who uses it: the audio source.
// Errors: FileError naming the file; memory is bounded by what the file really holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dl {

struct Sound {
  int64_t sampling_rate = 0, frames = 0, channels = 0;
  std::vector<float> samples;  // [frames][channels]; full scale of integers is -1 to 1, as in tf.audio.decode_wav
};

Sound decode_wav(std::span<const std::byte> bytes, const std::string& name);

}  // namespace dl
