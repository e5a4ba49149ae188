// The operators: constants op_<name>, and the table of all.
#pragma once

#include <span>
#include <string_view>

#include "graph/op_def.h"

namespace dl {

#define DL_OP(name) extern const OpDef op_##name;
#define DL_UNARY(name, value, grad) extern const OpDef op_##name;
#define DL_BINARY(name, value, grad_a, grad_b) extern const OpDef op_##name;
#define DL_COMPARE(name, value) extern const OpDef op_##name;
#include "ops/elementwise.def"
#include "ops/ops.def"
#undef DL_OP
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE

std::span<const OpDef* const> all_ops();
const OpDef* find_op(std::string_view name);  // null when there is none

}  // namespace dl
