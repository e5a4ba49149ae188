// The report of a run, from what the training loop knows.
#pragma once

#include <optional>

#include "train/evaluator.h"
#include "train/report.h"
#include "train/run_state.h"
#include "train/trainer.h"

namespace dl {

// The evaluation after the last epoch.
struct EndEvaluation {
  std::string data_name;  // "test"
  Logs logs;
  EvaluationDetails details;
  std::optional<AnomalyReport> anomalies;
};

ReportData make_report(const RunSpec& spec, const RunState& state, const std::vector<std::pair<std::string, std::string>>& facts,
                       const TrainOutcome& outcome, const std::optional<EndEvaluation>& end);

}  // namespace dl
