#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "io/format.h"

using namespace dl;

namespace {

class File {
 public:
  explicit File(const std::string& bytes = "") { std::ofstream(path, std::ios::binary) << bytes; }
  ~File() { std::filesystem::remove(path); }
  const std::string path = (std::filesystem::temp_directory_path() / ("dltool-" + std::to_string(::getpid()) + ".safetensors")).string();
};

std::string bytes_of(const std::string& header, const std::string& data) {
  std::string bytes;
  for (size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + data;
}

std::string safetensors_error(const std::string& bytes) {
  const File file(bytes);
  try {
    read_model(file.path);
  } catch (const FileError& e) {
    return e.what();
  }
  return "no error";
}

std::string entry(const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

}  // namespace

TEST_CASE("safetensors: what is written is read back, every type and shape") {
  SavedModel model;
  model.metadata["note"] = "\xc3\xa9";
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kInt8, DType::kUInt8, DType::kInt16,
                            DType::kUInt16, DType::kInt32, DType::kUInt32, DType::kInt64, DType::kUInt64, DType::kBool}) {
    for (const Dims& dims : {Dims{}, Dims{0, 3}, Dims{2, 3}}) {
      Tensor tensor(dtype, dims);
      for (int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, static_cast<double>(i % 2));
      model.weights[std::string(name_of(dtype)) + "/" + to_string(std::span<const int64_t>(dims))] = tensor;
    }
  }
  const File file;
  find_format("safetensors")->write(model, file.path, {});
  const SavedModel read = read_model(file.path);
  REQUIRE(read.weights.size() == model.weights.size());
  for (const auto& [name, tensor] : model.weights) CHECK_MESSAGE(bit_equal(read.weights.at(name), tensor), name);
  CHECK(read.metadata.at("note") == "\xc3\xa9");
}

TEST_CASE("safetensors: damaged files are refused with what is wrong") {
  const std::string four(4, '\0');
  const auto says = [](const std::string& bytes, const char* what) { CHECK(safetensors_error(bytes).find(what) != std::string::npos); };
  CHECK(safetensors_error(bytes_of(entry("[1]", "[0,4]"), four)) == "no error");
  CHECK(safetensors_error(bytes_of(entry("[1]", "[0,4]") + "   ", four)) == "no error");
  says("abc", "too few");
  says(std::string(8, '\xff') + "{}", "does not fit");
  says(bytes_of("[1]", ""), "does not begin with {");
  says(bytes_of("{nope", ""), "is not a JSON object");
  says(bytes_of(entry("[1]", "[4,8]"), four + four), "begins at 4 instead of 0");
  says(bytes_of(entry("[1]", "[0,4]"), four + four), "its tensors have 4 bytes, the file 8");
  says(bytes_of(entry("[2]", "[0,4]"), four), "has 4 bytes, float32[2] needs 8");
  says(bytes_of(entry("[4611686018427387904,8]", "[0,4]"), four), "too large");
  says(bytes_of(entry("[-1]", "[0,4]"), four), "something else than sizes");
  says(bytes_of(R"({"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", four), "is not supported");
  says(bytes_of(R"({"w":1,"w":1})", ""), "names 'w' twice");
}
