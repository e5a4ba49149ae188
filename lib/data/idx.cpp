#include "data/idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "data/source.h"

namespace dl {
namespace {

uint32_t big_endian(std::span<const std::byte> b) {
  return std::to_integer<uint32_t>(b[0]) << 24 | std::to_integer<uint32_t>(b[1]) << 16 | std::to_integer<uint32_t>(b[2]) << 8 |
         std::to_integer<uint32_t>(b[3]);
}

DType type_of(int code, const std::string& name) {
  switch (code) {
    case 0x08:
      return DType::kUInt8;
    case 0x09:
      return DType::kInt8;
    case 0x0b:
      return DType::kInt16;
    case 0x0c:
      return DType::kInt32;
    case 0x0d:
      return DType::kFloat32;
    case 0x0e:
      return DType::kFloat64;
    default:
      throw FileError(fmt::format("{}: IDX type code 0x{:02x} is unknown; expected 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e", name, code));
  }
}

}  // namespace

Tensor read_idx(ByteStream& stream) {
  const std::string& name = stream.name();
  std::byte magic[4];
  if (const size_t n = stream.read(magic); n < 4) throw FileError(fmt::format("{}: {} bytes are too few for an IDX file", name, n));
  const int type = std::to_integer<int>(magic[2]), rank = std::to_integer<int>(magic[3]);
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0}) {
    const bool swapped = magic[3] == std::byte{0} && magic[2] == std::byte{0};
    throw FileError(fmt::format("{}: not an IDX file: it begins with {:08x}, expected 0000TTNN{}", name, big_endian(magic),
                                swapped ? " (it looks little-endian; IDX is big-endian)" : ""));
  }
  const DType dtype = type_of(type, name);
  if (rank < 1 || rank > 8) throw FileError(fmt::format("{}: {} axes; IDX files of 1 to 8 axes are read", name, rank));
  Dims dims;
  int64_t bytes = static_cast<int64_t>(size_of(dtype));
  for (int i = 0; i < rank; ++i) {
    std::byte size[4];
    if (stream.read(size) < 4) throw FileError(fmt::format("{}: ends inside the header; the file is truncated", name));
    dims.push_back(big_endian(size));
    if (__builtin_mul_overflow(bytes, dims.back(), &bytes)) bytes = std::numeric_limits<int64_t>::max();
  }
  const auto wrong = [&](const std::string& have) {
    return FileError(fmt::format("{}: shape {} of {} needs {} bytes of data, the file holds {}", name,
                                 to_string(std::span<const int64_t>(dims)), name_of(dtype), bytes, have));
  };
  // Memory grows with what is read, so that a hostile shape costs nothing.
  std::vector<std::byte> data;
  int64_t have = 0;
  while (have < bytes) {
    data.resize(static_cast<size_t>(std::min(bytes, std::max<int64_t>(have * 2, int64_t{1} << 22))));
    const size_t n = stream.read(std::span(data).subspan(static_cast<size_t>(have)));
    have += static_cast<int64_t>(n);
    if (have < static_cast<int64_t>(data.size())) throw wrong(std::to_string(have));
  }
  std::byte extra;
  if (stream.read({&extra, 1}) != 0) throw wrong("more");
  Tensor tensor(dtype, dims);
  if (bytes > 0) std::memcpy(tensor.raw(), data.data(), data.size());
  if (const size_t width = size_of(dtype); width > 1)
    for (auto* p = static_cast<std::byte*>(tensor.raw()); p != static_cast<std::byte*>(tensor.raw()) + bytes; p += width)
      std::reverse(p, p + width);
  return tensor;
}

Tensor read_idx(const std::string& path) { return read_idx(*open_bytes(path)); }

namespace {

struct IdxSpec {
  std::string images, labels;
  ClassSpec classes;
  Dims shape;
  double rescale = 1, offset = 0;
};

class IdxSource : public Source {
 public:
  explicit IdxSource(IdxSpec idx) : idx_(std::move(idx)) {}

  OpenedSource open(const OpenOptions& options) const override {
    Tensor images = read_idx(idx_.images);
    const std::string place = printable(idx_.images);
    const int64_t samples = images.dims()[0];
    if (samples == 0) throw FileError(place + ": holds no samples");
    Field field{"x", DType::kFloat32, Dims(images.dims().begin() + 1, images.dims().end()), false, {}};
    apply_shape(field, idx_.shape, place);
    std::vector<MemoryColumn> columns;
    columns.push_back({field, std::move(images), idx_.rescale, idx_.offset});
    if (!idx_.labels.empty() && !options.inputs_only) {
      const Tensor labels = read_idx(idx_.labels);
      const std::string label_place = printable(idx_.labels);
      if (labels.rank() != 1) throw FileError(fmt::format("{}: labels have {} axes, expected 1", label_place, labels.rank()));
      if (labels.size() != samples)
        throw FileError(fmt::format("{}: {} labels, but {} holds {} images", label_place, labels.size(), place, samples));
      columns.push_back(make_class_column("y", labels, idx_.classes, options.training, label_place));
    }
    return {make_memory_dataset(std::move(columns), samples), {}, {}, false};
  }

 private:
  IdxSpec idx_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  IdxSpec idx;
  idx.images = read_path(reader, "images", base_dir);
  if (reader.has("labels")) idx.labels = read_path(reader, "labels", base_dir);
  idx.classes = read_classes(reader, "classes");
  idx.shape = read_shape(reader, "shape");
  idx.rescale = read_scale(reader, "rescale", 1);
  idx.offset = read_scale(reader, "offset", 0);
  return std::make_shared<IdxSource>(std::move(idx));
}

}  // namespace

const SourceFormat kIdxFormat{"idx", "", parse};

}  // namespace dl
