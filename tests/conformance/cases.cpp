#include "conformance/cases.h"

#include <cmath>
#include <string_view>

#include "base/philox.h"
#include "ops/builders.h"

namespace dl::conformance {
namespace {

constexpr DType kF = DType::kFloat32;

// Narrow values collide now and then, which differentiation of a maximum would not survive.
Tensor random_tensor(DType dtype, const Dims& dims, double low, double high, bool narrow, RandomSequence& random) {
  Tensor t(dtype, dims);
  for (int64_t i = 0; i < t.size(); ++i) {
    const double u = random.next_unit(), value = low + (high - low) * u;
    if (dtype == DType::kBool)
      t.set(i, u < 0.5);
    else if (is_float(dtype))
      t.set(i, narrow ? static_cast<double>(to_float(to_bfloat16(static_cast<float>(value)))) : value);
    else
      t.set(i, std::floor(value));
  }
  return t;
}

DType retype(DType from, DType to) { return from == kF ? to : from; }

}  // namespace

Case::Case(const OpDef& op, const Sample& sample, size_t index, DType dtype, bool narrow)
    : name(std::string(op.name) + " sample " + std::to_string(index) + " " + name_of(dtype)) {
  RandomSequence random(hash_name(op.name, std::string_view(op.name).size()), index);
  std::vector<Value> operands;
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const TensorType type{retype(sample.inputs[i].dtype, dtype), sample.inputs[i].shape};
    inputs.push_back(input(graph, "x" + std::to_string(i), type));
    operands.push_back(inputs.back().value);
    const bool given = i < sample.values.size() && sample.values[i].raw() != nullptr;
    const DType drawn_type = narrow ? sample.inputs[i].dtype : type.dtype;
    const Tensor drawn =
        given ? sample.values[i] : random_tensor(drawn_type, known_dims(type.shape), sample.low, sample.high, narrow, random);
    values.push_back(drawn.cast(type.dtype));
  }
  Attrs attrs;
  for (const auto& [key, value] : sample.attrs.values()) {
    const DType* type = std::get_if<DType>(&value);
    attrs.set(key, type ? AttrValue(retype(*type, dtype)) : value);
  }
  node = graph.add(op, operands, attrs);
}

bool is_float_sample(const OpDef& op, const Sample& sample) {
  for (const TensorType& t : sample.inputs)
    if (t.dtype == kF) return true;
  for (const auto& [key, value] : sample.attrs.values())
    if (const DType* type = std::get_if<DType>(&value); type && *type == kF) return true;
  (void)op;
  return false;
}

std::vector<Sample> samples_of(const OpDef& op) { return op.samples ? op.samples() : std::vector<Sample>(); }

std::vector<Sample> large_samples_of(const OpDef& op) {
  using Ints = std::vector<int64_t>;
  const std::string_view name = op.name;
  std::vector<Sample> large;
  const std::vector<Sample> own = samples_of(op);
  if (op.kind == OpKind::kElementwise && !own.empty()) {
    Sample base = own.front();
    // Same shapes; a row, a column and a middle axis repeated; single elements.
    const std::vector<std::vector<Dims>> shapes = {{{41, 1003}, {41, 1003}, {41, 1003}},
                                                   {{300, 131}, {131}, {300, 1}},
                                                   {{300, 1}, {300, 131}, {1, 131}},
                                                   {{7, 1, 5, 129}, {7, 11, 1, 129}, {1, 11, 5, 1}},
                                                   {{70001}, {}, {70001}},
                                                   {{}, {70001}, {1}},
                                                   {{5001, 7}, {7}, {5001, 7}}};
    for (const auto& dims : shapes) {
      for (size_t i = 0; i < base.inputs.size(); ++i) base.inputs[i].shape = to_shape(dims[i]);
      base.values.clear();
      large.push_back(base);
    }
  }
  if (name.starts_with("reduce_")) {
    // Products of many factors near 1 stay in range.
    const double low = name == "reduce_prod" ? 0.99 : -2, high = name == "reduce_prod" ? 1.01 : 2;
    for (const Ints& axes : {Ints{0}, Ints{1}, Ints{0, 1}}) large.push_back({{{kF, {517, 259}}}, {{"axes", axes}}, low, high});
    for (const Ints& axes : {Ints{0, 2}, Ints{1}, Ints{0, 1}, Ints{1, 2}})
      large.push_back({{{kF, {19, 65, 67}}}, {{"axes", axes}}, low, high});
    large.push_back({{{kF, {100003}}}, {{"axes", Ints{0}}}, low, high});
    large.push_back({{{kF, {4, 9, 10, 6, 33}}}, {{"axes", Ints{0, 2, 4}}}, low, high});
  }
  if (name == "transpose") {
    for (const Ints& perm : {Ints{1, 0, 2}, Ints{2, 1, 0}, Ints{0, 2, 1}, Ints{1, 2, 0}})
      large.push_back({{{kF, {37, 130, 71}}}, {{"perm", perm}}});
    large.push_back({{{kF, {5, 9, 11, 33}}}, {{"perm", Ints{0, 3, 1, 2}}}});
    large.push_back({{{DType::kUInt8, {45, 67, 3}}}, {{"perm", Ints{2, 0, 1}}}, 0, 255});
  }
  if (name == "broadcast_to") large.push_back({{{kF, {31, 1, 17}}}, {{"shape", Shape{5, 31, 257, 17}}}});
  if (name == "arg_max")
    large.push_back({{{kF, {301, 130}}}, {{"axis", int64_t{1}}}}), large.push_back({{{kF, {130, 301}}}, {{"axis", int64_t{0}}}});
  if (name == "matmul") {
    for (const int64_t ta : {0, 1})
      for (const int64_t tb : {0, 1})
        large.push_back({{{kF, ta ? Shape{67, 65} : Shape{65, 67}}, {kF, tb ? Shape{70, 67} : Shape{67, 70}}},
                         {{"transpose_a", ta}, {"transpose_b", tb}}});
    large.push_back({{{kF, {9, 33, 65}}, {kF, {9, 65, 31}}}, {}});
    large.push_back({{{kF, {3, 1}}, {kF, {1, 5}}}, {}});
  }
  if (name == "concat") large.push_back({{{kF, {130, 33}}, {kF, {130, 1}}, {kF, {130, 170}}}, {{"axis", int64_t{1}}}});
  if (name == "slice")
    large.push_back({{{kF, {70, 41, 33}}}, {{"starts", Shape{69, 1, 2}}, {"sizes", Shape{35, 20, 30}}, {"steps", Ints{-2, 2, 1}}}});
  if (name == "pad")
    large.push_back(
        {{{kF, {30, 20, 33}}}, {{"before", Shape{1, 2, 3}}, {"after", Shape{0, 1, 2}}, {"interior", Ints{1, 0, 0}}, {"value", 0.5}}});
  if (name == "gather" || name == "scatter_add") {
    Tensor at(DType::kInt64, {400});
    for (int64_t i = 0; i < at.size(); ++i) at.set(i, static_cast<double>(i * 7919 % 61));
    if (name == "gather")
      large.push_back({{{kF, {61, 129}}, {DType::kInt64, {400}}}, {{"axis", int64_t{0}}}, -2, 2, {{}, at}});
    else
      large.push_back({{{kF, {400, 129}}, {DType::kInt64, {400}}}, {{"axis", int64_t{0}}, {"size", Shape{61}}}, -2, 2, {{}, at}});
  }
  if (name == "random_uniform") {
    Sample base = own.front();
    base.attrs.set("shape", Shape{333, 101});
    large.push_back(base);
  }
  return large;
}

}  // namespace dl::conformance
