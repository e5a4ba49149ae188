// matmul and matmul_bias by oneDNN: row-major operands, transposes as strides, batch axes broadcast.
#include "backend/cpu/epilogue.h"
#include "backend/cpu/matmul_shape.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/onednn_rows.h"

namespace dl::cpu {
namespace {

dnnl_memory_desc_t matrices(const Dims& batch, int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride,
                            dnnl_data_type_t type) {
  Dims dims = batch;
  dims.push_back(rows), dims.push_back(columns);
  dnnl_dims_t strides{};
  const size_t last = dims.size() - 1;
  strides[last] = column_stride, strides[last - 1] = row_stride;
  int64_t stride = rows * columns;
  for (size_t i = batch.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  dnnl_memory_desc_t md{};
  dnnl_memory_desc_init_by_strides(&md, static_cast<int>(dims.size()), dims.data(), type, strides);
  return md;
}

std::unique_ptr<Kernel> prepare(const NodeView& node, bool one_thread) {
  const auto type = onednn_type(node.outputs[0].dtype);
  if (!type || node.outputs[0].size() == 0) return nullptr;
  const MatmulShape s(node);
  if (s.k == 0 || s.batch.size() + 2 > DNNL_MAX_NDIMS) return nullptr;
  const dnnl_memory_desc_t a = matrices(s.a_batch, s.m, s.k, s.a_row, s.a_column, *type);
  const dnnl_memory_desc_t b = matrices(s.b_batch, s.k, s.n, s.b_row, s.b_column, *type);
  const dnnl_memory_desc_t y = matrices(s.batch, s.m, s.n, s.n, 1, *type);
  const bool has_bias = node.inputs.size() == 3;
  Dims bias_dims(s.batch.size() + 1, 1);
  bias_dims.push_back(s.n);
  const dnnl_memory_desc_t bias = plain_descriptor(bias_dims, *type);
  const OneThread scope(one_thread);
  dnnl_matmul_desc_t op;
  if (dnnl_matmul_desc_init(&op, &a, &b, has_bias ? &bias : nullptr, &y) != dnnl_success) return nullptr;
  PrimitiveDesc desc = make_desc(&op);
  if (!desc) return nullptr;
  std::vector<OnednnKernel::Operand> operands{{DNNL_ARG_SRC, false, 0, a}, {DNNL_ARG_WEIGHTS, false, 1, b}, {DNNL_ARG_DST, true, 0, y}};
  if (has_bias) operands.push_back({DNNL_ARG_BIAS, false, 2, bias});
  std::unique_ptr<Kernel> kernel = OnednnKernel::make(std::move(desc), operands, one_thread);
  return has_bias ? with_activation(std::move(kernel), node.attrs.text("activation"), node) : std::move(kernel);
}

std::unique_ptr<Kernel> prepare_threads(const NodeView& node) { return prepare(node, false); }
std::unique_ptr<Kernel> prepare_one_thread(const NodeView& node) { return prepare(node, true); }

}  // namespace

void append_onednn_matmul(std::vector<KernelRow>& rows) {
  for (const char* op : {"matmul", "matmul_bias"}) {
    rows.push_back({op, "onednn", prepare_threads, false});  // blocking depends on the thread count
    rows.push_back({op, "onednn-1-thread", prepare_one_thread});
  }
}

}  // namespace dl::cpu
