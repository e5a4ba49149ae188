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
#include "output.h"
#include "table.h"
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
  std::string metric;
  double value = 0, minimum = 0;
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

// Before anything is computed: every --min names something that will be measured.
void check_minimums(const EvalOptions& options, const LogAccumulator& logs) {
  std::vector<std::string> names;
  for (const auto& [name, value] : logs.logs()) names.push_back(name);
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const EvalOptions::Minimum& m : options.minimums)
    if (std::find(names.begin(), names.end(), m.metric) == names.end())
      throw UserError(fmt::format("--min {}: the run measures no '{}'; it measures {}", m.metric, m.metric, fmt::join(known, ", ")));
}

std::vector<Missed> find_missed(const EvalOptions& options, const Logs& logs) {
  std::vector<Missed> missed;
  for (const EvalOptions::Minimum& m : options.minimums) {
    const double value = find_log(logs, m.metric).value();
    if (!(value >= m.value)) missed.push_back({m.metric, value, m.value});  // NaN misses every minimum
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

Json result_json(const LoadedModel& loaded, const EvalData& data, const Logs& logs, const ConfusionMatrix& confusion,
                 const std::vector<Missed>& missed, double seconds) {
  Json metrics = Json::object(), failed = Json::array(), classes = Json::array();
  for (const auto& [name, value] : logs) metrics[name] = number_json(value);
  for (const Missed& m : missed) failed.push_back({{"metric", m.metric}, {"value", number_json(m.value)}, {"minimum", m.minimum}});
  const std::vector<ClassScores> scores = class_scores(confusion);
  for (size_t c = 0; c < scores.size(); ++c)
    classes.push_back({{"name", confusion.class_names[c]},
                       {"samples", scores[c].samples},
                       {"precision", number_json(scores[c].precision)},
                       {"recall", number_json(scores[c].recall)},
                       {"f1", number_json(scores[c].f1)}});
  Json json = {{"schema_version", 1}, {"model", loaded.origin}, {"data", data.name}, {"samples", data.dataset->size()},
               {"seconds", seconds},  {"metrics", metrics}};
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
  check_minimums(options, LogAccumulator(loaded.model, training.metrics, evaluator.program().targets, prediction_types(program)));
  set_parameters(loaded, program, session.parameters());
  const EvalData data = open(loaded, options);
  ConfusionMatrix confusion;
  const auto start = std::chrono::steady_clock::now();
  const Logs logs = evaluator.run(data.dataset, options.batch_size.value_or(training.batch_size), data.workers, {}, &confusion).value();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::vector<Missed> missed = find_missed(options, logs);
  if (options.common.json) {
    write_stdout(result_json(loaded, data, logs, confusion, missed, seconds).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    std::string text;
    for (const auto& [name, value] : logs) text += fmt::format("{:<24} {:.6g}\n", safe_for_terminal(name), value);
    if (options.common.verbose > 0 && confusion.size() > 0) text += "\n" + class_table(confusion);
    write_stdout(text);
    log_info(fmt::format("{}: {} samples of {} in {}", loaded.origin, data.dataset->size(), data.name, seconds_text(seconds)));
  }
  for (const Missed& m : missed) log_error(fmt::format("{} is {:.6g}, below the minimum {:g}", m.metric, m.value, m.minimum));
  return missed.empty() ? ExitCode::kDone : ExitCode::kThresholdMissed;
}

}  // namespace dl::app
