#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/cpu_info.h"
#include "base/parallel.h"
#include "commands.h"
#include "dist/communicator.h"
#include "output.h"
#include "programs.h"
#include "spec/yaml.h"
#include "train/trainer.h"
#include "version.h"

namespace dl::app {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

std::string host_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

std::vector<std::pair<std::string, std::string>> run_facts(const TrainOptions& options) {
  std::string command = "dltool train " + options.run_file;
  for (const std::string& assignment : options.overrides) command += " " + assignment;
  return {{"command", command},
          {"version", version_id()},
          {"machine", fmt::format("{}: {}, {}", host_name(), cpu_name(), name_of(active_isa()))},
          {"threads", std::to_string(thread_count())},
          {"ranks", std::to_string(options.ranks)},
          {"started", utc_now()}};
}

// Flags are overrides too, so that the resolved file says what was run.
std::vector<std::string> overrides_of(const TrainOptions& options) {
  std::vector<std::string> overrides = options.overrides;
  if (options.seed) overrides.push_back("training.seed=" + std::to_string(*options.seed));
  return overrides;
}

RunSpec load(const TrainOptions& options) {
  RunSpec spec = load_run_spec(options.run_file, overrides_of(options));
  if (!options.output.empty()) {
    spec.output = options.output;
    spec.resolved.set("output", spec::Node::string(options.output));
  }
  return spec;
}

TrainOutcome run_ranks(const RunSpec& spec, const TrainRequest& request, int ranks) {
  if (ranks == 1) {
    const std::unique_ptr<Communicator> alone = make_single_communicator();
    return train(spec, request, *alone);
  }
  TrainOutcome outcome;
  const int threads = std::max(1, thread_count() / ranks);
  run_rank_threads(ranks, [&](Communicator& communicator) {
    set_thread_count(threads);
    TrainOutcome mine = train(spec, request, communicator);
    if (communicator.rank() == 0) outcome = std::move(mine);
  });
  return outcome;
}

nlohmann::ordered_json result_json(const TrainOutcome& outcome) {
  nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
  for (const auto& [name, value] : outcome.logs) metrics[name] = value;
  return {{"schema_version", 1},
          {"status", outcome.interrupted ? "interrupted" : "finished"},
          {"stop_reason", outcome.stop_reason},
          {"epochs", outcome.epochs},
          {"steps", outcome.steps},
          {"seconds", outcome.seconds},
          {"metrics", metrics},
          {"checkpoint", outcome.checkpoint},
          {"best_checkpoint", outcome.best_checkpoint},
          {"report", outcome.report}};
}

std::string result_text(const TrainOutcome& outcome) {
  std::string text;
  if (!outcome.stop_reason.empty()) text += "stopped: " + outcome.stop_reason + "\n";
  for (const auto& [name, value] : outcome.logs) text += fmt::format("{:<24} {:.6g}\n", name, value);
  text += fmt::format("{:<24} {}\n", "checkpoint", outcome.checkpoint);
  if (!outcome.best_checkpoint.empty()) text += fmt::format("{:<24} {}\n", "best checkpoint", outcome.best_checkpoint);
  text += fmt::format("{:<24} {}\n", "report", outcome.report);
  return text;
}

}  // namespace

ExitCode run_train(const TrainOptions& options) {
  const RunSpec spec = load(options);
  if (options.print_config) {
    write_stdout(spec::to_yaml(with_every_default(spec)));
    return ExitCode::kDone;
  }
  if (!options.explain.empty()) {
    write_stdout(explain_file(load_model(options.run_file, overrides_of(options)), options.explain));
    return ExitCode::kDone;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a reader of stdout that goes away does not end a training
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file size is a failed write, which the disk policy handles
  TrainRequest request;
  request.resume = options.resume;
  request.max_time_seconds = options.max_time_seconds;
  request.facts = run_facts(options);
  request.quiet = options.common.quiet > 0;
  const TrainOutcome outcome = run_ranks(spec, request, options.ranks);
  write_stdout(options.common.json ? result_json(outcome).dump() + "\n" : result_text(outcome));
  return outcome.interrupted ? ExitCode::kInterrupted : ExitCode::kDone;
}

}  // namespace dl::app
