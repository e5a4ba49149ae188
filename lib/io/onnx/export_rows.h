// The rows: how each operator is written, by family. Whoever prepares a program asks them too what must be lowered first.
// Who uses it: export_prepare.cpp, Emitter. To add an operator: a row in the list of its family.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "graph/op_def.h"
#include "io/constants.h"
#include "io/onnx/export_emitter.h"

namespace dl::onnx_export {

struct RefuseCall {
  const Node& node;
  const Graph& graph;
  const Constants& constants;
  int opset;
};

struct Row {
  const OpDef* op;
  void (*emit)(Emitter& emitter, const Node& node, Value self);  // self: output 0
  // Why ONNX has no exact form for this node, "" when it has. Null: it always has.
  std::string (*refuse)(const RefuseCall& call) = nullptr;
};

std::span<const Row> elementwise_rows();
std::span<const Row> shape_rows();
std::span<const Row> nn_rows();
std::span<const Row> reduce_rows();
std::span<const Row> recurrent_rows();
std::span<const Row> indexing_rows();
std::span<const Row> rows_as_written();  // nodes of an imported file

// Joins: rows that take in what stands before them. True when the node has been written that way.
bool emit_with_bias(Emitter& emitter, const Node& add, Value self);           // Conv, ConvTranspose, Gemm
bool emit_mean(Emitter& emitter, const Node& div, Value self);                // ReduceMean, GlobalAveragePool
bool emit_bidirectional(Emitter& emitter, const Node& concat, Value self);    // LSTM, GRU of both directions
bool emit_natural_sequence(Emitter& emitter, const Node& slice, Value self);  // a reversed layer's sequence, reversed again
bool emit_resize(Emitter& emitter, const Node& reshape, Value self);          // repeated rows and columns
bool emit_recurrent_form(Emitter& emitter, Value self);                       // results of LSTM and GRU as ONNX has them
bool emit_quantize(Emitter& emitter, const Node& cast, Value self);           // QuantizeLinear
bool emit_dequantize(Emitter& emitter, const Node& mul, Value self);          // DequantizeLinear

// Indices of an axis of `size` without what makes negative ones count from the end, which ONNX's operators do themselves.
Value unwrapped_indices(const Emitter& emitter, Value indices, Dim size);
// An operand without its broadcast, where the others broadcast it all the same.
Value unspread_operand(const Emitter& emitter, const Node& node, size_t i);

// reshape(broadcast_to(reshape(x))) that repeats every element along an axis, as UpSampling2D makes it.
struct Repeat {
  Value x;
  size_t axis;
  int64_t times;
};
std::optional<Repeat> repeat_of(const Graph& graph, Value v);

const Row* find_row(const OpDef& op);         // null when there is none
std::string refusal(const RefuseCall& call);  // "" when the node's row takes it

}  // namespace dl::onnx_export
