#include "train/metric.h"

#include <cmath>
#include <set>

#include "base/error.h"
#include "golden.h"
#include "unit/text.h"

namespace dl {
namespace {

std::vector<std::vector<MetricSpec>> metrics_of(const spec::Node& node, std::vector<std::string> outputs = {"output"}) {
  spec::Problems problems;
  auto metrics = read_metrics(node, outputs, "training.metrics", problems);
  CHECK(text_of(problems) == "");
  return metrics;
}

std::string metric_problems(const std::string& text, std::vector<std::string> outputs = {"output"}) {
  spec::Problems problems;
  read_metrics(node_of(text), outputs, "training.metrics", problems);
  return text_of(problems);
}

TensorType batch_type(DType dtype, const Dims& dims) {
  Shape shape = to_shape(dims);
  if (!shape.empty()) shape[0] = Dim::symbol("batch");
  return {dtype, shape};
}

Tensor metric_tensor(const nlohmann::json& values, const nlohmann::json& shape, bool integer) {
  Tensor t(integer ? DType::kInt64 : DType::kFloat32, shape.get<Dims>());
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, values[static_cast<size_t>(i)]);
  return t;
}

struct Batch {
  Tensor y_true, y_pred;
  std::vector<float> weights;
};

Batch batch_of(const nlohmann::json& json) {
  Batch batch{metric_tensor(json.at("y_true"), json.at("true_shape"), json.at("integer")),
              metric_tensor(json.at("y_pred"), json.at("pred_shape"), false),
              {}};
  if (!json.at("weights").is_null()) batch.weights = json.at("weights").get<std::vector<float>>();
  return batch;
}

TEST_CASE("metrics give Keras's numbers, batch after batch") {
  std::set<std::string> seen;
  for (const auto& golden : read_golden("metrics.json")) {
    CAPTURE(golden.at("metric").dump());
    const MetricSpec spec = metrics_of(node_of_json(nlohmann::json::array({golden.at("metric")})))[0].at(0);
    seen.insert(spec.def->name);
    std::unique_ptr<Metric> metric;
    std::vector<double> merged;
    for (size_t i = 0; i < golden.at("batches").size(); ++i) {
      CAPTURE(i);
      const Batch batch = batch_of(golden.at("batches")[i]);
      const TensorType y_true = batch_type(batch.y_true.dtype(), batch.y_true.dims()),
                       y_pred = batch_type(DType::kFloat32, batch.y_pred.dims());
      if (!metric) metric = make_metric(spec, y_true, y_pred);
      metric->update(batch.y_true, batch.y_pred, batch.weights);
      const std::vector<double> want = golden.at("results")[i], got = metric->results();
      REQUIRE(got.size() == want.size());
      for (size_t k = 0; k < want.size(); ++k) CHECK(got[k] == doctest::Approx(want[k]).epsilon(3e-6).scale(1));
      // Another rank's sums add up to the same.
      const auto other = make_metric(spec, y_true, y_pred);
      CHECK(other->result() == 0);
      other->update(batch.y_true, batch.y_pred, batch.weights);
      if (merged.empty()) merged.resize(other->state().size());
      for (size_t k = 0; k < merged.size(); ++k) merged[k] += other->state()[k];
      other->state() = merged;
      CHECK(other->result() == doctest::Approx(metric->result()).epsilon(1e-12));
    }
    metric->reset();
    CHECK(metric->result() == 0);
  }
  seen.insert("accuracy");  // of equal values; tested below
  CHECK(seen.size() == metric_table().size());
}

TEST_CASE("predictions in other types, targets in other integer types") {
  const Tensor labels = Tensor::from<int32_t>({3}, std::vector<int32_t>{1, 0, 2});
  Tensor p = Tensor::from<float>({3, 3}, std::vector<float>{0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.25f, 0.5f, 0.25f, 0.25f});
  const MetricSpec spec = metrics_of(node_of("[accuracy]"))[0][0];
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kBFloat16}) {
    for (const DType label_type : {DType::kUInt8, DType::kInt32, DType::kInt64, DType::kFloat32}) {
      const auto metric = make_metric(spec, batch_type(label_type, {3}), batch_type(dtype, {3, 3}));
      metric->update(labels.cast(label_type), p.cast(dtype));
      CHECK(metric->result() == doctest::Approx(2.0 / 3));
    }
  }
}

TEST_CASE("accuracy follows the shapes") {
  const MetricSpec spec = metrics_of(node_of("[acc]"))[0][0];
  CHECK(spec.name == "acc");
  const auto result = [&](const Tensor& y_true, const Tensor& y_pred) {
    const auto metric = make_metric(spec, batch_type(y_true.dtype(), y_true.dims()), batch_type(y_pred.dtype(), y_pred.dims()));
    metric->update(y_true, y_pred);
    CHECK(metric->name() == "acc");
    return metric->result();
  };
  const auto f = [](Dims dims, std::vector<float> v) { return Tensor::from<float>(std::move(dims), v); };
  CHECK(result(f({4, 1}, {1, 0, 1, 0}), f({4, 1}, {0.9f, 0.2f, 0.4f, 0.6f})) == 0.5);
  CHECK(result(f({4}, {1, 0, 1, 0}), f({4, 1}, {0.9f, 0.2f, 0.4f, 0.4f})) == 0.75);
  CHECK(result(f({2, 2}, {1, 0, 0, 1}), f({2, 2}, {0.3f, 0.2f, 0.4f, 0.1f})) == 0.5);
  const Tensor labels = Tensor::from<int64_t>({2}, std::vector<int64_t>{0, 1});
  CHECK(result(labels, f({2, 3}, {0.3f, 0.2f, 0.1f, 0.1f, 0.8f, 0.1f})) == 1);
  CHECK(result(labels.reshaped({2, 1}), f({2, 3}, {0.3f, 0.2f, 0.1f, 0.8f, 0.1f, 0.1f})) == 0.5);
}

TEST_CASE("the class Accuracy compares values, an expression is averaged or summed") {
  const auto f = [](Dims dims, std::vector<float> v) { return Tensor::from<float>(std::move(dims), v); };
  const Tensor truth = f({4}, {1, 2, 3, 4}), predicted = f({4, 1}, {1, 2, 0, 4});
  const auto result = [&](const char* text, std::span<const float> weights = {}) {
    const auto metric = make_metric(metrics_of(node_of(text))[0][0], batch_type(DType::kFloat32, {4}), batch_type(DType::kFloat32, {4, 1}));
    metric->update(truth, predicted, weights);
    return metric->result();
  };
  const std::vector<float> weights = {1, 0, 2, 1};
  CHECK(result("[{Accuracy: {}}]") == 0.75);
  CHECK(result("[{Accuracy: {}}]", weights) == 0.5);
  CHECK(result("[{expression: 'abs(y_true - y_pred)'}]") == doctest::Approx(0.75));
  CHECK(result("[{expression: 'abs(y_true - y_pred)', reduction: sum}]", weights) == doctest::Approx(6));
  const MetricSpec spec = metrics_of(node_of("[{expression: 'y_pred', name: level, direction: up}]"))[0][0];
  CHECK(spec.name == "level");
  CHECK(spec.direction() == Direction::kUp);
  CHECK(has(metric_problems("[{expression: 'y_pred +'}]"), "expression"));
  CHECK(has(metric_problems("[{expression: y_pred, reductions: sum}]"), "did you mean 'reduction'"));
}

TEST_CASE("keys that do not fit are told with what is allowed") {
  CHECK(has(metric_problems("[{Precision: {thresholds: [0.5, 2]}}]"), "numbers from 0 to 1"));
  CHECK(has(metric_problems("[{AUC: {num_labels: 3}}]"), "multi_label"));
  CHECK(has(metric_problems("[{IoU: {num_classes: 3, target_class_ids: [3]}}]"), "classes from 0 to 2"));
  CHECK(has(metric_problems("[{PrecisionAtRecall: {}}]"), "recall"));
  CHECK(has(metric_problems("[{FBetaScore: {beta: 0}}]"), "above 0"));
  const auto make = [](const char* text, const Dims& dims) {
    make_metric(metrics_of(node_of(text))[0][0], batch_type(DType::kFloat32, dims), batch_type(DType::kFloat32, dims));
  };
  CHECK_THROWS_AS(make("[{AUC: {multi_label: true, num_labels: 2}}]", {4, 3}), UserError);
  CHECK_THROWS_AS(make("[{AUC: {label_weights: [1, 2]}}]", {4, 3}), UserError);
  CHECK_THROWS_AS(make("[F1Score]", {4, 3, 2}), UserError);
}

TEST_CASE("masked values do not count, whatever they are") {
  const float nan = std::nanf("");
  const auto metric =
      make_metric(metrics_of(node_of("[mse]"))[0][0], batch_type(DType::kFloat32, {2, 1}), batch_type(DType::kFloat32, {2, 1}));
  metric->update(Tensor::from<float>({2, 1}, std::vector<float>{1, nan}), Tensor::from<float>({2, 1}, std::vector<float>{3, nan}),
                 std::vector<float>{1, 0});
  CHECK(metric->result() == 4);
}

TEST_CASE("NaN predictions make errors NaN and never index outside") {
  const float nan = std::nanf("");
  const Tensor p = Tensor::from<float>({2, 1}, std::vector<float>{nan, 0.5f}), t = Tensor::from<float>({2, 1}, std::vector<float>{1, 0});
  const auto result = [&](const char* text) {
    const auto metric =
        make_metric(metrics_of(node_of(text))[0][0], batch_type(DType::kFloat32, {2, 1}), batch_type(DType::kFloat32, {2, 1}));
    metric->update(t, p);
    return metric->result();
  };
  CHECK(std::isnan(result("[mse]")));
  CHECK(std::isfinite(result("[AUC]")));
  const auto top = make_metric(metrics_of(node_of("[sparse_top_k_categorical_accuracy]"))[0][0], batch_type(DType::kInt64, {1}),
                               batch_type(DType::kFloat32, {1, 9}));
  top->update(Tensor::from<int64_t>({1}, std::vector<int64_t>{99}), Tensor(DType::kFloat32, {1, 9}));
  CHECK(top->result() == 0);
  const auto entropy = make_metric(metrics_of(node_of("[sparse_categorical_crossentropy]"))[0][0], batch_type(DType::kInt64, {1}),
                                   batch_type(DType::kFloat32, {1, 9}));
  CHECK_THROWS_AS(entropy->update(Tensor::from<int64_t>({1}, std::vector<int64_t>{9}), Tensor(DType::kFloat32, {1, 9})), FileError);
}

TEST_CASE("names in the logs") {
  const auto list = metrics_of(node_of("[accuracy, mse, AUC, {AUC: {curve: PR, name: pr_auc}}, {Precision: {thresholds: 0.3}}]"))[0];
  std::vector<std::string> names;
  for (const MetricSpec& spec : list) names.push_back(metric_log_name(spec, "output", 1));
  CHECK(names == std::vector<std::string>{"accuracy", "mse", "AUC", "pr_auc", "precision"});
  CHECK(metric_log_name(list[0], "left", 2) == "left_accuracy");
  CHECK(list[0].direction() == Direction::kUp);
  CHECK(list[1].direction() == Direction::kDown);
}

TEST_CASE("metrics of several outputs") {
  const auto map = metrics_of(node_of("{b: [accuracy, mse], a: mae}"), {"a", "b", "c"});
  CHECK(map[0].size() == 1);
  CHECK(map[1].size() == 2);
  CHECK(map[2].empty());
  const auto list = metrics_of(node_of("[mae, [accuracy, mse]]"), {"a", "b"});
  CHECK(list[0].size() == 1);
  CHECK(list[1].size() == 2);
  CHECK(metrics_of(node_of("{output: [mse]}"))[0].size() == 1);
  CHECK(metrics_of(node_of("{AUC: {curve: PR}}"))[0].size() == 1);
  CHECK(metrics_of(spec::Node())[0].empty());
  CHECK(has(metric_problems("[mse]", {"a", "b"}), "must be a map from output names to metrics"));
  CHECK(has(metric_problems("{lefd: mse}", {"left", "right"}), "is no output of the model (did you mean 'left'?)"));
}

TEST_CASE("what is wrong with metrics is said") {
  CHECK(has(metric_problems("[acuracy]"), "training.metrics[0]: unknown metric 'acuracy' (did you mean 'accuracy'?)"));
  CHECK(has(metric_problems("[zzz]"), "known: accuracy, binary_accuracy"));
  CHECK(has(metric_problems("[mse, mse]"), "a second metric is called 'mse'"));
  CHECK(has(metric_problems("[{AUC: {num_thresholds: 1}}]"), "num_thresholds: is 1, must be an integer >= 2"));
  CHECK(has(metric_problems("[{mse: {name: loss}}]"), "would be taken for another log"));
  CHECK(has(metric_problems("[{mse: {nmae: x}}]"), "did you mean 'name'?"));
  CHECK(has(metric_problems("[3]"), "training.metrics[0]"));
}

TEST_CASE("a metric that does not fit the model is refused") {
  const auto make = [](const char* text, const TensorType& y_true, const TensorType& y_pred) {
    make_metric(metrics_of(node_of(text))[0][0], y_true, y_pred);
  };
  const TensorType labels = batch_type(DType::kInt64, {1}), rows = batch_type(DType::kFloat32, {1, 10}),
                   other = batch_type(DType::kFloat32, {1, 4});
  CHECK_NOTHROW(make("[sparse_categorical_accuracy]", labels, rows));
  CHECK_THROWS_WITH_AS(make("[categorical_accuracy]", labels, rows), doctest::Contains("use sparse_categorical_accuracy"), UserError);
  CHECK_THROWS_WITH_AS(make("[sparse_categorical_accuracy]", rows, rows), doctest::Contains("use categorical_accuracy"), UserError);
  CHECK_THROWS_WITH_AS(make("[mse]", labels, rows), doctest::Contains("one target value for each prediction"), UserError);
  CHECK_THROWS_AS(make("[mse]", other, rows), UserError);
  CHECK_THROWS_WITH_AS(make("[{Recall: {class_id: 10}}]", rows, rows), doctest::Contains("must be from 0 to 9"), UserError);
}

}  // namespace
}  // namespace dl
