// Communicator: ranks that train together. Variants: single (one rank), threads (N ranks inside one process, for tests and
// for --ranks). MPI will be another.
// Reductions add in a fixed balanced tree over the rank numbers, so all ranks get the same bits and they do not depend on
// timing. Calls are collective: every rank makes the same ones in the same order.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "tensor/dtype.h"

namespace dl {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // In place, elementwise; mean divides the sum by size().
  virtual void all_reduce(void* data, size_t count, DType dtype, bool mean) = 0;
  // Rank 0's bytes for all.
  virtual void broadcast(void* data, size_t bytes) = 0;
  virtual void barrier() = 0;
};

std::unique_ptr<Communicator> make_single_communicator();

// Runs `body` once per rank, each on a thread of its own, and returns when all have ended. When a rank throws, the others
// are released from their collectives (which then throw EnvError) and the first exception is rethrown.
void run_rank_threads(int ranks, const std::function<void(Communicator&)>& body);

}  // namespace dl
