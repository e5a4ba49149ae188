#include "io/onnx/external_data.h"

#include "base/error.h"

namespace dl::onnx {
namespace {

ContainedFile open_data(const std::string& folder, const std::string& location, const std::string& place) {
  if (folder.empty()) throw FileError(place + ": external data cannot be read: the model is not a file in a folder");
  return {folder, location, place, "external data "};
}

}  // namespace

ExternalData::ExternalData(const std::string& folder, const std::string& location, int64_t offset, int64_t length, int64_t expected,
                           const std::string& place)
    : file_(open_data(folder, location, place)), offset_(offset), expected_(expected) {
  const auto size = static_cast<int64_t>(file_.size());
  if (offset < 0 || offset > size || expected > size - offset)
    file_.fail("holds " + std::to_string(size) + " bytes; " + std::to_string(expected) + " at offset " + std::to_string(offset) +
               " are needed");
  if (length >= 0 && length != expected)
    file_.fail("is said to give " + std::to_string(length) + " bytes; the shape needs " + std::to_string(expected));
}

void ExternalData::read(void* to) const { file_.read(static_cast<uint64_t>(offset_), to, static_cast<size_t>(expected_)); }

}  // namespace dl::onnx
