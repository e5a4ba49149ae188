#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/parallel.h"
#include "base/terminal.h"
#include "bench/measure.h"
#include "commands.h"
#include "layers/build.h"
#include "output.h"
#include "plan/random_inputs.h"
#include "plan/session.h"
#include "programs.h"
#include "table.h"
#include "version.h"

namespace dl::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kProfileShare = 0.25;  // of the time of a case, spent on the per-layer times besides

struct Case {
  std::string mode;  // "infer", "train"
  int64_t batch = 0;
};

struct Result {
  Case what;
  LatencyStats latency;
  Profile profile;
  double flops = 0, bytes = 0;
  double samples_per_second = 0;  // at the median latency
};

std::vector<Case> choose_cases(const BenchOptions& options, const LoadedModel& loaded) {
  std::vector<int64_t> batches = options.batch_sizes;
  if (batches.empty()) batches = {1, loaded.run ? loaded.run->training.batch_size : 32};
  std::vector<std::string> modes = {"infer"};
  if (!options.mode.empty())
    modes = {options.mode};
  else if (loaded.kind == ModelFileKind::kRunFile)
    modes.push_back("train");
  std::vector<Case> cases;
  for (const std::string& mode : modes)
    for (const int64_t batch : batches) {
      const bool twice = std::any_of(cases.begin(), cases.end(), [&](const Case& c) { return c.mode == mode && c.batch == batch; });
      if (!twice) cases.push_back({mode, batch});
    }
  return cases;
}

// Random inputs; the learning rate is 0, so that thousands of steps on random targets change nothing of what is measured.
std::vector<Tensor> make_inputs(const Program& program, const Bindings& sizes) {
  std::vector<Tensor> inputs = make_random_inputs(program, sizes, 0);
  for (size_t k = 0; k < inputs.size(); ++k)
    if (program.inputs[k].name == "learning_rate") inputs[k].set(0, 0);
  return inputs;
}

Result measure(const Case& what, const LoadedModel& loaded, Backend& backend, double seconds) {
  Session session(backend, compile_options(loaded));
  const Program program =
      what.mode == "train" ? make_training_program(loaded).program : build_inference_program(loaded.model, loaded.precision());
  set_parameters(loaded, program, session.parameters());
  const std::vector<Tensor> inputs = make_inputs(program, choose_sizes(program, what.batch, kGuessedSize));
  Executable& executable = session.run(session.add(program), inputs);
  Result result;
  result.what = what;
  result.latency = measure_latency([&] { executable.run(); }, seconds);
  result.profile = measure_profile(executable, seconds * kProfileShare);
  for (const ProfileRow& row : result.profile.rows) {
    result.flops += row.flops;
    result.bytes += row.bytes;
  }
  result.samples_per_second = static_cast<double>(what.batch) / result.latency.p50;
  return result;
}

double share(const ProfileRow& row, const Profile& profile) { return profile.seconds > 0 ? row.seconds / profile.seconds : 0; }

// ---- JSON

Json environment_json() {
  Json json = Json::parse(version_text(true));
  json["threads"] = thread_count();
  double load = 0;
  if (std::ifstream("/proc/loadavg") >> load) json["load_average"] = load;
  return json;
}

Json case_json(const Result& r) {
  const LatencyStats& l = r.latency;
  Json layers = Json::array();
  for (const ProfileRow& row : r.profile.rows)
    layers.push_back({{"scope", row.scope},
                      {"op", row.op},
                      {"kernel", row.kernel},
                      {"steps", row.steps},
                      {"seconds", row.seconds},
                      {"flops", row.flops},
                      {"bytes", row.bytes},
                      {"share", share(row, r.profile)}});
  return {{"mode", r.what.mode},
          {"batch", r.what.batch},
          {"runs", l.runs},
          {"warmup_runs", l.warmup_runs},
          {"latency_seconds", {{"min", l.min}, {"p50", l.p50}, {"p90", l.p90}, {"p99", l.p99}, {"max", l.max}, {"mean", l.mean}}},
          {"samples_per_second", r.samples_per_second},
          {"flops", r.flops},
          {"bytes", r.bytes},
          {"profile", {{"runs", r.profile.runs}, {"seconds", r.profile.seconds}, {"rows", layers}}}};
}

// ---- text

std::string environment_text() {
  const Json e = environment_json();
  return fmt::format("dltool {} ({})\n{}, {} (oneDNN {}: {}), {} threads\n", e["version"].get<std::string>(),
                     e["commit"].get<std::string>(), e["cpu"].get<std::string>(), e["isa"].get<std::string>(),
                     e["onednn"].get<std::string>(), e["onednn_isa"].get<std::string>(), thread_count());
}

std::string latency_table(const std::vector<Result>& results) {
  TextTable table({{"Mode"},
                   {"Batch", Align::kRight},
                   {"min", Align::kRight},
                   {"p50", Align::kRight},
                   {"p90", Align::kRight},
                   {"p99", Align::kRight},
                   {"max", Align::kRight},
                   {"Samples/s", Align::kRight},
                   {"FLOP/s", Align::kRight},
                   {"Runs", Align::kRight}});
  for (const Result& r : results) {
    const LatencyStats& l = r.latency;
    table.add({r.what.mode, grouped(r.what.batch), seconds_text(l.min), seconds_text(l.p50), seconds_text(l.p90), seconds_text(l.p99),
               seconds_text(l.max), count_text(r.samples_per_second), count_text(r.flops / l.p50), grouped(l.runs)});
  }
  return table.text();
}

std::string layer_table(const Result& r) {
  TextTable table({{"Layer"},
                   {"Operator"},
                   {"Kernel"},
                   {"Time", Align::kRight},
                   {"Share", Align::kRight},
                   {"FLOP", Align::kRight},
                   {"Bytes", Align::kRight},
                   {"GFLOP/s", Align::kRight},
                   {"GB/s", Align::kRight}});
  for (const ProfileRow& row : r.profile.rows) {
    const bool timed = row.seconds > 0;
    table.add({row.scope, row.steps > 1 ? fmt::format("{} x{}", row.op, row.steps) : row.op, row.kernel, seconds_text(row.seconds),
               fmt::format("{:.1f} %", 100 * share(row, r.profile)), count_text(row.flops), count_text(row.bytes),
               timed ? fmt::format("{:.2f}", row.flops / row.seconds * 1e-9) : "-",
               timed ? fmt::format("{:.2f}", row.bytes / row.seconds * 1e-9) : "-"});
  }
  int64_t steps = 0;
  for (const ProfileRow& row : r.profile.rows) steps += row.steps;
  return fmt::format("{}, batch {}: {} in {} steps\n{}", r.what.mode, r.what.batch, seconds_text(r.profile.seconds), steps, table.text());
}

}  // namespace

ExitCode run_bench(const BenchOptions& options) {
  const LoadedModel loaded = load_model(options.target, options.overrides);
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  std::vector<Result> results;
  for (const Case& what : choose_cases(options, loaded)) {
    log_info(fmt::format("{}, batch {}: {:g} s", what.mode, what.batch, options.seconds));
    results.push_back(measure(what, loaded, *backend, options.seconds));
  }
  if (options.common.json) {
    Json cases = Json::array();
    for (const Result& r : results) cases.push_back(case_json(r));
    const Json json = {{"schema_version", 1}, {"model", loaded.origin}, {"environment", environment_json()}, {"cases", cases}};
    write_stdout(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return ExitCode::kDone;
  }
  std::string text = safe_for_terminal(loaded.origin) + "\n" + environment_text() + "\n" + latency_table(results);
  for (const Result& r : results) text += "\n" + layer_table(r);
  write_stdout(text);
  return ExitCode::kDone;
}

}  // namespace dl::app
