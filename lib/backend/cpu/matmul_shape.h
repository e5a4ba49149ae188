// Concrete geometry of a matmul node: batch axes broadcast, both operands as strided matrices.
// Who uses it: small_matmul.cpp and onednn_matmul.cpp.
#pragma once

#include "backend/kernel.h"
#include "graph/attrs.h"

namespace dl::cpu {

struct MatmulShape {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column;
  Dims batch, a_batch, b_batch;  // of equal rank; an operand's size is 1 where it is repeated

  explicit MatmulShape(const NodeView& node) {
    const Dims &a = node.inputs[0].dims, &b = node.inputs[1].dims, &y = node.outputs[0].dims;
    const bool ta = node.attrs.flag("transpose_a"), tb = node.attrs.flag("transpose_b");
    m = y[y.size() - 2], n = y.back(), k = a[a.size() - (ta ? 2 : 1)];
    a_row = ta ? 1 : k, a_column = ta ? m : 1;
    b_row = tb ? 1 : n, b_column = tb ? k : 1;
    batch.assign(y.begin(), y.end() - 2), a_batch.assign(a.begin(), a.end() - 2), b_batch.assign(b.begin(), b.end() - 2);
    a_batch.insert(a_batch.begin(), batch.size() - a_batch.size(), 1), b_batch.insert(b_batch.begin(), batch.size() - b_batch.size(), 1);
    // [batch, rows, k] times one matrix is one tall product.
    if (!ta && element_count(b_batch) == 1) {
      m *= element_count(batch);
      batch = a_batch = b_batch = {};
    }
  }
  double work() const {
    return static_cast<double>(element_count(batch)) * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

}  // namespace dl::cpu
