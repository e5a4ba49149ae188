// Reverse-mode automatic differentiation that emits ordinary operators, before any lowering. The result is a graph like
// any other, so gradient(gradient(f)) just works.
#pragma once

#include <span>
#include <vector>

#include "graph/var.h"

namespace dl {

// d(sum of dy * y)/d(x) for each x in `wrt`; dy invalid: ones. A zero Var of x's type where y does not depend on x.
// Throws UserError naming the operator where a path from x to y has no gradient but carries floats that need one.
std::vector<Var> gradient(Var y, std::span<const Var> wrt, Var dy = {});

}  // namespace dl
