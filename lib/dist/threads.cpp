#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "dist/communicator.h"
#include "dist/tree_sum.h"

namespace dl {
namespace {

// What the ranks of one process share.
struct Meeting {
  explicit Meeting(int ranks) : size(ranks), buffers(static_cast<size_t>(ranks)) {}

  void arrive_and_wait() {
    std::unique_lock lock(mutex);
    if (failed) throw EnvError("another rank failed");
    const uint64_t mine = generation;
    if (++arrived == size) {
      arrived = 0;
      ++generation;
      everyone.notify_all();
      return;
    }
    everyone.wait(lock, [&] { return generation != mine || failed; });
    if (generation == mine) throw EnvError("another rank failed");
  }

  void fail(std::exception_ptr error) {
    std::lock_guard lock(mutex);
    if (!failed) first_error = error;
    failed = true;
    everyone.notify_all();
  }

  const int size;
  std::vector<void*> buffers;  // by rank, valid between two meetings
  std::mutex mutex;
  std::condition_variable everyone;
  int arrived = 0;
  uint64_t generation = 0;
  bool failed = false;
  std::exception_ptr first_error;
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank), sources_(meeting.buffers.size()) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.size; }
  void barrier() override { meeting_.arrive_and_wait(); }

  // Each rank sums its slice of everybody's buffer and writes the result into everybody's buffer: no scratch memory.
  void all_reduce(void* data, size_t count, DType dtype, bool mean) override {
    meeting_.buffers[static_cast<size_t>(rank_)] = data;
    meeting_.arrive_and_wait();
    const auto ranks = static_cast<size_t>(size()), mine = static_cast<size_t>(rank_);
    const size_t begin = count * mine / ranks, end = count * (mine + 1) / ranks, width = size_of(dtype);
    std::copy(meeting_.buffers.begin(), meeting_.buffers.end(), sources_.begin());
    tree_sum(data, sources_, begin, end, dtype, mean ? 1.0 / size() : 1.0);
    for (void* other : meeting_.buffers)
      if (other != data)
        std::memcpy(static_cast<char*>(other) + begin * width, static_cast<char*>(data) + begin * width, (end - begin) * width);
    meeting_.arrive_and_wait();
  }

  void broadcast(void* data, size_t bytes) override {
    meeting_.buffers[static_cast<size_t>(rank_)] = data;
    meeting_.arrive_and_wait();
    if (rank_ != 0) std::memcpy(data, meeting_.buffers[0], bytes);
    meeting_.arrive_and_wait();
  }

 private:
  Meeting& meeting_;
  int rank_;
  std::vector<const void*> sources_;
};

}  // namespace

void run_rank_threads(int ranks, const std::function<void(Communicator&)>& body) {
  Meeting meeting(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      try {
        ThreadCommunicator communicator(meeting, rank);
        body(communicator);
      } catch (...) {
        meeting.fail(std::current_exception());
      }
    });
  for (std::thread& t : threads) t.join();
  if (meeting.first_error) std::rethrow_exception(meeting.first_error);
}

}  // namespace dl
