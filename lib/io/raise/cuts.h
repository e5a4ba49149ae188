// Spelling of what moves elements: cuts, single places, repetitions, values side by side.
// Who uses it: spelling.cpp, as a part of its rules.
#pragma once

#include <optional>

#include "passes/rewrite.h"

namespace dl::raise {

// What to put in the place of the node; nullopt: it is written as it should be.
std::optional<Var> respell_cut(const RewriteCall& call);

}  // namespace dl::raise
