// Spelling: of several ways to write the same computation in operators, the one that raising knows.
// Who uses it: normal_form.cpp, until nothing changes. A rule looks at one node and gives another value in its place.
#pragma once

#include <optional>

#include "passes/rewrite.h"

namespace dl::raise {

// What to put in the place of the node; nullopt: it is written as it should be.
std::optional<Var> respell(const RewriteCall& call);

}  // namespace dl::raise
