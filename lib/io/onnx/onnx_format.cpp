// The row of ONNX in the table of formats: how a file is recognised and read. Written by export.cpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/stubs/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "io/format.h"
#include "io/onnx/export.h"
#include "io/onnx/importer.h"
#include "io/onnx/large_file.h"
#include "io/onnx/read.h"
#include "io/onnx/test_pairs.h"
#include "onnx.pb.h"

namespace dl {
namespace {

constexpr int64_t kLargeFile = int64_t{1} << 24;  // bytes
constexpr int kMaxNesting = 100;                  // of protobuf messages; a graph in a graph takes four

// An ONNX file is a protobuf message without a magic number: the suffix tells, or a first field ir_version with a producer or graph after
// it.
bool probe_onnx(const std::string& path, std::string_view head) {
  if (path.ends_with(".onnx")) return true;
  return head.size() > 3 && head[0] == 0x08 && head[1] >= 1 && head[1] <= 20 && (head[2] == 0x12 || head[2] == 0x3a || head[2] == 0x42);
}

bool parse(google::protobuf::io::ZeroCopyInputStream& stream, onnx::ModelProto& model) {
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
  coded.SetRecursionLimit(kMaxNesting);
  return model.ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
}

SavedModel import_model(bool whole, onnx::ModelProto& model, const std::string& path, const ReadOptions& options) {
  if (!whole) throw FileError(fmt::format("{}: is damaged: it does not hold a whole ONNX model", path));
  if (!model.has_graph()) throw FileError(fmt::format("{}: holds no ONNX model: there is no graph in it", path));
  onnx::Importer importer(model, path, options);
  importer.run();
  SavedModel saved = importer.take();
  if (const auto text = saved.metadata.find(kOnnxTestKey); text != saved.metadata.end()) {
    auto tests = onnx_export::read_test_text(text->second);
    if (!tests) saved.warnings.emplace_back("its test samples are damaged and left out");
    saved.tests = std::move(tests).value_or(std::vector<TestPair>());
    saved.metadata.erase(text);
  }
  return saved;
}

SavedModel read_onnx(const std::string& path, const ReadOptions& options) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw FileError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  google::protobuf::io::FileInputStream stream(file);
  stream.SetCloseOnDelete(true);
  struct stat status {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) throw FileError(fmt::format("{}: is no regular file", path));
  if (status.st_size == 0) throw FileError(fmt::format("{}: is empty", path));
  if (status.st_size > std::numeric_limits<int>::max())
    throw FileError(
        fmt::format("{}: has {} bytes; an ONNX file has less than 2 GiB, weights beyond go into external data", path, status.st_size));
  google::protobuf::SetLogHandler(nullptr);  // damage is told by the result alone
  onnx::ModelProto model;
  const bool large = status.st_size >= kLargeFile;
  const bool whole = large ? onnx::parse_large_file(file, status.st_size, path, kMaxNesting, model) : parse(stream, model);
  return import_model(whole, model, path, options);
}

}  // namespace

SavedModel read_onnx_bytes(std::span<const std::byte> bytes, const ReadOptions& options) {
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) throw FileError("is larger than 2 GiB");
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::SetLogHandler(nullptr);
  onnx::ModelProto model;
  const bool whole = parse(stream, model);
  return import_model(whole, model, "", options);
}

extern const Format format_onnx;
const Format format_onnx = {
    .name = "onnx",
    .summary = "ONNX, operator sets 1 to 26",
    .suffixes = {".onnx"},
    .probe = probe_onnx,
    .read = read_onnx,
    .unsupported = unsupported_onnx,
    .write = write_onnx,
};

}  // namespace dl
