// What the executor needs of a communicator: to start a reduction over ranks and to wait for it. train/ connects it to
// dist/, so that plan/ knows no transport.
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace dl {

class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual int size() const = 0;  // ranks
  // In place, elementwise sum (mean: divided by the rank count) of `count` elements; finished after wait(ticket).
  // Every rank starts the same reductions in the same order. Allocates nothing.
  virtual void start_all_reduce(int ticket, void* data, size_t count, DType dtype, bool mean) = 0;
  virtual void wait(int ticket) = 0;
};

}  // namespace dl
