// Pooling: TF.js does it channels-last and without keepdims.
#include <algorithm>

#include "base/error.h"
#include "io/tfjs/lowerings.h"

namespace dl::tfjs {
namespace {

using spec::Node;
using Ints = std::vector<int64_t>;

bool is_channels_first(const Call& c) { return c.config().text("data_format") == "channels_first"; }

Shape last_form(const Call& c, const Shape& out) {
  if (!is_channels_first(c)) return out;
  Shape shape = out;
  shape.erase(shape.begin() + 1);
  shape.push_back(out[1]);
  return shape;
}

Ref pool(const Call& c, const char* class_name, const Ints& size, const Ints& strides, const std::string& padding, const Ref& x,
         const Shape& shape) {
  Node config = Node::map({{"pool_size", int_list(size)}, {"strides", int_list(strides)}, {"padding", Node::string(padding)}});
  if (size.size() > 1) config.set("data_format", Node::string("channels_last"));
  return c.add("", class_name, std::move(config), {}, x, shape);
}

}  // namespace

std::vector<Ref> lower_pooling(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  const bool first = is_channels_first(c);
  const Ints size = c.config().integers("pool_size"), strides = c.config().given("strides") ? c.config().integers("strides") : size;
  const Ref y = pool(c, c.layer.def->class_name, size, strides, c.config().text("padding"), first ? c.channels_last(in[0]) : in[0],
                     last_form(c, out[0]));
  return {first ? c.channels_first(y) : y};
}

std::vector<Ref> lower_global_pooling(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  Ref x = is_channels_first(c) ? c.channels_last(in[0]) : in[0];
  std::string class_name = c.layer.def->class_name;
  if (x.shape.size() == 5) {
    class_name.replace(class_name.size() - 2, 1, "1");
    x = c.reshape(x, {x.shape[0], x.shape[1] * x.shape[2] * x.shape[3], x.shape[4]});
  }
  const Shape flat = {x.shape.front(), x.shape.back()};
  return {c.reshape(c.add("", class_name, Node::map({}), {}, x, flat), out[0])};
}

namespace {

Ref adaptive(const Call& c, const Ref& in, const Shape& out, const std::string& kind) {
  const bool first = is_channels_first(c);
  const Ints wanted = c.config().integers("output_size");
  Ref x = first ? c.channels_last(in) : in;
  Ints size;
  bool divides = true;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const int64_t whole = known(x.shape[i + 1], "the size of the input");
    divides &= whole % wanted[i] == 0;
    size.push_back(whole / wanted[i]);
  }
  if (divides) {
    const std::string class_name = kind + "Pooling" + std::to_string(wanted.size()) + "D";
    x = pool(c, class_name.c_str(), size, size, "valid", x, last_form(c, out));
  } else if (kind == "Max") {
    throw UserError("has windows of different sizes, which TF.js has not");
  } else {
    for (size_t i = 0; i < wanted.size(); ++i) {
      const int64_t whole = x.shape[i + 1].value();
      Tensor matrix(DType::kFloat32, {whole, wanted[i]});
      for (int64_t j = 0; j < wanted[i]; ++j) {
        const int64_t begin = j * whole / wanted[i], end = ((j + 1) * whole + wanted[i] - 1) / wanted[i];
        for (int64_t k = begin; k < end; ++k) matrix.data<float>()[k * wanted[i] + j] = 1.0F / static_cast<float>(end - begin);
      }
      x = c.map_axis(x, static_cast<int64_t>(i) + 1, matrix);
    }
  }
  return first ? c.channels_first(x) : x;
}

}  // namespace

std::vector<Ref> lower_adaptive_average_pooling(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  return {adaptive(c, in[0], out[0], "Average")};
}

std::vector<Ref> lower_adaptive_max_pooling(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out) {
  return {adaptive(c, in[0], out[0], "Max")};
}

}  // namespace dl::tfjs
