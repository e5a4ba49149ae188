#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "io/keras/keras1.h"

namespace dl {
namespace {

using spec::Node;

std::string text_of(const Node* node) { return node && node->is_string() ? node->as_string() : std::string(); }

std::string class_of(const Node& mark) { return text_of(mark.find("class_name")); }
const Node& config_of(const Node& mark) {
  static const Node kNone = Node::map({});
  const Node* config = mark.find("config");
  return config ? *config : kNone;
}
bool is_theano(const Node& mark) {
  const Node* theano = mark.find("theano");
  return theano && *theano == Node::boolean(true);
}

// The mark of the layer inside a wrapper.
Node child_of(const Node& mark) {
  const Node* layer = config_of(mark).find("layer");
  Node child = layer ? *layer : Node::map({});
  if (const Node* theano = mark.find("theano"); theano && child.is_map()) child.set("theano", *theano);
  return child;
}

// Gates stored apart, three arrays each: as many as the layer has, 0 when they are together.
size_t gates_apart(const Node& mark) {
  if (text_of(config_of(mark).find("consume_less")) == "gpu") return 0;
  return class_of(mark) == "LSTM" ? 4 : class_of(mark) == "GRU" ? 3 : 0;
}

void need_rank(const Tensor& array, int64_t rank, const std::string& place) {
  if (array.rank() != rank)
    throw FileError(fmt::format("{}: an array has shape {}, Keras 1 stores {} axes there", place,
                                to_string(std::span<const int64_t>(array.dims())), rank));
}

// Axis i of the result is axis perm[i] of `array`, backwards where it is one of the first `turned`.
Tensor rearranged(const Tensor& array, const std::vector<size_t>& perm, size_t turned) {
  const size_t rank = perm.size();
  Dims dims(rank);
  std::vector<int64_t> strides(rank, 1), steps(rank);
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * array.dims()[i];
  for (size_t i = 0; i < rank; ++i) dims[i] = array.dims()[perm[i]], steps[i] = strides[perm[i]];
  Tensor result(array.dtype(), dims);
  const size_t width = size_of(array.dtype());
  std::vector<int64_t> index(rank, 0);
  for (int64_t n = 0; n < result.size(); ++n) {
    int64_t from = 0;
    for (size_t i = 0; i < rank; ++i) from += steps[i] * (i < turned ? dims[i] - 1 - index[i] : index[i]);
    std::memcpy(static_cast<std::byte*>(result.raw()) + static_cast<size_t>(n) * width,
                static_cast<const std::byte*>(array.raw()) + static_cast<size_t>(from) * width, width);
    for (size_t i = rank; i-- > 0 && ++index[i] == dims[i];) index[i] = 0;
  }
  return result;
}

// Arrays side by side along the last axis.
Tensor side_by_side(const std::vector<const Tensor*>& arrays, const std::string& place) {
  Dims dims = arrays[0]->dims();
  int64_t columns = 0;
  for (const Tensor* array : arrays) {
    need_rank(*array, static_cast<int64_t>(dims.size()), place);
    Dims others = array->dims();
    if (others.empty()) throw FileError(place + ": an array of a gate has no axis");
    columns += others.back();
    others.back() = dims.back();
    if (others != dims) throw FileError(place + ": the arrays of the gates have different shapes");
  }
  const int64_t rows = element_count(std::span<const int64_t>(dims).first(dims.size() - 1));
  dims.back() = columns;
  Tensor result(arrays[0]->dtype(), dims);
  const size_t width = size_of(result.dtype());
  std::byte* to = static_cast<std::byte*>(result.raw());
  for (int64_t row = 0; row < rows; ++row)
    for (const Tensor* array : arrays) {
      const size_t bytes = static_cast<size_t>(array->dims().back()) * width;
      const Tensor same = array->cast(result.dtype());
      std::memcpy(to, static_cast<const std::byte*>(same.raw()) + static_cast<size_t>(row) * bytes, bytes);
      to += bytes;
    }
  return result;
}

// [W, U, b] of each gate, as Keras 1 lists them, -> kernel, recurrent kernel, bias with the gates as later versions order them.
std::vector<Tensor> join_gates(const Node& mark, const std::vector<Tensor>& arrays, const std::string& place) {
  static constexpr size_t kLstm[] = {0, 2, 1, 3}, kGru[] = {0, 1, 2};  // stored: i c o f of LSTM is i, c, f, o
  const size_t gates = gates_apart(mark);
  const std::span<const size_t> order = gates == 4 ? std::span<const size_t>(kLstm) : std::span<const size_t>(kGru);
  std::vector<Tensor> joined;
  for (size_t kind = 0; kind < 3; ++kind) {
    std::vector<const Tensor*> parts;
    for (const size_t gate : order) parts.push_back(&arrays[gate * 3 + kind]);
    joined.push_back(side_by_side(parts, place));
  }
  return joined;
}

Tensor convert_kernel(const Node& mark, const Tensor& array, const std::string& place) {
  const std::string name = class_of(mark);
  const bool first = text_of(config_of(mark).find("dim_ordering")) == "th", theano = is_theano(mark);
  if (name.ends_with("1D")) {
    need_rank(array, 4, place);
    // [length, 1, in, out]; before 1.1 [out, in, length, 1].
    const Node *length = config_of(mark).find("filter_length"), *filters = config_of(mark).find("nb_filter");
    const auto is = [&](size_t axis, const Node* value) {
      return value && value->kind() == spec::Kind::kInt && array.dims()[axis] == value->as_int();
    };
    const bool older = !(is(0, length) && array.dims()[1] == 1 && is(3, filters)) && array.dims()[3] == 1;
    const Tensor kernel = older ? rearranged(array, {2, 3, 1, 0}, theano ? 1 : 0) : rearranged(array, {0, 1, 2, 3}, theano ? 1 : 0);
    const Dims& dims = kernel.dims();
    if (dims[1] != 1) throw FileError(fmt::format("{}: a kernel has shape {}", place, to_string(std::span<const int64_t>(array.dims()))));
    return kernel.reshaped({dims[0], dims[2], dims[3]});
  }
  if (name.ends_with("3D")) {
    need_rank(array, 5, place);
    return rearranged(array, first ? std::vector<size_t>{2, 3, 4, 1, 0} : std::vector<size_t>{0, 1, 2, 3, 4}, theano ? 3 : 0);
  }
  need_rank(array, 4, place);
  const size_t turned = theano ? 2 : 0;
  if (name.starts_with("Deconv"))
    return rearranged(array, first ? std::vector<size_t>{2, 3, 0, 1} : std::vector<size_t>{0, 1, 3, 2}, turned);
  return rearranged(array, first ? std::vector<size_t>{2, 3, 1, 0} : std::vector<size_t>{0, 1, 2, 3}, turned);
}

}  // namespace

size_t keras1_array_count(const Node& mark, size_t weights) {
  const std::string name = class_of(mark);
  if (name == "Bidirectional" || name == "TimeDistributed") return keras1_array_count(child_of(mark), weights);
  const size_t gates = gates_apart(mark);
  return gates > 0 ? weights * gates : weights;
}

std::vector<Tensor> convert_keras1_arrays(const Node& mark, std::vector<Tensor> arrays, const std::string& place) {
  const std::string name = class_of(mark);
  if (name == "TimeDistributed") return convert_keras1_arrays(child_of(mark), std::move(arrays), place);
  if (name == "Bidirectional") {
    const auto half = arrays.begin() + static_cast<std::ptrdiff_t>(arrays.size() / 2);
    std::vector<Tensor> both = convert_keras1_arrays(child_of(mark), {arrays.begin(), half}, place);
    std::vector<Tensor> backward = convert_keras1_arrays(child_of(mark), {half, arrays.end()}, place);
    both.insert(both.end(), backward.begin(), backward.end());
    return both;
  }
  if (const size_t gates = gates_apart(mark); gates > 0 && arrays.size() == gates * 3) return join_gates(mark, arrays, place);
  if (name == "Highway") {
    // W, W_carry, b, b_carry -> those of the transform, those of the gate
    if (arrays.size() == 4) std::swap(arrays[1], arrays[2]);
  } else if (name == "MaxoutDense" && !arrays.empty()) {
    need_rank(arrays[0], 3, place);
    const Dims dims = arrays[0].dims();
    arrays[0] = rearranged(arrays[0], {1, 0, 2}, 0).reshaped({dims[1], dims[0] * dims[2]});
    if (arrays.size() > 1) arrays[1] = arrays[1].reshaped({arrays[1].size()});
  } else if (name.starts_with("SeparableConv")) {
    for (size_t i = 0; i < std::min<size_t>(2, arrays.size()); ++i) arrays[i] = convert_kernel(mark, arrays[i], place);
  } else if (is_keras1_convolution(name) && !arrays.empty()) {
    arrays[0] = convert_kernel(mark, arrays[0], place);
  }
  return arrays;
}

// ---- what depends on shapes

namespace {

// Sizes along the spatial axes; -1: unknown.
std::vector<int64_t> spatial_sizes(const Shape& shape, bool channels_first) {
  std::vector<int64_t> sizes;
  for (size_t i = channels_first ? 2 : 1; i + (channels_first ? 0 : 1) < shape.size(); ++i)
    sizes.push_back(shape[i].known() ? shape[i].value() : -1);
  return sizes;
}

int64_t integer_at(const Node* node, size_t i) {
  if (node && node->kind() == spec::Kind::kInt) return node->as_int();
  if (!node || !node->is_list() || i >= node->items().size() || node->items()[i].kind() != spec::Kind::kInt) return -1;
  return node->items()[i].as_int();
}

// Theano's pooling pads `same` by another rule: where do the windows of both begin?
std::string pooling_difference(const Node& config, bool one_axis, const std::vector<int64_t>& sizes) {
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t pool = integer_at(config.find(one_axis ? "pool_length" : "pool_size"), i);
    const int64_t stride = integer_at(config.find(one_axis ? "stride" : "strides"), i);
    if (pool <= 0 || stride <= 0) return "";
    const int64_t theano = pool > 2 && pool % 2 == 1 ? pool - 2 : pool - 1;
    const auto tensorflow = [&](int64_t size) {
      return std::max<int64_t>(((size + stride - 1) / stride - 1) * stride + pool - size, 0) / 2;
    };
    const bool same = sizes[i] > 0 ? theano == tensorflow(sizes[i]) : stride == 1 && theano == (pool - 1) / 2;
    if (!same)
      return "has border_mode 'same' of Theano, whose windows lie otherwise than those of later versions of Keras (a file without weights "
             "does not say whether Theano or TensorFlow ran)";
  }
  return "";
}

}  // namespace

std::string keras1_difference(const Node& mark, const Shape& input, const Shape& output) {
  const std::string name = class_of(mark);
  const Node& config = config_of(mark);
  const bool first = text_of(config.find("dim_ordering")) == "th";
  if ((name.starts_with("MaxPooling") || name.starts_with("AveragePooling")) && is_theano(mark) &&
      text_of(config.find("border_mode")) == "same")
    return pooling_difference(config, name.ends_with("1D"), spatial_sizes(input, first));
  if (name.starts_with("Deconv")) {
    const Node* wanted = config.find("output_shape");
    const std::vector<int64_t> sizes = spatial_sizes(output, first);
    for (size_t i = 0; i < sizes.size(); ++i)
      if (const int64_t size = integer_at(wanted, i + (first ? 2 : 1)); size > 0 && sizes[i] != size)
        return fmt::format("has the output size {} where later versions of Keras give {}", size, sizes[i]);
  }
  return "";
}

}  // namespace dl
