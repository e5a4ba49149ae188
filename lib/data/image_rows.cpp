#include "data/image_rows.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "data/convert.h"
#include "data/source.h"

namespace dl {
namespace {

constexpr std::string_view kColorNames[] = {"rgb", "gray"};
constexpr std::string_view kCorruptNames[] = {"error", "skip"};
constexpr std::string_view kCacheNames[] = {"none", "memory"};

}  // namespace

ImageOptions read_image_options(spec::Reader& reader) {
  ImageOptions options;
  if (reader.has("size")) {
    const std::vector<int64_t> size = reader.get_tuple("size", 2, {}, {1, 1 << 15});
    if (size.size() == 2) {
      options.height = size[0];
      options.width = size[1];
    }
  }
  options.channels = reader.get_choice("color", kColorNames, "rgb") == "gray" ? 1 : 3;
  options.skip_corrupt = reader.get_choice("corrupt", kCorruptNames, "error") == "skip";
  if (options.skip_corrupt && options.height == 0) reader.report("size", "required with corrupt: skip");
  options.cache = reader.get_choice("cache", kCacheNames, "none") == "memory";
  options.rescale = read_scale(reader, "rescale", 1);
  options.offset = read_scale(reader, "offset", 0);
  return options;
}

// Pixels as decoded; calloc gives pages only as they are written.
struct ImageRows::Cache {
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  enum State : uint8_t { kEmpty, kBusy, kReady };
  size_t bytes = 0;  // of an image
  std::unique_ptr<uint8_t, Free> pixels;
  std::unique_ptr<std::atomic<uint8_t>[]> states;
};

ImageRows::ImageRows(const ImageOptions& options, int64_t images, std::vector<std::string>* notes) : options_(options) {
  if (!options.cache || images == 0) return;
  const auto bytes = static_cast<size_t>(options.height * options.width * options.channels);
  const double wanted = static_cast<double>(bytes) * static_cast<double>(images);
  const double memory = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (wanted > memory / 2) {
    if (notes)
      notes->push_back(
          fmt::format("cache: memory: {} decoded images need {:.1f} GB, more than half of this machine's memory; they are "
                      "decoded anew in every epoch",
                      images, wanted / 1e9));
    return;
  }
  cache_ = std::make_unique<Cache>();
  cache_->bytes = bytes;
  cache_->pixels.reset(static_cast<uint8_t*>(std::calloc(static_cast<size_t>(images), bytes)));
  cache_->states = std::make_unique<std::atomic<uint8_t>[]>(static_cast<size_t>(images));
  if (!cache_->pixels) cache_.reset();
}

ImageRows::~ImageRows() = default;

void ImageRows::write(int64_t index, float* out, const std::function<Image()>& decode) const {
  const int64_t elements = options_.height * options_.width * options_.channels;
  const auto emit = [&](const uint8_t* pixels) {
    convert_row(reinterpret_cast<const std::byte*>(pixels), DType::kUInt8, reinterpret_cast<std::byte*>(out), DType::kFloat32, elements,
                options_.rescale, options_.offset);
  };
  uint8_t* kept = cache_ ? cache_->pixels.get() + static_cast<size_t>(index) * cache_->bytes : nullptr;
  if (kept && cache_->states[static_cast<size_t>(index)].load(std::memory_order_acquire) == Cache::kReady) return emit(kept);
  const Image image = decode();
  if (image.height == options_.height && image.width == options_.width) {
    emit(image.pixels.data());
    uint8_t empty = Cache::kEmpty;
    if (kept && cache_->states[static_cast<size_t>(index)].compare_exchange_strong(empty, Cache::kBusy)) {
      std::memcpy(kept, image.pixels.data(), cache_->bytes);
      cache_->states[static_cast<size_t>(index)].store(Cache::kReady, std::memory_order_release);
    }
    return;
  }
  resize_bilinear(image, options_.height, options_.width, out);
  if (options_.rescale == 1 && options_.offset == 0) return;
  const auto scale = static_cast<float>(options_.rescale), offset = static_cast<float>(options_.offset);
  for (int64_t i = 0; i < elements; ++i) out[i] = out[i] * scale + offset;
}

}  // namespace dl
