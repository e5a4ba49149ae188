// Images as rows of floats: the keys that every source of images has, resizing, scaling, and a cache of decoded pixels.
// Who uses it: the images and the webdataset source.
// Thread-safety: write() may be called from any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/image.h"
#include "spec/reader.h"

namespace dl {

struct ImageOptions {
  int64_t height = 0, width = 0, channels = 3;  // height 0: that of the first image
  bool skip_corrupt = false, cache = false;
  double rescale = 1, offset = 0;
};
// size, color, corrupt, cache, rescale, offset.
ImageOptions read_image_options(spec::Reader& reader);

class ImageRows {
 public:
  // The size is known by now. A note is added when the cache does not fit into half of the memory.
  ImageRows(const ImageOptions& options, int64_t images, std::vector<std::string>* notes);
  ~ImageRows();
  // Image `index` as [height][width][channels] floats: from the cache, or else from `decode`.
  void write(int64_t index, float* out, const std::function<Image()>& decode) const;

 private:
  struct Cache;
  ImageOptions options_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace dl
