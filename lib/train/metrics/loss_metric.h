// Metrics that are the mean of a loss, or of an expression over y_true and y_pred: computed by the operators of the loss, so that one
// formula serves both.
// Who uses it: the files of train/metrics, metric.cpp.
#pragma once

#include <memory>
#include <string>

#include "train/metric.h"

namespace dl {

// `loss`: a name; `config` has its keys, perhaps beside others. `sign` multiplies the values.
std::unique_ptr<Metric> make_loss_metric(const std::string& loss, const Config& config, const std::string& name, double sign = 1);

// "mean" or "sum" of the values.
std::unique_ptr<Metric> make_expression_metric(const std::string& expression, bool sum, const std::string& name);

}  // namespace dl
