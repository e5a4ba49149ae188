#include "io/onnx/large_file.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/positional_io.h"
#include "onnx.pb.h"

namespace dl::onnx {
namespace {

constexpr int64_t kLarge = int64_t{1} << 20;  // bytes of raw data that are read apart
constexpr size_t kBuffer = size_t{1} << 18;
// Field numbers of onnx.proto.
constexpr uint64_t kModelGraph = 7, kGraphInitializer = 5, kTensorRawData = 9;
enum Wire : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Damaged {};

struct Range {
  int64_t offset, length;
};

void read(int file, void* to, int64_t offset, int64_t length, const std::string& path) {
  const Transfer got = read_at(file, static_cast<uint64_t>(offset), to, static_cast<size_t>(length));
  if (got.error != 0) throw FileError(fmt::format("{}: cannot be read: {}", path, std::strerror(got.error)));
  if (got.bytes < static_cast<size_t>(length)) throw FileError(fmt::format("{}: became shorter while it was read", path));
}

void put_varint(std::string& out, uint64_t value) {
  for (; value > 127; value >>= 7) out += static_cast<char>((value & 127) | 128);
  out += static_cast<char>(value);
}

// Walks over the fields of the file and copies them, but for large raw data.
class Scanner {
 public:
  Scanner(int file, int64_t size, const std::string& path) : file_(file), size_(size), path_(path) {}

  std::string run() { return copy_fields(size_, 0); }
  const std::map<int, Range>& large() const { return large_; }

 private:
  // depth 0: the model, 1: its graph, 2: an initializer.
  std::string copy_fields(int64_t end, int depth) {
    std::string out;
    while (position_ < end) {
      const uint64_t tag = varint(end), field = tag >> 3;
      if ((tag & 7) != kBytes) {
        put_varint(out, tag);
        copy_number(static_cast<Wire>(tag & 7), end, out);
        continue;
      }
      const uint64_t length = varint(end);
      if (length > static_cast<uint64_t>(end - position_)) throw Damaged();
      copy_bytes(tag, field, static_cast<int64_t>(length), depth, out);
    }
    return out;
  }

  void copy_bytes(uint64_t tag, uint64_t field, int64_t length, int depth, std::string& out) {
    const bool raw = depth == 2 && field == kTensorRawData;
    if (raw) large_.erase(initializers_ - 1);  // the last one counts
    if (raw && length >= kLarge) {
      large_[initializers_ - 1] = {position_, length};
      position_ += length;
      return;
    }
    std::string content;
    if ((depth == 0 && field == kModelGraph) || (depth == 1 && field == kGraphInitializer)) {
      if (depth == 1) ++initializers_;
      content = copy_fields(position_ + length, depth + 1);
    } else {
      content.resize(static_cast<size_t>(length));
      copy(content.data(), length);
    }
    put_varint(out, tag);
    put_varint(out, content.size());
    out += content;
  }

  void copy_number(Wire type, int64_t end, std::string& out) {
    if (type == kVarint) return put_varint(out, varint(end));
    if (type != kFixed64 && type != kFixed32) throw Damaged();
    char bytes[8];
    const int64_t length = type == kFixed64 ? 8 : 4;
    if (length > end - position_) throw Damaged();
    copy(bytes, length);
    out.append(bytes, static_cast<size_t>(length));
  }

  uint64_t varint(int64_t end) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position_ >= end) throw Damaged();
      char byte = 0;
      copy(&byte, 1);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (!(byte & 128)) return value;
    }
    throw Damaged();
  }

  void copy(void* to, int64_t length) {
    if (length > static_cast<int64_t>(kBuffer)) {
      read(file_, to, position_, length, path_);
    } else if (length > 0) {
      if (position_ < begin_ || position_ + length > begin_ + static_cast<int64_t>(buffer_.size())) {
        buffer_.resize(static_cast<size_t>(std::min<int64_t>(kBuffer, size_ - position_)));
        read(file_, buffer_.data(), position_, static_cast<int64_t>(buffer_.size()), path_);
        begin_ = position_;
      }
      std::memcpy(to, buffer_.data() + (position_ - begin_), static_cast<size_t>(length));
    }
    position_ += length;
  }

  int file_;
  int64_t size_;
  const std::string& path_;
  int64_t position_ = 0, begin_ = 0;
  std::string buffer_;
  int initializers_ = 0;
  std::map<int, Range> large_;  // by number of the initializer
};

bool parse(const std::string& message, int max_nesting, ModelProto& model) {
  google::protobuf::io::CodedInputStream coded(reinterpret_cast<const uint8_t*>(message.data()), static_cast<int>(message.size()));
  coded.SetRecursionLimit(max_nesting);
  return model.ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
}

}  // namespace

bool parse_large_file(int file, int64_t size, const std::string& path, int max_nesting, ModelProto& model) {
  Scanner scanner(file, size, path);
  try {
    if (!parse(scanner.run(), max_nesting, model)) return false;
  } catch (const Damaged&) {
    return false;
  }
  for (const auto& [index, range] : scanner.large()) {
    if (index >= model.graph().initializer_size()) return false;
    std::string& data = *model.mutable_graph()->mutable_initializer(index)->mutable_raw_data();
    data.resize(static_cast<size_t>(range.length));
    read(file, data.data(), range.offset, range.length, path);
  }
  return true;
}

}  // namespace dl::onnx
