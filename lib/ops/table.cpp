#include "ops/ops.h"

namespace dl {
namespace {

const OpDef* const kOps[] = {
#define DL_OP(name) &op_##name,
#define DL_UNARY(name, value, grad) &op_##name,
#define DL_BINARY(name, value, grad_a, grad_b) &op_##name,
#define DL_COMPARE(name, value) &op_##name,
#include "ops/elementwise.def"
#include "ops/ops.def"
#undef DL_OP
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
};

}  // namespace

std::span<const OpDef* const> all_ops() { return kOps; }

const OpDef* find_op(std::string_view name) {
  for (const OpDef* op : kOps)
    if (op->name == name) return op;
  return nullptr;
}

}  // namespace dl
