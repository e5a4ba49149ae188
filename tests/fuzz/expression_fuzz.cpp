// Expressions of Lambda, losses and metrics: what parses is built into operators and differentiated, or refused with a UserError.
#include <cstdint>
#include <string_view>

#include "autodiff/gradient.h"
#include "base/error.h"
#include "layers/expression_builder.h"
#include "ops/builders.h"

using namespace dl;

namespace {

void build(std::string_view text, const Shape& shape) {
  try {
    const spec::Expr tree = spec::parse_expression(text);
    if (tree.height > 24) return;  // the gradient of a high tree is large, and nothing new
    Graph graph;
    const Var x = input(graph, "x", {DType::kFloat32, shape}), y = input(graph, "y_true", {DType::kFloat32, shape});
    const Var z = build_expression(graph, tree, {{"x", x}, {"y_true", y}, {"y_pred", x}});
    const Var wrt[] = {x, y};
    if (is_float(z.dtype())) gradient(reduce_sum(z), wrt);
  } catch (const UserError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 400) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  build(text, {Dim::symbol("batch"), Dim(3), Dim(4)});
  build(text, {Dim(2)});
  return 0;
}
