// Expressions as operators, so that a Lambda layer or a loss written as text is differentiated and exported like any other.
// Names: the caller's variables, pi and e. Functions: every elementwise operator and activation function, comparisons
// (bool), where, clip, sum mean max min prod (axis=, keepdims=), argmax, softmax, matmul, transpose, reshape, concat,
// stack, slice(x, axis, begin, end, step=1), swapaxes, expand_dims, squeeze, reverse, stop_gradient, logical_and / or / not, and
// those of expression_functions.h; grad(y, x), the derivative of the sum of y. dltool-spec.5 lists them.
#pragma once

#include <map>
#include <string>

#include "graph/var.h"
#include "spec/expression.h"

namespace dl {

// UserError "column 7: ..." for an unknown name or function, or operands that do not fit.
Var build_expression(Graph& graph, const spec::Expr& expression, const std::map<std::string, Var>& variables);

}  // namespace dl
