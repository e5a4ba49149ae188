#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/terminal.h"
#include "commands.h"
#include "data/config.h"
#include "data/timestamp.h"
#include "output.h"
#include "table.h"
#include "train/anomalies.h"
#include "train/evaluator.h"
#include "train/model_file.h"

namespace dl::app {
namespace {

using Json = nlohmann::ordered_json;

struct EvalData {
  DatasetPtr dataset;
  std::string name;  // "test", "validation", or the file
  int workers = 0;
};

struct Missed {
  EvalOptions::Limit limit;
  double value = 0;
};

// The test part, else the validation part. A part with a source of its own is opened alone; one that is split off needs the rest.
EvalData open_own_part(const DataSpec& data, const Preprocessing* learned) {
  const bool test = data.test.source || data.test.split;
  const PartSpec& part = test ? data.test : data.validation;
  const char* name = test ? "test" : "validation";
  if (!part.source && !part.split) throw UserError("the run has neither data.test nor data.validation; give data with --data");
  if (part.source && learned) return {open_part(*part.source, *learned, false), name, data.workers};
  const Data opened = open_data(data, learned);
  return {test ? opened.test : opened.validation, name, data.workers};
}

bool is_spec_file(const std::string& path) {
  const std::string suffix = std::filesystem::path(path).extension().string();
  return suffix == ".yaml" || suffix == ".yml" || suffix == ".json";
}

// A data file, read like the training data of the model's run.
EvalData open_file(const LoadedModel& loaded, const Preprocessing* learned, const std::string& path) {
  const spec::Node* train = loaded.run->resolved.find("data")->find("train");
  if (!learned)
    throw UserError(fmt::format("--data {}: a data file needs a trained model, whose preprocessing it gets; give a run file", path));
  const spec::Node* labels = train->find("labels");
  const spec::Node* targets = train->find("y");
  const spec::Node* format = train->find("format");
  const bool npy = format && format->is_string() && format->as_string() == "npy";
  if ((labels && labels->is_string()) || (npy && targets))
    throw UserError(fmt::format("--data {}: the targets of this model's data are in a file of their own; give a run file with both", path));
  spec::Problems problems;
  const std::shared_ptr<const Source> source = parse_source(with_path(*train, path), "data.train", "", problems);
  problems.throw_if_any();
  return {open_part(*source, *learned, false), path, loaded.run->data.workers};
}

EvalData open(const LoadedModel& loaded, const EvalOptions& options) {
  const Preprocessing* learned = loaded.trained() ? &loaded.preprocessing : nullptr;
  if (options.data.empty()) return open_own_part(loaded.run->data, learned);
  if (!is_spec_file(options.data)) return open_file(loaded, learned, options.data);
  EvalData data = open_own_part(load_run_spec(options.data, options.overrides).data, learned);
  data.name = fmt::format("{} of {}", data.name, options.data);
  return data;
}

std::vector<TensorType> prediction_types(const Program& program) {
  std::vector<TensorType> types;
  for (const NamedValue& o : program.outputs)
    if (o.name.starts_with("prediction:")) types.push_back(program.graph.type(o.value));
  return types;
}

// Before anything is computed: every --min and --max names something that will be measured.
void check_limits(const EvalOptions& options, const LogAccumulator& logs, bool anomalies) {
  std::vector<std::string> names;
  if (anomalies) names.assign(std::begin(kAnomalyLogs), std::end(kAnomalyLogs));
  for (const auto& [name, value] : logs.logs()) names.push_back(name);
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const EvalOptions::Limit& l : options.limits)
    if (std::find(names.begin(), names.end(), l.metric) == names.end())
      throw UserError(fmt::format("{} {}: the run measures no '{}'; it measures {}", l.at_most ? "--max" : "--min", l.metric, l.metric,
                                  fmt::join(known, ", ")));
}

std::vector<Missed> find_missed(const EvalOptions& options, const Logs& logs) {
  std::vector<Missed> missed;
  for (const EvalOptions::Limit& l : options.limits) {
    const double value = find_log(logs, l.metric).value_or(NAN);  // data without known anomalies counts none
    const bool met = l.at_most ? value <= l.value : value >= l.value;
    if (!met) missed.push_back({l, value});  // NaN meets none
  }
  return missed;
}

Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::string class_table(const ConfusionMatrix& matrix) {
  TextTable table({{"Class"}, {"Samples", Align::kRight}, {"Precision", Align::kRight}, {"Recall", Align::kRight}, {"F1", Align::kRight}});
  const std::vector<ClassScores> scores = class_scores(matrix);
  const auto ratio = [](double r) { return std::isnan(r) ? std::string("-") : fmt::format("{:.4f}", r); };
  for (size_t c = 0; c < scores.size(); ++c)
    table.add(
        {matrix.class_names[c], grouped(scores[c].samples), ratio(scores[c].precision), ratio(scores[c].recall), ratio(scores[c].f1)});
  return table.text();
}

std::string alarm_table(const AnomalyReport& report) {
  const bool timed = !report.times.empty();
  TextTable table({{timed ? "Alarm, from" : "Alarm, from sample"}, {"To"}, {"Largest error", Align::kRight}, {""}});
  for (const Alarm& a : report.alarms)
    table.add({timed ? timestamp_text(a.times->from) : std::to_string(a.first),
               timed ? timestamp_text(a.times->to) : std::to_string(a.last), fmt::format("{:.4g}", a.peak),
               report.known.empty() ? ""
               : a.known            ? "known"
                                    : "false"});
  return table.text();
}

Json anomalies_json(const AnomalyReport& report) {
  Json known = Json::array(), alarms = Json::array();
  for (const KnownAnomaly& k : report.known)
    known.push_back({{"from", timestamp_text(k.times.from)}, {"to", timestamp_text(k.times.to)}, {"found", k.found}, {"peak", k.peak}});
  for (const Alarm& a : report.alarms) {
    Json alarm = {{"first", a.first}, {"last", a.last}};
    if (a.times) alarm.update({{"from", timestamp_text(a.times->from)}, {"to", timestamp_text(a.times->to)}});
    alarm["peak"] = number_json(a.peak);
    if (!report.known.empty()) alarm["known"] = a.known;
    alarms.push_back(alarm);
  }
  return {{"threshold", number_json(report.threshold)}, {"normal_days", report.normal_days}, {"known", known}, {"alarms", alarms}};
}

Json logs_json(const Logs& logs) {
  Json json = Json::object();
  for (const auto& [name, value] : logs) json[name] = number_json(value);
  return json;
}

Json result_json(const LoadedModel& loaded, const EvalData& data, const Logs& logs, const EvaluationDetails& details,
                 const std::optional<AnomalyReport>& anomalies, const std::vector<Missed>& missed, double seconds) {
  const ConfusionMatrix& confusion = details.confusion;
  Json failed = Json::array(), classes = Json::array();
  for (const Missed& m : missed)
    failed.push_back(
        {{"metric", m.limit.metric}, {"value", number_json(m.value)}, {m.limit.at_most ? "maximum" : "minimum", m.limit.value}});
  const std::vector<ClassScores> scores = class_scores(confusion);
  for (size_t c = 0; c < scores.size(); ++c)
    classes.push_back({{"name", confusion.class_names[c]},
                       {"samples", scores[c].samples},
                       {"precision", number_json(scores[c].precision)},
                       {"recall", number_json(scores[c].recall)},
                       {"f1", number_json(scores[c].f1)}});
  Json json = {{"schema_version", 1}, {"model", loaded.origin},    {"data", data.name}, {"samples", data.dataset->size()},
               {"seconds", seconds},  {"metrics", logs_json(logs)}};
  if (!details.last_value.empty()) json["last_value"] = logs_json(details.last_value);
  if (anomalies) json["anomalies"] = anomalies_json(*anomalies);
  if (!classes.empty()) json["classes"] = classes;
  json["missed"] = failed;
  return json;
}

}  // namespace

ExitCode run_eval(const EvalOptions& options) {
  const bool other_run = !options.data.empty() && is_spec_file(options.data);
  const LoadedModel loaded = load_model(options.model, other_run ? std::vector<std::string>{} : options.overrides);
  if (!loaded.run)
    throw UserError(fmt::format("{}: a model file has neither data nor loss; give a checkpoint or a run file", options.model));
  if (!loaded.trained()) log_warning(fmt::format("{}: not trained, these are the figures of its initial weights", options.model));
  const TrainingSpec& training = loaded.run->training;
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  CompileOptions compile;
  compile.strict = training.strict;
  Session session(*backend, compile);
  const std::unique_ptr<Communicator> communicator = make_single_communicator();
  Evaluator evaluator(loaded.model, training.losses, training.metrics, training.precision, session, *communicator, training.weights.field);
  const Program& program = evaluator.program().program;
  const bool anomalous = loaded.run->anomalies && loaded.state.anomaly_threshold;
  check_limits(options, LogAccumulator(loaded.model, training.metrics, evaluator.program().targets, prediction_types(program)), anomalous);
  set_parameters(loaded, program, session.parameters());
  const EvalData data = open(loaded, options);
  EvaluationDetails details;
  if (anomalous) details.want_errors = loaded.run->anomalies->error;
  const auto start = std::chrono::steady_clock::now();
  Logs logs = evaluator.run(data.dataset, options.batch_size.value_or(training.batch_size), data.workers, {}, &details).value();
  std::optional<AnomalyReport> anomalies;
  if (anomalous) {
    anomalies = find_anomalies(*data.dataset, details.errors, *loaded.state.anomaly_threshold);
    for (const auto& log : anomalies->logs()) logs.push_back(log);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::vector<Missed> missed = find_missed(options, logs);
  if (options.common.json) {
    write_stdout(result_json(loaded, data, logs, details, anomalies, missed, seconds).dump(-1, ' ', false, Json::error_handler_t::replace) +
                 "\n");
  } else {
    std::string text;
    for (const auto& [name, value] : logs) text += fmt::format("{:<24} {:.6g}\n", safe_for_terminal(name), value);
    for (const auto& [name, value] : details.last_value)
      text += fmt::format("{:<24} {:.6g}\n", safe_for_terminal("last_value_" + name), value);
    if (options.common.verbose > 0 && details.confusion.size() > 0) text += "\n" + class_table(details.confusion);
    if (options.common.verbose > 0 && anomalies && !anomalies->alarms.empty()) text += "\n" + alarm_table(*anomalies);
    write_stdout(text);
    log_info(fmt::format("{}: {} samples of {} in {}", loaded.origin, data.dataset->size(), data.name, seconds_text(seconds)));
  }
  for (const Missed& m : missed)
    log_error(fmt::format("{} is {:.6g}, {} {:g}", m.limit.metric, m.value, m.limit.at_most ? "above the maximum" : "below the minimum",
                          m.limit.value));
  return missed.empty() ? ExitCode::kDone : ExitCode::kThresholdMissed;
}

}  // namespace dl::app
