#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

#include "base/error.h"
#include "layers/activations.h"
#include "layers/einsum.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

// "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...": the letters without the dots, and where the dots stood.
struct Equation {
  std::string input, kernel, output;
  enum { kNone, kLeft, kRight } dots = kNone;
};

bool are_letters(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; });
}

bool repeats(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i)
    if (text.find(text[i], i + 1) != std::string::npos) return true;
  return false;
}

std::optional<Equation> parse_equation(std::string text) {
  const size_t comma = text.find(','), arrow = text.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || arrow < comma) return std::nullopt;
  Equation e{text.substr(0, comma), text.substr(comma + 1, arrow - comma - 1), text.substr(arrow + 2)};
  constexpr std::string_view kDots = "...";
  if (e.input.starts_with(kDots) && e.output.starts_with(kDots)) {
    e.dots = Equation::kLeft;
    e.input.erase(0, 3), e.output.erase(0, 3);
  } else if (e.input.ends_with(kDots) && e.output.ends_with(kDots)) {
    e.dots = Equation::kRight;
    e.input.resize(e.input.size() - 3), e.output.resize(e.output.size() - 3);
  }
  for (const std::string* part : {&e.input, &e.kernel, &e.output})
    if (!are_letters(*part) || repeats(*part)) return std::nullopt;
  return e;
}

void check_einsum_dense(Layer& layer, spec::Reader& reader) {
  const std::optional<Equation> equation = parse_equation(layer.config.text("equation"));
  if (!equation)
    return reader.report("equation", "must be like 'abc,cd->abd' or '...x,xy->...y': one letter for each axis, none twice in an operand");
  for (char letter : equation->output)
    if (equation->input.find(letter) == std::string::npos && equation->kernel.find(letter) == std::string::npos)
      return reader.report("equation", fmt::format("has '{}' in the result only", letter));
  for (char letter : equation->kernel)
    if (equation->input.find(letter) == std::string::npos && equation->output.find(letter) == std::string::npos)
      return reader.report("equation", fmt::format("has '{}' in the kernel only", letter));
  const spec::Node shape = layer.config.node("output_shape");
  const std::vector<spec::Node> sizes = shape.is_list() ? shape.items() : std::vector<spec::Node>{shape};
  if (!std::all_of(sizes.begin(), sizes.end(),
                   [](const spec::Node& n) { return n.is_null() || (n.kind() == spec::Kind::kInt && n.as_int() > 0); }))
    return reader.report("output_shape", "must be a positive integer or a list of positive integers and null");
  layer.config.set("output_shape", spec::Node::list(sizes));
  if (!layer.config.given("bias_axes")) return;
  for (char letter : layer.config.text("bias_axes"))
    if (equation->output.find(letter) == std::string::npos)
      reader.report("bias_axes", fmt::format("names '{}', which '{}' has not", letter, equation->output));
}

// The equation for an input of this rank: letters in place of the dots.
Equation spell_out(Equation e, int64_t rank) {
  const int64_t more = rank - static_cast<int64_t>(e.input.size());
  if (more < 0 || (more > 0 && e.dots == Equation::kNone))
    throw UserError(fmt::format("the equation takes an input of {} axes, got {}", e.input.size(), rank));
  std::string letters;
  const std::string used = e.input + e.kernel + e.output;
  for (char c = 'a'; static_cast<int64_t>(letters.size()) < more; ++c)
    if (used.find(c) == std::string::npos) letters += c;
  (e.dots == Equation::kLeft ? e.input = letters + e.input : e.input += letters);
  (e.dots == Equation::kLeft ? e.output = letters + e.output : e.output += letters);
  return e;
}

// Sizes of the result's axes: the batch, what `output_shape` says (null: as the input has it), what the dots stand for.
Shape result_shape(const Config& config, const Equation& e, Var x, size_t dots) {
  Shape given;
  for (const spec::Node& size : config.node("output_shape").items()) given.push_back(size.is_null() ? Dim(-1) : Dim(size.as_int()));
  Shape shape = {x.dim(0)};
  // Keras: dots at the left hold the batch.
  if (e.dots == Equation::kLeft)
    for (size_t i = 1; i < dots; ++i) shape.push_back(x.shape()[i]);
  shape.insert(shape.end(), given.begin(), given.end());
  if (e.dots == Equation::kRight) shape.insert(shape.end(), x.shape().end() - static_cast<std::ptrdiff_t>(dots), x.shape().end());
  if (shape.size() != e.output.size())
    throw UserError(fmt::format("output_shape gives the result {} axes, the equation {}", shape.size(), e.output.size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t at = e.input.find(e.output[i]);
    if (at == std::string::npos) {
      if (shape[i] == Dim(-1)) throw UserError(fmt::format("output_shape must give the size of '{}'", e.output[i]));
      continue;
    }
    if (!(shape[i] == Dim(-1)) && !(shape[i] == x.shape()[at]))
      throw UserError(
          fmt::format("output_shape gives '{}' the size {}, the input {}", e.output[i], to_string(shape[i]), to_string(x.shape()[at])));
    shape[i] = x.shape()[at];
  }
  return shape;
}

Var add_kernel(LayerContext& context, const Equation& e, Var x, const Shape& result) {
  Shape shape;
  std::vector<int64_t> input_axes, output_axes;
  for (size_t i = 0; i < e.kernel.size(); ++i) {
    const size_t out = e.output.find(e.kernel[i]);
    (out != std::string::npos ? output_axes : input_axes).push_back(static_cast<int64_t>(i));
    shape.push_back(out != std::string::npos ? result[out] : x.shape()[e.input.find(e.kernel[i])]);
  }
  WeightSpec kernel = context.weight_spec("kernel", shape);
  if (!kernel.initializer.config.has("input_axes") || !kernel.initializer.config.has("output_axes")) {
    kernel.initializer.config.set("input_axes", input_axes);
    kernel.initializer.config.set("output_axes", output_axes);
  }
  return context.add_weight(std::move(kernel));
}

Var add_bias(LayerContext& context, const Equation& e, const Shape& result, Var y) {
  if (!context.config().given("bias_axes") || context.config().text("bias_axes").empty()) return y;
  const std::string& axes = context.config().text("bias_axes");
  Shape shape;
  for (size_t i = e.output.find_first_of(axes); i < e.output.size(); ++i)
    shape.push_back(axes.find(e.output[i]) != std::string::npos ? result[i] : Dim(1));
  return y + context.add_weight("bias", shape);
}

std::vector<MaskedVar> build_einsum_dense(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Var x = context.to_compute(inputs[0].value);
  const Equation written = *parse_equation(context.config().text("equation"));
  const Equation e = spell_out(written, x.rank());
  const Shape result = result_shape(context.config(), e, x, e.input.size() - written.input.size());
  const Var y = einsum(x, e.input, add_kernel(context, e, x, result), e.kernel, e.output);
  return {{apply_activation(context.config().text("activation"), add_bias(context, e, result, y)), {}}};
}

}  // namespace

const LayerDef layer_einsum_dense = {
    .class_name = "EinsumDense",
    .summary = "Dense over any axes: an Einstein sum of input and kernel, such as 'abc,cd->abd'.",
    .keys = {{.name = "equation", .kind = KeyKind::kString, .required = true},
             any_key("output_shape", {}, true),
             activation_key("activation", "linear"),
             {.name = "bias_axes", .kind = KeyKind::kString},
             initializer_key("kernel_initializer", "glorot_uniform"),
             initializer_key("bias_initializer", "zeros"),
             regularizer_key("kernel_regularizer"),
             regularizer_key("bias_regularizer"),
             regularizer_key("activity_regularizer"),
             constraint_key("kernel_constraint"),
             constraint_key("bias_constraint"),
             unsupported_key("lora_rank"),
             unsupported_key("lora_alpha"),
             unsupported_key("gptq_unpacked_column_size"),
             unsupported_key("quantization_config")},
    .check = check_einsum_dense,
    .build = build_einsum_dense,
};

}  // namespace dl
