// The table of ONNX operators: op_names.def and the families.
#include <map>

#include "io/onnx/import_util.h"
#include "ops/ops.h"

namespace dl::onnx {

#define DL_ONNX_FAMILY(name) std::span<const OpRow> onnx_rows_##name();
#include "io/onnx/families.def"
#undef DL_ONNX_FAMILY

namespace {

template <const OpDef& op>
OnnxValues import_unary(NodeCall& call) {
  return {add_op(op, {call.in(0)})};
}
template <const OpDef& op>
OnnxValues import_binary(NodeCall& call) {
  return {add_op(op, {call.in(0), broadcast_operand(call, 1)})};
}

#define DL_ONNX_UNARY(name, since, op) {#name, since, import_unary<op_##op>},
#define DL_ONNX_BINARY(name, since, op) {#name, since, import_binary<op_##op>},
constexpr OpRow kPlain[] = {
#include "io/onnx/op_names.def"
};
#undef DL_ONNX_UNARY
#undef DL_ONNX_BINARY

std::map<std::string_view, const OpRow*> make_table() {
  std::map<std::string_view, const OpRow*> table;
  const auto add_rows = [&](std::span<const OpRow> rows) {
    for (const OpRow& row : rows) DL_CHECK(table.emplace(row.name, &row).second, std::string("two rows for ONNX operator ") + row.name);
  };
  add_rows(kPlain);
#define DL_ONNX_FAMILY(name) add_rows(onnx_rows_##name());
#include "io/onnx/families.def"
#undef DL_ONNX_FAMILY
  return table;
}

}  // namespace

const OpRow* find_onnx_op(std::string_view name) {
  static const std::map<std::string_view, const OpRow*> table = make_table();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

SizesFunction find_sizes_function(std::string_view name) {
  for (const SizesRow& row : onnx_sizes_rows())
    if (row.name == name) return row.function;
  return nullptr;
}

}  // namespace dl::onnx
