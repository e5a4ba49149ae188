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

struct IdxHeader {
  DType dtype = DType::kUInt8;
  Dims dims;
  int64_t bytes = 0;  // of the data
};

IdxHeader read_idx_header(ByteStream& stream) {
  const std::string& name = stream.name();
  std::byte magic[4];
  if (const size_t n = stream.read(magic); n < 4) throw FileError(fmt::format("{}: {} bytes are too few for an IDX file", name, n));
  const int type = std::to_integer<int>(magic[2]), rank = std::to_integer<int>(magic[3]);
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0}) {
    const bool swapped = magic[3] == std::byte{0} && magic[2] == std::byte{0};
    throw FileError(fmt::format("{}: not an IDX file: it begins with {:08x}, expected 0000TTNN{}", name, big_endian(magic),
                                swapped ? " (it looks little-endian; IDX is big-endian)" : ""));
  }
  IdxHeader header{type_of(type, name), {}, 0};
  if (rank < 1 || rank > 8) throw FileError(fmt::format("{}: {} axes; IDX files of 1 to 8 axes are read", name, rank));
  header.bytes = static_cast<int64_t>(size_of(header.dtype));
  for (int i = 0; i < rank; ++i) {
    std::byte size[4];
    if (stream.read(size) < 4) throw FileError(fmt::format("{}: ends inside the header; the file is truncated", name));
    header.dims.push_back(big_endian(size));
    if (__builtin_mul_overflow(header.bytes, header.dims.back(), &header.bytes)) header.bytes = std::numeric_limits<int64_t>::max();
  }
  return header;
}

FileError wrong_length(const std::string& name, const IdxHeader& header, const std::string& have) {
  return FileError(fmt::format("{}: shape {} of {} needs {} bytes of data, the file holds {}", name,
                               to_string(std::span<const int64_t>(header.dims)), name_of(header.dtype), header.bytes, have));
}

void to_native(std::span<std::byte> bytes, size_t width) {
  if (width > 1)
    for (size_t i = 0; i < bytes.size(); i += width) std::reverse(bytes.data() + i, bytes.data() + i + width);
}

// Memory grows with what is read, so that a hostile shape costs nothing.
Tensor read_idx_tensor(ByteStream& stream, const IdxHeader& header) {
  std::vector<std::byte> data;
  int64_t have = 0;
  while (have < header.bytes) {
    data.resize(static_cast<size_t>(std::min(header.bytes, std::max<int64_t>(have * 2, int64_t{1} << 22))));
    have += static_cast<int64_t>(stream.read(std::span(data).subspan(static_cast<size_t>(have))));
    if (have < static_cast<int64_t>(data.size())) throw wrong_length(stream.name(), header, std::to_string(have));
  }
  to_native(data, size_of(header.dtype));
  Tensor tensor(header.dtype, header.dims);
  if (have > 0) std::memcpy(tensor.raw(), data.data(), data.size());
  return tensor;
}

}  // namespace

ArrayRows read_idx_rows(ByteStream& stream, int64_t memory_bytes) {
  const IdxHeader header = read_idx_header(stream);
  int64_t have = 0;
  const auto give = [&](std::span<std::byte> into) {
    const size_t got = stream.read(into);
    have += static_cast<int64_t>(got);
    if (got < into.size()) throw wrong_length(stream.name(), header, std::to_string(have));
    to_native(into, size_of(header.dtype));
  };
  const bool in_memory = header.bytes <= memory_bytes || header.bytes == std::numeric_limits<int64_t>::max();  // no file has as many
  ArrayRows rows = in_memory ? ArrayRows(read_idx_tensor(stream, header)) : ArrayRows::read(header.dtype, header.dims, give, memory_bytes);
  std::byte extra;
  if (stream.read({&extra, 1}) != 0) throw wrong_length(stream.name(), header, "more");
  return rows;
}

Tensor read_idx(ByteStream& stream) { return read_idx_rows(stream, std::numeric_limits<int64_t>::max()).tensor(); }

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
    ArrayRows images = read_idx_rows(*open_bytes(idx_.images));
    const std::string place = printable(idx_.images);
    const int64_t samples = images.dims()[0];
    if (samples == 0) throw FileError(place + ": holds no samples");
    Field field{"x", DType::kFloat32, Dims(images.dims().begin() + 1, images.dims().end()), false, {}};
    apply_shape(field, idx_.shape, place);
    std::vector<ArrayColumn> columns;
    columns.push_back({field, std::move(images), idx_.rescale, idx_.offset});
    if (!idx_.labels.empty() && !options.inputs_only) {
      const Tensor labels = read_idx(*open_bytes(idx_.labels));
      const std::string label_place = printable(idx_.labels);
      if (labels.rank() != 1) throw FileError(fmt::format("{}: labels have {} axes, expected 1", label_place, labels.rank()));
      if (labels.size() != samples)
        throw FileError(fmt::format("{}: {} labels, but {} holds {} images", label_place, labels.size(), place, samples));
      columns.push_back(make_class_column("y", labels, idx_.classes, options.training, label_place));
    }
    return {make_array_dataset(std::move(columns), samples), {}, {}, false};
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
