#include "train/run_report.h"

#include <fmt/format.h>

#include "layers/summary.h"
#include "spec/yaml.h"
#include "train/progress.h"

namespace dl {
namespace {

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& s : shapes) text += (text.empty() ? "" : ", ") + to_string(s);
  return text;
}

}  // namespace

ReportData make_report(const RunSpec& spec, const RunState& state, const std::vector<std::pair<std::string, std::string>>& facts,
                       const TrainOutcome& outcome, const std::optional<EndEvaluation>& end) {
  ReportData report;
  report.title = spec.name;
  report.status = outcome.interrupted           ? fmt::format("interrupted ({}); resumable", outcome.stop_reason)
                  : outcome.stop_reason.empty() ? "finished"
                                                : "stopped early: " + outcome.stop_reason;
  report.succeeded = !outcome.interrupted;
  report.history = state.history;
  report.best_epoch = state.best_epoch;
  for (const auto& callback : make_callbacks(spec))
    if (report.monitor.empty()) report.monitor = callback->chooses_best_by();
  if (end) {
    report.evaluations.push_back({end->data_name, end->logs, end->details.last_value});
    if (end->details.confusion.size() > 0) {
      report.confusion = end->details.confusion;
      report.confusion->data_name = end->data_name;
    }
    report.pictures = end->details.pictures;
    report.pictures_name = end->data_name;
    report.anomalies = end->anomalies;
  }
  report.facts = facts;
  report.facts.emplace_back("seed", std::to_string(spec.training.seed));
  report.facts.emplace_back("steps", std::to_string(outcome.steps));
  report.facts.emplace_back("training time", format_duration(outcome.seconds));
  const ModelSummary summary = summarize(spec.model, {{"batch", 1}}, spec.training.precision);
  for (const SummaryRow& row : summary.rows)
    report.layers.push_back(
        {row.name, row.class_name, shapes_text(row.outputs), row.parameters, fmt::format("{}", fmt::join(row.inputs, ", "))});
  report.trainable_parameters = summary.trainable_parameters;
  report.fixed_parameters = summary.parameters - summary.trainable_parameters;
  report.config_yaml = spec::to_yaml(spec.resolved);
  return report;
}

}  // namespace dl
