// The metrics that are means of a loss.
#include "train/metrics/loss_metric.h"

namespace dl {
namespace {

template <size_t n>
struct LossName {
  char text[n];
  constexpr LossName(const char (&given)[n]) {  // NOLINT(google-explicit-constructor): a template argument
    for (size_t i = 0; i < n; ++i) text[i] = given[i];
  }
};

template <LossName loss>
std::unique_ptr<Metric> make(const Config& config, const std::string& name) {
  return make_loss_metric(loss.text, config, name);
}

std::unique_ptr<Metric> make_cosine(const Config& config, const std::string& name) {
  return make_loss_metric("cosine_similarity", config, name, -1);
}

// The keys of the losses, which are not made yet when these tables are.
std::vector<ConfigKey> focal_keys(std::vector<ConfigKey> own) {
  return join_keys(std::move(own), {float_key("gamma", 2, 0), bool_key("from_logits", false), float_key("label_smoothing", 0, 0, 1),
                                    int_key("axis", spec::Node::integer(-1), -64)});
}

}  // namespace

#define DL_LOSS_METRIC(id, class_name_, kind, summary_, ...) \
  extern const MetricDef metric_##id;                        \
  const MetricDef metric_##id = {.name = #id,                \
                                 .class_name = class_name_,  \
                                 .summary = summary_,        \
                                 .aliases = {__VA_ARGS__},   \
                                 .target = TargetKind::kind, \
                                 .make = make<#id>};
DL_LOSS_METRIC(mean_absolute_percentage_error, "MeanAbsolutePercentageError", kNumber, "Mean of the differences in percent of the targets.",
               "mape", "MAPE")
DL_LOSS_METRIC(mean_squared_logarithmic_error, "MeanSquaredLogarithmicError", kNumber, "Mean of the squared differences of log(1 + x).",
               "msle", "MSLE")
DL_LOSS_METRIC(kl_divergence, "KLDivergence", kSame, "Kullback-Leibler divergence of the predicted probabilities.", "kld", "KLD")
DL_LOSS_METRIC(poisson, "Poisson", kNumber, "Poisson loss of predicted counts.")
DL_LOSS_METRIC(hinge, "Hinge", kSame, "Mean hinge loss.")
DL_LOSS_METRIC(squared_hinge, "SquaredHinge", kSame, "Mean squared hinge loss.")
DL_LOSS_METRIC(categorical_hinge, "CategoricalHinge", kSame, "Mean hinge loss between the true and the next best class.")
#undef DL_LOSS_METRIC

extern const MetricDef metric_log_cosh;
const MetricDef metric_log_cosh = {.name = "logcosh",
                                   .class_name = "LogCoshError",
                                   .summary = "Mean of log(cosh(difference)).",
                                   .aliases = {"log_cosh", "log_cosh_error"},
                                   .target = TargetKind::kNumber,
                                   .make = make<"log_cosh">};
extern const MetricDef metric_cosine_similarity, metric_huber, metric_binary_focal_crossentropy, metric_categorical_focal_crossentropy;
const MetricDef metric_cosine_similarity = {.name = "cosine_similarity",
                                            .class_name = "CosineSimilarity",
                                            .summary = "Mean cosine of the angle between target and prediction.",
                                            .keys = {int_key("axis", spec::Node::integer(-1), -64)},
                                            .direction = Direction::kUp,
                                            .target = TargetKind::kNumber,
                                            .make = make_cosine};
const MetricDef metric_huber = {.name = "huber",
                                .class_name = "Huber",
                                .summary = "Mean Huber loss.",
                                .keys = {float_key("delta", 1, 0)},
                                .target = TargetKind::kNumber,
                                .make = make<"huber">};
const MetricDef metric_binary_focal_crossentropy = {
    .name = "binary_focal_crossentropy",
    .class_name = "BinaryFocalCrossentropy",
    .summary = "Mean focal loss of independent yes-no predictions.",
    .keys = focal_keys({bool_key("apply_class_balancing", false), float_key("alpha", 0.25, 0)}),
    .make = make<"binary_focal_crossentropy">};
const MetricDef metric_categorical_focal_crossentropy = {.name = "categorical_focal_crossentropy",
                                                         .class_name = "CategoricalFocalCrossentropy",
                                                         .summary = "Mean focal loss over classes; one-hot targets.",
                                                         .keys = focal_keys({floats_key("alpha", spec::Node::real(0.25))}),
                                                         .target = TargetKind::kOneHot,
                                                         .make = make<"categorical_focal_crossentropy">};

}  // namespace dl
