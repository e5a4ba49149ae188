// Moves a transpose behind the operator that reads it, so that transposes of channels-first files meet and vanish.
// Who uses it: normal_form.cpp, as one of its rules.
#pragma once

#include <optional>

#include "passes/rewrite.h"

namespace dl::raise {

// Element i of the result is element perm[i].
Shape permuted(const Shape& values, const std::vector<int64_t>& perm);
std::optional<Var> sink_transpose(const RewriteCall& call);

}  // namespace dl::raise
