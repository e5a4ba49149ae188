// The report of a run, from what the training loop knows.
#pragma once

#include <optional>

#include "train/report.h"
#include "train/run_state.h"
#include "train/trainer.h"

namespace dl {

ReportData make_report(const RunSpec& spec, const RunState& state, const std::vector<std::pair<std::string, std::string>>& facts,
                       const TrainOutcome& outcome, const std::optional<ReportEvaluation>& evaluation,
                       const std::optional<ConfusionMatrix>& confusion);

}  // namespace dl
