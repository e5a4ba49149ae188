#include "io/tfjs/test_pairs.h"

#include <cstring>
#include <optional>

#include "base/base64.h"
#include "io/keras/json_node.h"

namespace dl::tfjs {
namespace {

using spec::Node;

constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat64, DType::kInt32, DType::kInt64, DType::kUInt8, DType::kBool};

Node tensors_node(const NamedTensors& tensors) {
  Node map = Node::map({});
  for (const auto& [name, tensor] : tensors) {
    std::vector<Node> dims;
    for (const int64_t size : tensor.dims()) dims.push_back(Node::integer(size));
    map.set(name, Node::map({{"dtype", Node::string(name_of(tensor.dtype()))},
                             {"dims", Node::list(std::move(dims))},
                             {"data", Node::string(to_base64(tensor.raw(), tensor.bytes()))}}));
  }
  return map;
}

std::optional<Tensor> tensor_of(const Node& node) {
  const Node *dtype = node.find("dtype"), *dims = node.find("dims"), *data = node.find("data");
  if (!dtype || !dtype->is_string() || !dims || !dims->is_list() || !data || !data->is_string()) return std::nullopt;
  for (const DType type : kTypes) {
    if (dtype->as_string() != name_of(type)) continue;
    Dims sizes;
    uint64_t bytes = size_of(type);
    for (const Node& size : dims->items()) {
      if (size.kind() != spec::Kind::kInt || size.as_int() < 0) return std::nullopt;
      if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size.as_int()), &bytes)) return std::nullopt;
      sizes.push_back(size.as_int());
    }
    const std::optional<std::string> content = from_base64(data->as_string());
    if (!content || content->size() != bytes) return std::nullopt;
    Tensor tensor(type, sizes);
    if (bytes > 0) std::memcpy(tensor.raw(), content->data(), bytes);
    return tensor;
  }
  return std::nullopt;
}

std::optional<NamedTensors> tensors_of(const Node* map) {
  if (!map || !map->is_map()) return std::nullopt;
  NamedTensors tensors;
  for (const auto& [name, value] : map->entries()) {
    std::optional<Tensor> tensor = tensor_of(value);
    if (!tensor) return std::nullopt;
    tensors.emplace_back(name, std::move(*tensor));
  }
  return tensors;
}

}  // namespace

std::string test_pairs_text(const std::vector<TestPair>& tests, size_t max_bytes) {
  std::vector<Node> pairs;
  for (const TestPair& test : tests)
    pairs.push_back(Node::map({{"inputs", tensors_node(test.inputs)}, {"outputs", tensors_node(test.outputs)}}));
  if (pairs.empty()) return "";
  std::string text = to_json(Node::list(std::move(pairs)));
  return text.size() <= max_bytes ? text : "";
}

void read_test_pairs(const Node& root, SavedModel& model) {
  const Node* metadata = root.find("userDefinedMetadata");
  const Node* text = metadata ? metadata->find(kTestKey) : nullptr;
  if (!text || !text->is_string()) return;
  bool good = true;
  try {
    const Node pairs = parse_json(text->as_string(), kTestKey);
    good = pairs.is_list();
    for (const Node& pair : good ? pairs.items() : std::vector<Node>()) {
      std::optional<NamedTensors> inputs = tensors_of(pair.find("inputs")), outputs = tensors_of(pair.find("outputs"));
      good &= inputs && outputs;
      if (inputs && outputs) model.tests.push_back({std::move(*inputs), std::move(*outputs)});
    }
  } catch (const FileError&) {
    good = false;
  }
  if (!good) model.warnings.emplace_back("the test pairs stored in the file are damaged; they are left out");
}

}  // namespace dl::tfjs
