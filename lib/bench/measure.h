// How long an Executable takes: as a whole and step by step. Figures are seconds of wall time.
// Who uses it: the bench command. The inputs must be set; a Program with updates changes its parameters with every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "plan/executable.h"

namespace dl {

struct LatencyStats {
  int64_t warmup_runs = 0, runs = 0;
  double min = 0, p50 = 0, p90 = 0, p99 = 0, max = 0, mean = 0;
};

// Percentiles by linear interpolation between the sorted values, as NumPy's default does. At least one value.
double percentile(const std::vector<double>& sorted, double fraction);
LatencyStats summarize_latency(std::vector<double> seconds, int64_t warmup_runs);

// Calls `run` until its time has settled (at least 3 calls; the medians of two successive groups within 5 %, or half of `seconds`
// gone), then measures calls for `seconds`, at least 5 and at most a million.
LatencyStats measure_latency(const std::function<void()>& run, double seconds);

// The time of the steps that a layer's operator became.
struct ProfileRow {
  std::string scope;   // the layer: "conv2d", "conv2d/gradient"; "" outside of any
  std::string op;      // "conv", "reorder"
  std::string kernel;  // row and detail: "onednn:jit:avx2"
  int64_t steps = 0;
  double seconds = 0;  // of one run: the median over runs of the sum over steps
  double flops = 0, bytes = 0;
};

struct Profile {
  std::vector<ProfileRow> rows;  // in the order of the plan
  int64_t runs = 0;
  double seconds = 0;  // sum over rows
};

// Runs for about `seconds`, at least 3 times. Each step is timed alone, so the sum is a little more than a whole run.
Profile measure_profile(Executable& executable, double seconds);

}  // namespace dl
