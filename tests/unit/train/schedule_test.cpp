#include "train/schedule.h"

#include <cmath>

#include "golden.h"
#include "unit/text.h"

namespace dl {
namespace {

Schedule schedule_of(const spec::Node& node) {
  spec::Problems problems;
  Schedule schedule = read_schedule(node, "learning_rate", problems);
  CHECK(text_of(problems) == "");
  return schedule;
}

std::string schedule_problems(const std::string& text) {
  spec::Problems problems;
  read_schedule(node_of(text), "learning_rate", problems);
  return text_of(problems);
}

TEST_CASE("schedules give Keras's rates") {
  int cases = 0;
  for (const auto& golden : read_golden("schedules.json")) {
    CAPTURE(golden.at("schedule").dump());
    const Schedule schedule = schedule_of(node_of_json(golden.at("schedule")));
    // Keras computes in float32; a rate near the end of a decay is the difference of numbers as large as the first, and with restarts
    // so is the place in the period.
    const double slack = golden.at("schedule").contains("CosineDecayRestarts") ? 5e-6 : 1e-7;
    double scale = 0;
    for (const double rate : golden.at("rates")) scale = std::max(scale, rate);
    for (size_t i = 0; i < golden.at("steps").size(); ++i) {
      const int64_t step = golden.at("steps")[i];
      CAPTURE(step);
      const double expected = golden.at("rates")[i];
      CHECK(std::abs(schedule.at(step) - expected) <= 2e-6 * expected + slack * scale);
    }
    ++cases;
  }
  CHECK(cases == 19);
}

TEST_CASE("a restart is at its step exactly") {
  const Schedule schedule =
      schedule_of(node_of("CosineDecayRestarts: {initial_learning_rate: 0.5, first_decay_steps: 6, t_mul: 1.5, m_mul: 0.5}"));
  CHECK(schedule.at(0) == 0.5);
  CHECK(schedule.at(5) < 0.05);
  CHECK(schedule.at(6) == 0.25);
  CHECK(schedule.at(14) < 0.02);
  CHECK(schedule.at(15) == 0.125);
}

TEST_CASE("a number is a constant") {
  const Schedule schedule = schedule_of(node_of("0.001"));
  CHECK(schedule.is_constant());
  CHECK(schedule.at(0) == 0.001);
  CHECK(schedule.at(1'000'000'000'000) == 0.001);
}

TEST_CASE("every schedule can warm up") {
  const Schedule constant = schedule_of(node_of("Constant: {learning_rate: 0.5, warmup_steps: 4, warmup_from: 0.1}"));
  CHECK(!constant.is_constant());
  const double expected[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.5};
  for (int step = 0; step < 6; ++step) CHECK(constant.at(step) == doctest::Approx(expected[step]).epsilon(1e-14));

  // The schedule begins after the warm-up.
  const std::string keys = "initial_learning_rate: 0.4, decay_steps: 3, decay_rate: 0.5";
  const Schedule plain = schedule_of(node_of("ExponentialDecay: {" + keys + "}"));
  const Schedule warmed = schedule_of(node_of("ExponentialDecay: {" + keys + ", warmup_steps: 10}"));
  CHECK(warmed.at(0) == 0);
  CHECK(warmed.at(5) == doctest::Approx(0.2).epsilon(1e-14));
  for (int step = 0; step < 9; ++step) CHECK(warmed.at(10 + step) == plain.at(step));
}

TEST_CASE("CosineDecay warms up as Keras says, or as every schedule") {
  const std::string keys = "CosineDecay: {initial_learning_rate: 0.1, decay_steps: 10";
  const Schedule ours = schedule_of(node_of(keys + ", warmup_steps: 5, warmup_from: 0}"));
  CHECK(ours.at(0) == 0);
  CHECK(ours.at(5) == 0.1);
  CHECK(ours.at(15) == doctest::Approx(0).epsilon(1e-15));
  CHECK(has(schedule_problems(keys + ", warmup_steps: 5}"), "does nothing in Keras without warmup_target"));
  CHECK(
      has(schedule_problems(keys + ", warmup_steps: 5, warmup_target: 1, warmup_from: 0}"), "warmup_from: does not go with warmup_target"));
}

TEST_CASE("Keras's form of a schedule") {
  const Schedule schedule = schedule_of(node_of(
      R"({"module": "keras.optimizers.schedules", "class_name": "InverseTimeDecay", "config": {"initial_learning_rate": 1.0, "decay_steps": 1, "decay_rate": 1.0, "staircase": false, "name": "InverseTimeDecay"}})"));
  CHECK(schedule.at(3) == 0.25);
}

TEST_CASE("what is wrong with a schedule is said") {
  CHECK(has(schedule_problems("-1"), "learning_rate: is -1, must be a number >= 0 or a schedule"));
  CHECK(has(schedule_problems(".nan"), "must be a number >= 0"));
  CHECK(has(schedule_problems("[1]"), "must be a number or a schedule"));
  CHECK(has(schedule_problems("CosinDecay: {}"), "unknown schedule 'CosinDecay' (did you mean 'CosineDecay'?)"));
  CHECK(has(schedule_problems("CosineDecay: {initial_learning_rate: 1}"), "learning_rate.CosineDecay.decay_steps: is missing"));
  CHECK(has(schedule_problems("CosineDecay: {initial_learning_rate: 1, decay_steps: 0}"), "decay_steps: is 0, must be an integer >= 1"));
  CHECK(has(schedule_problems("CosineDecay: {initial_learning_rate: 1, decay_step: 5}"), "did you mean 'decay_steps'?"));
  CHECK(has(schedule_problems("PiecewiseConstantDecay: {boundaries: [1, 2], values: [1, 2]}"), "holds 2 rates for 2 boundaries"));
  CHECK(has(schedule_problems("PiecewiseConstantDecay: {boundaries: [2, 2], values: [1, 2, 3]}"), "boundaries: must increase"));
  CHECK(has(schedule_problems("CosineDecayRestarts: {initial_learning_rate: 1, first_decay_steps: 5, t_mul: 0.5}"), "t_mul: is 0.5"));
  CHECK(has(schedule_problems("ExponentialDecay:"), "is missing"));
}

}  // namespace
}  // namespace dl
