#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <tuple>

namespace dl {
namespace {

constexpr int64_t kMinWarmup = 3, kMinRuns = 5, kMaxRuns = 1'000'000, kGroup = 5, kMinProfileRuns = 3;
constexpr double kSettled = 0.05;  // relative change of the median between two groups

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double timed(const std::function<void()>& run) {
  const double start = now();
  run();
  return now() - start;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile(values, 0.5);
}

int64_t warm_up(const std::function<void()>& run, double seconds) {
  const double end = now() + seconds / 2;
  std::vector<double> group;
  double before = 0;
  for (int64_t runs = 1;; ++runs) {
    group.push_back(timed(run));
    if (runs >= kMinWarmup && now() >= end) return runs;
    if (static_cast<int64_t>(group.size()) < kGroup) continue;
    const double middle = median(std::move(group));
    group.clear();
    if (before > 0 && std::abs(middle - before) <= kSettled * before) return runs;
    before = middle;
  }
}

std::string kernel_name(const Step& step) { return step.row + (step.detail.empty() ? "" : ":" + step.detail); }

}  // namespace

double percentile(const std::vector<double>& sorted, double fraction) {
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

LatencyStats summarize_latency(std::vector<double> seconds, int64_t warmup_runs) {
  std::sort(seconds.begin(), seconds.end());
  LatencyStats stats;
  stats.warmup_runs = warmup_runs;
  stats.runs = static_cast<int64_t>(seconds.size());
  stats.min = seconds.front();
  stats.max = seconds.back();
  stats.p50 = percentile(seconds, 0.5);
  stats.p90 = percentile(seconds, 0.9);
  stats.p99 = percentile(seconds, 0.99);
  stats.mean = std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
  return stats;
}

LatencyStats measure_latency(const std::function<void()>& run, double seconds) {
  const int64_t warmup_runs = warm_up(run, seconds);
  std::vector<double> times;
  const double end = now() + seconds;
  while (static_cast<int64_t>(times.size()) < kMaxRuns && (static_cast<int64_t>(times.size()) < kMinRuns || now() < end))
    times.push_back(timed(run));
  return summarize_latency(std::move(times), warmup_runs);
}

Profile measure_profile(Executable& executable, double seconds) {
  using Key = std::tuple<std::string, std::string, std::string>;
  std::map<Key, size_t> index;
  std::map<const Step*, size_t> row_of;
  Profile profile;
  for (const Step& step : executable.plan().steps) {
    if (step.is_static || (step.kernel && step.kernel->is_view)) continue;
    const auto [found, added] = index.try_emplace(Key{step.scope, step.op, kernel_name(step)}, profile.rows.size());
    if (added) profile.rows.push_back({step.scope, step.op, kernel_name(step), 0, 0, 0, 0});
    ProfileRow& row = profile.rows[found->second];
    ++row.steps;
    row.flops += step.flops;
    row.bytes += step.bytes;
    row_of[&step] = found->second;
  }
  std::vector<std::vector<double>> times(profile.rows.size());
  const double end = now() + seconds;
  for (; profile.runs < kMaxRuns && (profile.runs < kMinProfileRuns || now() < end); ++profile.runs) {
    for (std::vector<double>& t : times) t.push_back(0);
    executable.run_profiled([&](const Step& step, double time) {
      if (const auto found = row_of.find(&step); found != row_of.end()) times[found->second].back() += time;
    });
  }
  for (size_t r = 0; r < times.size(); ++r) {
    profile.rows[r].seconds = median(times[r]);
    profile.seconds += profile.rows[r].seconds;
  }
  return profile;
}

}  // namespace dl
