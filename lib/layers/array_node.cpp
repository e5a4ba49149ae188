#include "layers/array_node.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace dl {
namespace {

using spec::Kind;
using spec::Node;

constexpr size_t kMaxAxes = 8;

// Sizes along the first element of every level.
std::optional<Dims> sizes_of(const Node& node) {
  Dims dims;
  const Node* level = &node;
  while (level->is_list()) {
    if (dims.size() == kMaxAxes || level->items().empty()) return std::nullopt;
    dims.push_back(static_cast<int64_t>(level->items().size()));
    level = &level->items()[0];
  }
  return dims;
}

// Elements in order; false where a list has another length than its neighbours.
bool collect(const Node& node, const Dims& dims, size_t level, std::vector<const Node*>& elements) {
  if (level == dims.size()) {
    elements.push_back(&node);
    return elements.size() <= static_cast<size_t>(kMaxArrayElements);
  }
  if (!node.is_list() || static_cast<int64_t>(node.items().size()) != dims[level]) return false;
  for (const Node& item : node.items())
    if (!collect(item, dims, level + 1, elements)) return false;
  return true;
}

std::optional<DType> type_of(const std::vector<const Node*>& elements) {
  const bool bools = elements[0]->kind() == Kind::kBool;
  bool integers = true, wide = false;
  for (const Node* e : elements) {
    if (bools ? e->kind() != Kind::kBool : !e->is_number()) return std::nullopt;
    integers = integers && e->kind() == Kind::kInt;
    wide = wide || (e->kind() == Kind::kInt && (e->as_int() > INT32_MAX || e->as_int() < INT32_MIN));
  }
  if (bools) return DType::kBool;
  return integers ? (wide ? DType::kInt64 : DType::kInt32) : DType::kFloat32;
}

Node element_node(const Tensor& array, int64_t i) {
  const double value = array.at(i);
  if (array.dtype() == DType::kBool) return Node::boolean(value != 0);
  if (!is_float(array.dtype())) return Node::integer(static_cast<int64_t>(value));
  if (array.dtype() == DType::kFloat64) return Node::real(value);
  const std::string shortest = fmt::format("{}", static_cast<float>(value));  // digits that give the float32 again
  double digits = 0;
  std::from_chars(shortest.data(), shortest.data() + shortest.size(), digits);
  return Node::real(digits);
}

Node level_node(const Tensor& array, size_t level, int64_t& next) {
  if (level == array.dims().size()) return element_node(array, next++);
  std::vector<Node> items;
  for (int64_t i = 0; i < array.dims()[level]; ++i) items.push_back(level_node(array, level + 1, next));
  return Node::list(std::move(items));
}

}  // namespace

std::optional<Tensor> array_of(const Node& node) {
  const std::optional<Dims> dims = sizes_of(node);
  std::vector<const Node*> elements;
  if (!dims || !collect(node, *dims, 0, elements)) return std::nullopt;
  const std::optional<DType> type = type_of(elements);
  if (!type) return std::nullopt;
  Tensor array(*type, *dims);
  for (size_t i = 0; i < elements.size(); ++i) {
    const Node& e = *elements[i];
    array.set(static_cast<int64_t>(i), e.kind() == Kind::kBool ? static_cast<double>(e.as_bool()) : e.as_double());
  }
  return array;
}

std::optional<std::vector<double>> broadcast_numbers(const Node& node, const Dims& dims) {
  const std::optional<Tensor> array = array_of(node);
  if (!array || array->dtype() == DType::kBool || array->dims().size() > dims.size()) return std::nullopt;
  const size_t missing = dims.size() - array->dims().size();
  int64_t count = 1;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    count *= dims[axis];
    if (axis >= missing && array->dims()[axis - missing] != 1 && array->dims()[axis - missing] != dims[axis]) return std::nullopt;
  }
  std::vector<double> numbers;
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, from = 0, stride = 1;
    for (size_t axis = dims.size(); axis-- > missing; rest /= dims[axis]) {
      const int64_t size = array->dims()[axis - missing];
      from += size == 1 ? 0 : rest % dims[axis] * stride;
      stride *= size;
    }
    numbers.push_back(array->at(from));
  }
  return numbers;
}

std::optional<Node> array_node(const Tensor& array) {
  if (array.size() == 0 || array.size() > kMaxArrayElements || array.dims().size() > kMaxAxes) return std::nullopt;
  for (int64_t i = 0; i < array.size(); ++i)
    if (!std::isfinite(array.at(i))) return std::nullopt;
  int64_t next = 0;
  return level_node(array, 0, next);
}

}  // namespace dl
