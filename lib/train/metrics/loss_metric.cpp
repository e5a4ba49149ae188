#include "train/metrics/loss_metric.h"

#include <numeric>

#include "base/error.h"
#include "layers/losses.h"
#include "ops/builders.h"
#include "plan/session.h"
#include "train/metrics/values.h"

namespace dl {
namespace {

// The Program is made for the first batch's types and serves any number of samples.
class LossMetric : public MeanMetric {
 public:
  LossMetric(std::string name, Loss loss, double sign, bool sum)
      : MeanMetric(std::move(name)), loss_(std::move(loss)), sign_(sign), sum_(sum) {}

  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    if (y_pred.dims().empty() || y_pred.dims()[0] == 0) return;
    const Tensor predicted = y_pred.cast(DType::kFloat32), truth = shaped(y_true, predicted);
    if (!session_) build(truth, predicted);
    const Executable& run = session_->run(0, {truth, predicted});
    const Tensor values = run.output(0);
    // Values that are fewer than the weights, such as one in all, count once. A class that the loss ignores counts as zeros, as in Keras.
    const std::span<const float> used = static_cast<int64_t>(weights.size()) > values.size() ? std::span<const float>() : weights;
    add(values.size(), used, [&](int64_t i) { return sign_ * values.at(i); });
    if (sum_) state_[1] = 0;
  }

  double result() const override { return sum_ ? state_[0] : MeanMetric::result(); }

 private:
  // Targets as the loss takes them: classes without, others with the axes of the predictions.
  Tensor shaped(const Tensor& y_true, const Tensor& y_pred) const {
    const bool labels = loss_.def && loss_.def->target != LossTarget::kSame;
    Tensor truth = y_true.cast(labels ? DType::kInt64 : DType::kFloat32);
    if (!labels && truth.size() == y_pred.size()) truth = truth.reshaped(y_pred.dims());
    return truth;
  }

  static TensorType batch_type(const Tensor& tensor) {
    Shape shape = to_shape(tensor.dims());
    shape[0] = Dim::symbol("batch");
    return {tensor.dtype(), shape};
  }

  void build(const Tensor& y_true, const Tensor& y_pred) {
    Graph& graph = program_.graph;
    const Var truth = input(graph, "y_true", batch_type(y_true)), predicted = input(graph, "y_pred", batch_type(y_pred));
    const LossValues made = loss_per_sample(loss_, truth, predicted);
    program_.inputs = {{"y_true", truth.value}, {"y_pred", predicted.value}};
    program_.outputs = {{"values", cast(made.values, DType::kFloat32).value}};
    backend_ = make_cpu_backend();
    session_ = std::make_unique<Session>(*backend_, CompileOptions{});
    session_->add(program_);
  }

  Loss loss_;
  double sign_;
  bool sum_;
  Program program_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Session> session_;
};

}  // namespace

std::unique_ptr<Metric> make_loss_metric(const std::string& loss, const Config& config, const std::string& name, double sign) {
  spec::Problems problems;
  Loss made = read_loss(spec::Node::string(loss), loss, problems);
  DL_CHECK(made.def, "no loss " + loss);
  for (const ConfigKey& key : made.def->keys)
    if (config.has(key.name)) made.config.set(key.name, config.node(key.name));
  return std::make_unique<LossMetric>(name, std::move(made), sign, false);
}

std::unique_ptr<Metric> make_expression_metric(const std::string& expression, bool sum, const std::string& name) {
  Loss loss;
  loss.expression = expression;
  return std::make_unique<LossMetric>(name, std::move(loss), 1, sum);
}

}  // namespace dl
