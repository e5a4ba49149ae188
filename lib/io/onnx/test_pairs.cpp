#include "io/onnx/test_pairs.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/error.h"
#include "io/onnx/export.h"

namespace dl::onnx_export {
namespace {

nlohmann::ordered_json to_json(const NamedTensors& tensors) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, tensor] : tensors)
    object[name] = {{"dtype", name_of(tensor.dtype())}, {"dims", tensor.dims()}, {"data", to_base64(tensor.raw(), tensor.bytes())}};
  return object;
}

// Throws what nlohmann::json does, or FileError.
NamedTensors from_json(const nlohmann::ordered_json& object) {
  NamedTensors tensors;
  for (const auto& [name, entry] : object.items()) {
    const auto dtype = parse_dtype(entry.at("dtype").get<std::string>());
    const auto data = from_base64(entry.at("data").get<std::string>());
    const Dims dims = entry.at("dims").get<Dims>();
    // The size first: nothing is allocated for sizes that the text does not hold.
    if (!dtype || !data || element_count(dims) != static_cast<int64_t>(data->size() / size_of(*dtype)) || data->size() % size_of(*dtype))
      throw FileError("sizes and numbers do not agree");
    Tensor tensor(*dtype, dims);
    if (!data->empty()) std::memcpy(tensor.raw(), data->data(), data->size());
    if (*dtype == DType::kBool)  // a bool holds nothing but 0 and 1
      for (size_t i = 0; i < data->size(); ++i) tensor.data<bool>()[i] = (*data)[i] != 0;
    tensors.emplace_back(name, tensor);
  }
  return tensors;
}

}  // namespace

std::string test_text(const std::vector<TestPair>& tests) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::string text;
  for (const TestPair& test : tests) {
    size_t bytes = 0;
    for (const NamedTensors* side : {&test.inputs, &test.outputs})
      for (const auto& [name, tensor] : *side) bytes += tensor.bytes();
    if (bytes >= kOnnxTestBytes) continue;
    list.push_back({{"inputs", to_json(test.inputs)}, {"outputs", to_json(test.outputs)}});
    std::string longer = list.dump();
    if (longer.size() < kOnnxTestBytes)
      text = std::move(longer);
    else
      list.erase(list.size() - 1);
  }
  return text;
}

std::optional<std::vector<TestPair>> read_test_text(const std::string& text) {
  if (text.size() >= kOnnxTestBytes) return std::nullopt;
  try {
    std::vector<TestPair> tests;
    for (const auto& pair : nlohmann::ordered_json::parse(text))
      tests.push_back({from_json(pair.at("inputs")), from_json(pair.at("outputs"))});
    return tests;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const FileError&) {
    return std::nullopt;
  }
}

}  // namespace dl::onnx_export
