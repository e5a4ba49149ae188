#include "data/loader.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/error.h"

namespace dl {
namespace {

using Order = std::shared_ptr<const EpochOrder>;

struct Position {
  int64_t epoch = 0, batch = 0;
};

struct Slot {
  bool ready = false;
  Batch batch;
  std::exception_ptr error;
};

// Signals are the main thread's business: a worker created while they are blocked inherits the mask.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

const Tensor& Batch::at(std::string_view name) const {
  for (const NamedTensor& field : fields)
    if (field.name == name) return field.tensor;
  throw InternalError(fmt::format("batch has no field '{}'", name));
}

struct BatchLoader::State {
  DatasetPtr dataset;
  LoaderOptions options;
  int64_t batches = 0;
  std::vector<size_t> row_bytes;

  std::mutex mutex;
  std::condition_variable_any filled, wanted;
  // All below belong to `mutex`. Batches are numbered from the last seek on; slot s holds number n with n % slots == s.
  std::vector<Slot> slots;
  Position start;
  int64_t claimed = 0, consumed = 0;
  std::atomic<uint64_t> generation{0};  // counts seeks; a worker that sees another number drops its batch

  std::mutex order_mutex;
  std::vector<std::pair<int64_t, Order>> orders;  // of the latest epochs

  // The consumer's own.
  bool end_due = false;
  double wait_seconds = 0;
  int64_t skipped = 0;

  std::vector<std::jthread> workers;  // last: stopped and joined first

  Position position_of(int64_t number) const {
    const int64_t batch = start.batch + number;
    return {start.epoch + batch / batches, batch % batches};
  }
  bool within_epochs(int64_t number) const { return options.epochs == 0 || position_of(number).epoch < options.epochs; }

  Order order_of(int64_t epoch) {
    const std::lock_guard lock(order_mutex);
    for (const auto& [e, order] : orders)
      if (e == epoch) return order;
    auto order = std::make_shared<const EpochOrder>(dataset->size(), options.seed, epoch);
    if (orders.size() >= 2) orders.erase(orders.begin());
    orders.emplace_back(epoch, order);
    return order;
  }

  // nullopt when asked to stop. `abandoned` is looked at between samples.
  template <class Abandoned>
  std::optional<Batch> fill(Position at, Abandoned abandoned) {
    const Order order = options.shuffle ? order_of(at.epoch) : nullptr;
    const int64_t begin = at.batch * options.batch_size;
    const IndexRange whole{begin, std::min(begin + options.batch_size, dataset->size())};
    const IndexRange part = rank_part(whole, options.rank, options.world_size);
    Batch batch;
    batch.epoch = at.epoch;
    batch.index = at.batch;
    batch.wanted = part.end - part.begin;
    batch.global_count = whole.end - whole.begin;
    const std::vector<Field>& fields = dataset->fields();
    for (const Field& field : fields) {
      Dims dims = field.dims;
      dims.insert(dims.begin(), part.end - part.begin);
      batch.fields.push_back({field.name, Tensor(field.dtype, std::move(dims))});
    }
    const Draw draw{options.seed, at.epoch};
    std::vector<std::byte*> rows(fields.size());
    batch.samples.reserve(static_cast<size_t>(batch.wanted));
    for (int64_t i = part.begin; i < part.end; ++i) {
      if (abandoned()) return std::nullopt;
      for (size_t f = 0; f < fields.size(); ++f)
        rows[f] = static_cast<std::byte*>(batch.fields[f].tensor.raw()) + static_cast<size_t>(batch.count) * row_bytes[f];
      const int64_t sample = order ? (*order)[i] : i;
      if (!dataset->get(sample, rows, options.training ? &draw : nullptr)) continue;
      batch.samples.push_back(sample);
      ++batch.count;
    }
    if (batch.count < batch.wanted)
      for (NamedTensor& field : batch.fields) field.tensor = field.tensor.rows(0, batch.count);
    return batch;
  }

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    for (;;) {
      const auto may_claim = [&] { return claimed < consumed + static_cast<int64_t>(slots.size()) && within_epochs(claimed); };
      if (!wanted.wait(lock, stop, may_claim)) return;
      const int64_t number = claimed++;
      const Position at = position_of(number);
      const uint64_t mine = generation;
      lock.unlock();
      std::optional<Batch> batch;
      std::exception_ptr error;
      try {
        batch = fill(at, [&] { return stop.stop_requested() || generation != mine; });
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (generation != mine || (!batch && !error)) continue;
      Slot& slot = slots[static_cast<size_t>(number) % slots.size()];
      if (batch) slot.batch = std::move(*batch);
      slot.error = error;
      slot.ready = true;
      filled.notify_one();
    }
  }

  Batch take() {
    if (slots.empty()) return *fill(position_of(consumed++), [] { return false; });
    std::unique_lock lock(mutex);
    if (options.epochs != 0 && !within_epochs(consumed)) ++options.epochs;  // asked to go on after all
    wanted.notify_all();
    Slot& slot = slots[static_cast<size_t>(consumed) % slots.size()];
    filled.wait(lock, [&] { return slot.ready; });
    if (slot.error) std::rethrow_exception(slot.error);
    Batch batch = std::move(slot.batch);
    slot = Slot{};
    ++consumed;
    wanted.notify_all();
    return batch;
  }
};

BatchLoader::BatchLoader(DatasetPtr dataset, LoaderOptions options) : state_(std::make_unique<State>()) {
  State& s = *state_;
  DL_CHECK(dataset && options.batch_size > 0, "a loader needs a dataset and a positive batch size");
  DL_CHECK(options.world_size > 0 && options.rank >= 0 && options.rank < options.world_size, "rank out of range");
  s.dataset = std::move(dataset);
  s.options = options;
  const int64_t n = s.dataset->size();
  s.batches = options.drop_remainder ? n / options.batch_size : (n + options.batch_size - 1) / options.batch_size;
  for (const Field& field : s.dataset->fields()) s.row_bytes.push_back(field.row_bytes());
  if (options.workers <= 0 || s.batches == 0) return;
  s.slots.resize(static_cast<size_t>(std::max(1, options.prefetch)));
  const SignalsBlocked blocked;
  for (int w = 0; w < options.workers; ++w) s.workers.emplace_back([&s](const std::stop_token& stop) { s.work(stop); });
}

BatchLoader::~BatchLoader() {
  for (std::jthread& worker : state_->workers) worker.request_stop();  // all at once, before the joins
}

int64_t BatchLoader::batches_per_epoch() const { return state_->batches; }
const Dataset& BatchLoader::dataset() const { return *state_->dataset; }

std::optional<Batch> BatchLoader::next() {
  State& s = *state_;
  if (s.batches == 0) return std::nullopt;
  if (s.end_due) {
    s.end_due = false;
    return std::nullopt;
  }
  const auto before = std::chrono::steady_clock::now();
  Batch batch = s.take();
  s.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  s.end_due = batch.index == s.batches - 1;
  s.skipped += batch.wanted - batch.count;
  return batch;
}

void BatchLoader::seek(int64_t epoch, int64_t batch) {
  State& s = *state_;
  DL_CHECK(epoch >= 0 && batch >= 0 && batch <= s.batches, "position out of range");
  if (s.batches == 0) return;
  const std::lock_guard lock(s.mutex);
  s.end_due = batch == s.batches;  // the end of an epoch is a position of its own: next() reports it first
  const Position now = s.position_of(s.consumed);
  const bool error_pending = !s.slots.empty() && s.slots[static_cast<size_t>(s.consumed) % s.slots.size()].error;
  if (now.epoch * s.batches + now.batch == epoch * s.batches + batch && !error_pending) return;
  ++s.generation;
  s.start = {epoch + batch / s.batches, batch % s.batches};
  s.claimed = s.consumed = 0;
  for (Slot& slot : s.slots) slot = Slot{};
  s.wanted.notify_all();
}

double BatchLoader::wait_seconds() const { return state_->wait_seconds; }
int64_t BatchLoader::skipped() const { return state_->skipped; }

}  // namespace dl
