// The audio format: a folder of WAV files with one sub-folder per class, as Keras's audio_dataset_from_directory. Options in config.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/class_folder.h"
#include "data/file.h"
#include "data/source.h"
#include "data/wav.h"

namespace dl {
namespace {

constexpr std::string_view kSuffixes[] = {".wav"};
constexpr std::string_view kResample[] = {"none", "linear"};
constexpr std::string_view kChannels[] = {"all", "mono"};
constexpr int64_t kMaxSoundBytes = int64_t{1} << 30;

struct AudioSpec {
  ClassFolderSpec folder;
  int64_t sampling_rate = 0, length = 0;  // 0: those of the first file
  bool resample = false, mono = false;
  double rescale = 1, offset = 0;
};

Sound to_mono(Sound sound) {
  for (int64_t i = 0; i < sound.frames; ++i) {
    double sum = 0;
    for (int64_t c = 0; c < sound.channels; ++c) sum += sound.samples[static_cast<size_t>(i * sound.channels + c)];
    sound.samples[static_cast<size_t>(i)] = static_cast<float>(sum / static_cast<double>(sound.channels));
  }
  sound.samples.resize(static_cast<size_t>(sound.frames));
  sound.channels = 1;
  return sound;
}

// Straight lines between samples; no filter, so what lies above half of a lower rate is folded.
Sound resample(const Sound& sound, int64_t rate) {
  Sound result{rate,
               std::max<int64_t>(1, std::llround(static_cast<double>(sound.frames) * static_cast<double>(rate) /
                                                 static_cast<double>(sound.sampling_rate))),
               sound.channels,
               {}};
  if (sound.frames == 0) result.frames = 0;
  for (int64_t i = 0; i < result.frames; ++i) {
    const double at = static_cast<double>(i) * static_cast<double>(sound.sampling_rate) / static_cast<double>(rate);
    const int64_t low = std::min(static_cast<int64_t>(at), sound.frames - 1), high = std::min(low + 1, sound.frames - 1);
    const auto weight = static_cast<float>(at - static_cast<double>(low));
    for (int64_t c = 0; c < sound.channels; ++c) {
      const float a = sound.samples[static_cast<size_t>(low * sound.channels + c)],
                  b = sound.samples[static_cast<size_t>(high * sound.channels + c)];
      result.samples.push_back(a + (b - a) * std::min(weight, 1.0f));
    }
  }
  return result;
}

class AudioDataset : public Dataset {
 public:
  AudioDataset(AudioSpec spec, ClassFolder folder) : spec_(std::move(spec)), folder_(std::move(folder)) {
    const Sound first = load(folder_.entries[0]);
    if (spec_.sampling_rate == 0) spec_.sampling_rate = first.sampling_rate;
    fixed_ = spec_.length > 0;
    if (!fixed_) spec_.length = first.frames;
    if (spec_.length == 0) throw FileError(file_of(folder_.entries[0]) + ": no sound; give output_sequence_length");
    channels_ = first.channels;
    fields_.push_back({"x", DType::kFloat32, {spec_.length, channels_}, false, {}});
    if (!folder_.classes.empty()) fields_.push_back({"y", DType::kInt32, {}, true, folder_.classes});
  }
  int64_t size() const override { return static_cast<int64_t>(folder_.entries.size()); }
  const std::vector<Field>& fields() const override { return fields_; }
  int32_t label(int64_t index, size_t) const override { return folder_.entries[static_cast<size_t>(index)].label; }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw*) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    const ClassFolder::Entry& entry = folder_.entries[static_cast<size_t>(index)];
    const Sound sound = load(entry);
    if (sound.channels != channels_)
      throw FileError(
          fmt::format("{}: {} channels, the first file has {}; channels: mono mixes them", file_of(entry), sound.channels, channels_));
    if (!fixed_ && sound.frames != spec_.length)
      throw FileError(fmt::format("{}: {} samples, the first file has {}; output_sequence_length: N cuts and pads to N", file_of(entry),
                                  sound.frames, spec_.length));
    auto* x = reinterpret_cast<float*>(rows[0]);
    const auto wanted = static_cast<size_t>(spec_.length * channels_), there = std::min(wanted, sound.samples.size());
    const auto scale = static_cast<float>(spec_.rescale), offset = static_cast<float>(spec_.offset);
    for (size_t i = 0; i < there; ++i) x[i] = sound.samples[i] * scale + offset;
    std::fill(x + there, x + wanted, 0.0f);
    if (fields_.size() > 1) *reinterpret_cast<int32_t*>(rows[1]) = entry.label;
    return true;
  }

 private:
  std::string file_of(const ClassFolder::Entry& entry) const { return printable(spec_.folder.path + "/" + entry.file); }

  Sound load(const ClassFolder::Entry& entry) const {
    Sound sound = decode_wav(read_file(spec_.folder.path + "/" + entry.file, kMaxSoundBytes), file_of(entry));
    if (spec_.mono) sound = to_mono(std::move(sound));
    if (spec_.sampling_rate == 0 || sound.sampling_rate == spec_.sampling_rate) return sound;
    if (!spec_.resample)
      throw FileError(fmt::format("{}: {} Hz, expected {}; resample: linear brings all files to sampling_rate", file_of(entry),
                                  sound.sampling_rate, spec_.sampling_rate));
    return resample(sound, spec_.sampling_rate);
  }

  AudioSpec spec_;
  ClassFolder folder_;
  int64_t channels_ = 1;
  bool fixed_ = false;
  std::vector<Field> fields_;
};

class AudioSource : public Source {
 public:
  explicit AudioSource(AudioSpec spec) : spec_(std::move(spec)) {}
  OpenedSource open(const OpenOptions& options) const override {
    OpenedSource opened;
    opened.dataset = std::make_shared<AudioDataset>(spec_, list_class_folder(spec_.folder, kSuffixes, "WAV files", options));
    return opened;
  }

 private:
  AudioSpec spec_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  AudioSpec spec;
  spec.folder = read_class_folder(reader, base_dir);
  spec.sampling_rate = reader.get_int("sampling_rate", 0, {0, 10'000'000});
  spec.length = reader.get_int("output_sequence_length", 0, {0, 1 << 28});
  spec.resample = reader.get_choice("resample", kResample, "none") == "linear";
  if (spec.resample && spec.sampling_rate == 0)
    reader.report("sampling_rate", "required with resample: the rate that all files are brought to");
  spec.mono = reader.get_choice("channels", kChannels, "all") == "mono";
  spec.rescale = read_scale(reader, "rescale", 1);
  spec.offset = read_scale(reader, "offset", 0);
  return std::make_shared<AudioSource>(std::move(spec));
}

}  // namespace

const SourceFormat kAudioFormat{"audio", "", parse};

}  // namespace dl
