// AsyncReducer: all_reduce calls of one rank, done in order by a thread of their own, so that exchange overlaps compute.
// Tickets are small numbers chosen by the caller; after the first use of the largest ticket nothing is allocated.
#pragma once

#include <memory>

#include "dist/communicator.h"

namespace dl {

class AsyncReducer {
 public:
  explicit AsyncReducer(Communicator& communicator);
  ~AsyncReducer();  // finishes what was started
  AsyncReducer(const AsyncReducer&) = delete;
  AsyncReducer& operator=(const AsyncReducer&) = delete;

  void start(int ticket, void* data, size_t count, DType dtype, bool mean);
  void wait(int ticket);        // rethrows what the reduction threw
  double wait_seconds() const;  // time spent in wait(): exchange that compute did not hide

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dl
