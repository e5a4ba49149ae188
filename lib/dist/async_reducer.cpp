#include "dist/async_reducer.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace dl {

struct AsyncReducer::State {
  struct Job {
    int ticket;
    void* data;
    size_t count;
    DType dtype;
    bool mean;
  };

  explicit State(Communicator& c) : communicator(c), worker([this] { work(); }) {}

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stopping || next < jobs.size(); });
      if (next == jobs.size()) return;
      const Job job = jobs[next++];
      lock.unlock();
      std::exception_ptr failure;
      try {
        communicator.all_reduce(job.data, job.count, job.dtype, job.mean);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure && !error) error = failure;
      done[static_cast<size_t>(job.ticket)] = 1;
      if (next == jobs.size()) {  // keeps its capacity: no allocation in later steps
        jobs.clear();
        next = 0;
      }
      changed.notify_all();
    }
  }

  Communicator& communicator;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Job> jobs;
  size_t next = 0;
  std::vector<char> done;
  bool stopping = false;
  std::exception_ptr error;
  double waited = 0;
  std::thread worker;  // last: starts when the rest is there
};

AsyncReducer::AsyncReducer(Communicator& communicator) : state_(std::make_unique<State>(communicator)) {}

AsyncReducer::~AsyncReducer() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
  }
  state_->worker.join();
}

void AsyncReducer::start(int ticket, void* data, size_t count, DType dtype, bool mean) {
  std::lock_guard lock(state_->mutex);
  const auto index = static_cast<size_t>(ticket);
  if (state_->done.size() <= index) state_->done.resize(index + 1, 0);
  state_->done[index] = 0;
  state_->jobs.push_back({ticket, data, count, dtype, mean});
  state_->changed.notify_all();
}

void AsyncReducer::wait(int ticket) {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->done[static_cast<size_t>(ticket)] != 0; });
  state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (state_->error) std::rethrow_exception(state_->error);
}

double AsyncReducer::wait_seconds() const {
  std::lock_guard lock(state_->mutex);
  return state_->waited;
}

}  // namespace dl
