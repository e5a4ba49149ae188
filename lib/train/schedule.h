// Learning-rate schedules with Keras's names, keys, defaults and formulas; one row of schedules.def and one function each.
// Who uses it: the training loop (once per step, on the host), the man page.
// Every schedule also takes warmup_steps and warmup_from: the rate goes linearly from warmup_from (default 0) to the schedule's first
// rate within warmup_steps steps, and only then does the schedule begin. `learning_rate: {Constant: {learning_rate: 0.1, warmup_steps:
// 100}}` is a plain number with a warm-up. CosineDecay has a warm-up of its own in Keras (warmup_target): with that key it is Keras's,
// without it warmup_steps needs warmup_from, since Keras would not warm up there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "layers/config.h"
#include "spec/reader.h"

namespace dl {

struct ScheduleDef {
  const char* class_name;
  const char* summary;
  std::vector<ConfigKey> keys;                                          // besides warmup_steps, warmup_from and name
  double (*rate)(const Config& config, double step);                    // step from 0
  void (*check)(const Config& config, spec::Reader& reader) = nullptr;  // what single keys cannot say
};
std::span<const ScheduleDef* const> schedule_table();

// The rate of every step: a function of the step alone, so a resume needs no state.
struct Schedule {
  const ScheduleDef* def = nullptr;
  Config config;
  int64_t warmup_steps = 0;
  double warmup_from = 0;

  double at(int64_t step) const;  // step from 0: the first optimizer step uses at(0)
  bool is_constant() const;       // a plain number without warm-up: what ReduceLROnPlateau can change
};

// A number, {CosineDecay: {...}}, or Keras's {class_name, config}.
Schedule read_schedule(const spec::Node& node, const std::string& path, spec::Problems& problems);

}  // namespace dl
