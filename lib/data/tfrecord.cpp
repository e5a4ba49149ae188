// The tfrecord format: records of tf.train.Example, each framed by its length and checksums. Options in config.h.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "base/error.h"
#include "data/file.h"
#include "data/paths.h"
#include "data/record_table.h"
#include "data/source.h"
#include "example.pb.h"

namespace dl {
namespace {

constexpr uint64_t kMaxRecordBytes = uint64_t{256} << 20;

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

class RecordReader {
 public:
  explicit RecordReader(ByteStream& stream) : stream_(stream) {}
  std::string place() const { return fmt::format("{}: record {} at byte {}", stream_.name(), number_, start_); }

  bool next(std::vector<std::byte>& record) {
    start_ = offset_;
    std::byte head[12];
    const size_t n = stream_.read(head);
    if (n == 0) return false;
    ++number_;
    if (n < sizeof head) fail("ends inside its header; the file is truncated");
    if (mask_crc32c(crc32c(head, 8)) != little_endian(std::span(head).subspan(8)))
      fail("the checksum of its length is wrong; the file is damaged or no TFRecord file");
    const uint64_t length = little_endian(std::span(head).first(8));
    if (length > kMaxRecordBytes) fail(fmt::format("{} bytes long; at most {} are read", length, kMaxRecordBytes));
    // Memory grows with what is there, whatever the length says.
    record.clear();
    const auto wanted = static_cast<size_t>(length) + 4;
    while (record.size() < wanted) {
      const size_t have = record.size(), more = std::min(wanted - have, std::max(have, size_t{1} << 16));
      record.resize(have + more);
      if (stream_.read(std::span(record).subspan(have)) < more)
        fail(fmt::format("claims {} bytes, more than there are; the file is truncated", length));
    }
    const uint64_t sum = little_endian(std::span(record).subspan(static_cast<size_t>(length)));
    record.resize(static_cast<size_t>(length));
    if (mask_crc32c(crc32c(record.data(), record.size())) != sum) fail("its checksum is wrong; the file is damaged");
    offset_ += 16 + static_cast<int64_t>(length);
    return true;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw FileError(fmt::format("{}: {}", place(), message)); }

  ByteStream& stream_;
  int64_t number_ = 0, start_ = 0, offset_ = 0;
};

RecordValue value_of(const dltool::data::Feature& feature, const std::string& key, const RecordReader& reader) {
  RecordValue value;
  const auto numbers = [&](const auto& list) {
    if (list.empty()) return;
    value.kind = RecordValue::Kind::kNumbers;
    value.numbers.assign(list.begin(), list.end());
    if (list.size() != 1) value.dims = {list.size()};
  };
  switch (feature.kind_case()) {
    case dltool::data::Feature::kFloatList:
      numbers(feature.float_list().value());
      break;
    case dltool::data::Feature::kInt64List:
      numbers(feature.int64_list().value());
      value.integer = feature.int64_list().value_size() == 1;
      break;
    case dltool::data::Feature::kBytesList:
      if (feature.bytes_list().value_size() > 1)
        throw FileError(
            fmt::format("{}: key '{}': {} texts; one is read", reader.place(), printable(key), feature.bytes_list().value_size()));
      if (feature.bytes_list().value_size() == 1) {
        value.kind = RecordValue::Kind::kText;
        value.text = feature.bytes_list().value(0);
      }
      break;
    case dltool::data::Feature::KIND_NOT_SET:
      break;
  }
  return value;
}

class TfRecordSource : public Source {
 public:
  explicit TfRecordSource(RecordFiles spec) : spec_(std::move(spec)) {}

  OpenedSource open(const OpenOptions& options) const override {
    const std::vector<std::string> paths = expand_paths(spec_.paths);
    RecordTable table(spec_.records, options);
    std::vector<RecordValue> values;
    std::vector<std::byte> record;
    for (const std::string& path : paths) {
      const std::unique_ptr<ByteStream> stream = open_bytes(path);
      RecordReader reader(*stream);
      while (reader.next(record)) {
        dltool::data::Example example;
        google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(record.data()), static_cast<int>(record.size()));
        if (!example.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage())
          throw FileError(fmt::format("{}: not a tf.train.Example", reader.place()));
        values.assign(table.keys().size(), {});
        const auto& features = example.features().feature();
        bool any = false;
        for (size_t k = 0; k < table.keys().size(); ++k)
          if (const auto found = features.find(table.keys()[k]); found != features.end()) {
            values[k] = value_of(found->second, found->first, reader);
            any = true;
          }
        if (!any) explain(features, reader);
        table.add(values, [&] { return reader.place(); });
      }
    }
    return table.finish(describe_paths(paths));
  }

 private:
  template <class Features>
  [[noreturn]] static void explain(const Features& features, const RecordReader& reader) {
    std::vector<std::string> names;
    for (const auto& [name, feature] : features) names.push_back(printable(name));
    std::sort(names.begin(), names.end());
    if (names.size() > 12) names.resize(12);
    throw FileError(fmt::format("{}: has none of the keys that x: and y: name; it has {}", reader.place(),
                                names.empty() ? std::string("none at all") : fmt::format("{}", fmt::join(names, ", "))));
  }

  RecordFiles spec_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  return std::make_shared<TfRecordSource>(read_record_files(reader, base_dir));
}

}  // namespace

const SourceFormat kTfRecordFormat{"tfrecord", ".tfrecord .tfrecord.gz .tfrecords", parse};

}  // namespace dl
