#include "train/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace dl {
namespace {

double cosine(double fraction) { return 0.5 * (1 + std::cos(std::numbers::pi * fraction)); }

double rate_constant(const Config& config, double) { return config.real("learning_rate"); }

double rate_exponential(const Config& config, double step) {
  const double periods = step / config.real("decay_steps");
  return config.real("initial_learning_rate") *
         std::pow(config.real("decay_rate"), config.flag("staircase") ? std::floor(periods) : periods);
}

double rate_piecewise(const Config& config, double step) {
  const std::vector<double> boundaries = config.reals("boundaries"), values = config.reals("values");
  // A boundary still belongs to the value before it.
  const auto at = std::lower_bound(boundaries.begin(), boundaries.end(), step);
  return values[static_cast<size_t>(at - boundaries.begin())];
}

double rate_polynomial(const Config& config, double step) {
  double decay_steps = config.real("decay_steps");
  if (config.flag("cycle")) {
    decay_steps *= std::max(1.0, std::ceil(step / decay_steps));
  } else {
    step = std::min(step, decay_steps);
  }
  const double end = config.real("end_learning_rate");
  return (config.real("initial_learning_rate") - end) * std::pow(1 - step / decay_steps, config.real("power")) + end;
}

double rate_inverse_time(const Config& config, double step) {
  const double periods = step / config.real("decay_steps");
  return config.real("initial_learning_rate") /
         (1 + config.real("decay_rate") * (config.flag("staircase") ? std::floor(periods) : periods));
}

double rate_cosine(const Config& config, double step) {
  const double initial = config.real("initial_learning_rate"), alpha = config.real("alpha"), decay_steps = config.real("decay_steps");
  const bool warms_up = config.given("warmup_target");
  const double target = warms_up ? config.real("warmup_target") : initial;
  const double warmup_steps = warms_up ? static_cast<double>(config.integer("warmup_steps")) : 0;
  if (step < warmup_steps) return initial + (target - initial) * (step / warmup_steps);
  return target * ((1 - alpha) * cosine(std::min(step - warmup_steps, decay_steps) / decay_steps) + alpha);
}

double rate_cosine_restarts(const Config& config, double step) {
  const double alpha = config.real("alpha"), t_mul = config.real("t_mul"), m_mul = config.real("m_mul");
  // Keras finds the period by a logarithm in float32; at the very step of a restart its backends disagree whether that is the end of the
  // old period or the start of the new one. Walking is exact: the new one.
  double begin = 0, length = config.real("first_decay_steps"), height = 1;
  if (t_mul == 1) {
    const double restarts = std::floor(step / length);
    begin = restarts * length;
    height = std::pow(m_mul, restarts);
  } else {
    while (step >= begin + length) {
      begin += length;
      length *= t_mul;
      height *= m_mul;
    }
  }
  return config.real("initial_learning_rate") * ((1 - alpha) * height * cosine((step - begin) / length) + alpha);
}

ConfigKey required_float(const char* name, double min) { return {.name = name, .kind = KeyKind::kFloat, .required = true, .min = min}; }
ConfigKey optional_float(const char* name, double min) { return {.name = name, .kind = KeyKind::kFloat, .min = min}; }
ConfigKey initial_key() { return required_float("initial_learning_rate", 0); }
ConfigKey decay_steps_key(const char* name = "decay_steps") { return int_key(name, 1); }

void check_piecewise(const Config& config, spec::Reader& reader) {
  const std::vector<double> boundaries = config.reals("boundaries"), values = config.reals("values");
  if (boundaries.size() + 1 != values.size()) {
    reader.report("values", fmt::format("holds {} rates for {} boundaries, must hold one more than there are boundaries", values.size(),
                                        boundaries.size()));
  }
  for (size_t i = 1; i < boundaries.size(); ++i) {
    if (boundaries[i] <= boundaries[i - 1]) return reader.report("boundaries", "must increase");
  }
  if (std::any_of(values.begin(), values.end(), [](double value) { return value < 0; })) reader.report("values", "must be >= 0");
}

void check_cosine(const Config& config, spec::Reader& reader) {
  if (config.given("warmup_target") && reader.has("warmup_from")) {
    reader.report("warmup_from", "does not go with warmup_target: Keras's warm-up begins at initial_learning_rate");
  } else if (!config.given("warmup_target") && config.integer("warmup_steps") > 0 && !reader.has("warmup_from")) {
    reader.report("warmup_steps",
                  "does nothing in Keras without warmup_target; give warmup_target, or warmup_from for a linear warm-up to "
                  "initial_learning_rate");
  }
}

void check_restarts(const Config& config, spec::Reader& reader) {
  // Periods that shrink would come ever faster and end after finitely many steps.
  if (config.real("t_mul") < 1) reader.report("t_mul", fmt::format("is {}, must be a number >= 1", config.real("t_mul")));
}

const ScheduleDef schedule_constant = {"Constant", "The same rate in every step.", {required_float("learning_rate", 0)}, rate_constant};
const ScheduleDef schedule_exponential_decay = {
    "ExponentialDecay",
    "Multiplied by decay_rate every decay_steps steps, smoothly or as a staircase.",
    {initial_key(), decay_steps_key(), required_float("decay_rate", 0), bool_key("staircase", false)},
    rate_exponential};
const ScheduleDef schedule_piecewise_constant_decay = {"PiecewiseConstantDecay",
                                                       "values[i] up to and including step boundaries[i], the last value afterwards.",
                                                       {ints_key("boundaries", {}, true), floats_key("values", {}, true)},
                                                       rate_piecewise,
                                                       check_piecewise};
const ScheduleDef schedule_polynomial_decay = {
    "PolynomialDecay",
    "From initial_learning_rate to end_learning_rate along a power of the steps left.",
    {initial_key(), decay_steps_key(), float_key("end_learning_rate", 0.0001, 0), float_key("power", 1, 0), bool_key("cycle", false)},
    rate_polynomial};
const ScheduleDef schedule_inverse_time_decay = {
    "InverseTimeDecay",
    "Divided by 1 + decay_rate * step / decay_steps.",
    {initial_key(), decay_steps_key(), required_float("decay_rate", 0), bool_key("staircase", false)},
    rate_inverse_time};
const ScheduleDef schedule_cosine_decay = {"CosineDecay",
                                           "Half a cosine down to alpha of the rate, after an optional linear rise to warmup_target.",
                                           {initial_key(), decay_steps_key(), float_key("alpha", 0, 0), optional_float("warmup_target", 0)},
                                           rate_cosine,
                                           check_cosine};
const ScheduleDef schedule_cosine_decay_restarts = {
    "CosineDecayRestarts",
    "Cosine decays one after the other, each t_mul times as long and m_mul times as high.",
    {initial_key(), decay_steps_key("first_decay_steps"), float_key("t_mul", 2, 0), float_key("m_mul", 1, 0), float_key("alpha", 0, 0)},
    rate_cosine_restarts,
    check_restarts};

const ScheduleDef* const kSchedules[] = {
#define DL_SCHEDULE(name) &schedule_##name,
#include "train/schedules.def"
#undef DL_SCHEDULE
};

// Of every schedule.
std::vector<ConfigKey> shared_keys() {
  return {int_key("warmup_steps", spec::Node::integer(0), 0), float_key("warmup_from", 0, 0), ignored_key("name")};
}

Schedule make_constant(double rate) {
  Schedule schedule;
  schedule.def = &schedule_constant;
  schedule.config.set("learning_rate", spec::Node::real(rate));
  return schedule;
}

}  // namespace

std::span<const ScheduleDef* const> schedule_table() { return kSchedules; }

double Schedule::at(int64_t step) const {
  DL_CHECK(def && step >= 0, "a schedule that was not read, or a negative step");
  if (step >= warmup_steps) return def->rate(config, static_cast<double>(step - warmup_steps));
  const double first = def->rate(config, 0);
  return warmup_from + (first - warmup_from) * (static_cast<double>(step) / static_cast<double>(warmup_steps));
}

bool Schedule::is_constant() const { return def == &schedule_constant && warmup_steps == 0; }

Schedule read_schedule(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  const Schedule harmless = make_constant(0);
  if (node.is_number()) {
    const double rate = node.as_double();
    if (std::isfinite(rate) && rate >= 0) return make_constant(rate);
    problems.add(node.place(), path, fmt::format("is {}, must be a number >= 0 or a schedule", rate));
    return harmless;
  }
  std::vector<std::string_view> names;
  for (const ScheduleDef* def : kSchedules) names.emplace_back(def->class_name);
  if (!node.is_map() && !node.is_string()) {
    problems.add(node.place(), path,
                 fmt::format("is {}, must be a number or a schedule{}", name_of(node.kind()), spec::suggestion("", names)));
    return harmless;
  }
  const auto named = read_object(node, path, problems);
  if (!named) return harmless;
  const auto found = std::find(names.begin(), names.end(), named->name);
  if (found == names.end()) {
    problems.add(node.place(), path, fmt::format("unknown schedule '{}'{}", named->name, spec::suggestion(named->name, names)));
    return harmless;
  }
  Schedule schedule;
  schedule.def = kSchedules[found - names.begin()];
  spec::Node empty = spec::Node::map({});
  empty.set_place(node.place());
  const spec::Node& config = named->config && !named->config->is_null() ? *named->config : empty;
  const size_t problems_before = problems.lines().size();
  spec::Reader reader(config, join_path(path, named->name), problems);
  schedule.config = read_config(reader, join_keys(schedule.def->keys, shared_keys()));
  if (problems.lines().size() == problems_before && schedule.def->check) schedule.def->check(schedule.config, reader);
  reader.finish();
  if (problems.lines().size() != problems_before) return harmless;
  // CosineDecay with warmup_target warms up by itself.
  const Config& c = schedule.config;
  if (!c.has("warmup_target") || !c.given("warmup_target")) {
    schedule.warmup_steps = c.integer("warmup_steps");
    schedule.warmup_from = c.real("warmup_from");
  }
  return schedule;
}

}  // namespace dl
