#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "layers/expression_builder.h"
#include "ops/builders.h"
#include "plan/session.h"
#include "train/callback.h"

namespace dl {

extern const CallbackDef callback_learning_rate_scheduler;

namespace {

// A number that follows from an epoch and a rate.
class RateExpression {
 public:
  explicit RateExpression(const spec::Node& text) : backend_(make_cpu_backend()), session_(*backend_, {}) {
    const TensorType type{DType::kFloat64, {}};
    const Var epoch = input(program_.graph, "epoch", type), rate = input(program_.graph, "lr", type);
    const Var result = build_expression(program_.graph, spec::parse_expression(text), {{"epoch", epoch}, {"lr", rate}});
    if (result.rank() != 0) throw UserError("gives " + to_string(result.type()) + ", must give one number");
    program_.inputs = {{"epoch", epoch.value}, {"lr", rate.value}};
    program_.outputs = {{"rate", cast(result, DType::kFloat64).value}};
    number_ = session_.add(program_);
  }

  double at(int64_t epoch, double rate) {
    Tensor e(DType::kFloat64, {}), r(DType::kFloat64, {});
    e.set(0, static_cast<double>(epoch));
    r.set(0, rate);
    return session_.run(number_, {e, r}).scalar_output(0);
  }

 private:
  std::unique_ptr<Backend> backend_;
  Program program_;
  Session session_;
  size_t number_ = 0;
};

class LearningRateScheduler : public Callback {
 public:
  explicit LearningRateScheduler(std::unique_ptr<RateExpression> schedule, bool verbose)
      : Callback(&callback_learning_rate_scheduler), schedule_(std::move(schedule)), verbose_(verbose) {}

  CallbackDecision on_epoch_begin(int64_t epoch, double learning_rate) override {
    CallbackDecision decision;
    const double rate = schedule_->at(epoch, static_cast<float>(learning_rate));  // Keras holds the rate as float32
    if (!(rate >= 0) || !std::isfinite(rate))
      throw UserError(fmt::format("LearningRateScheduler: the schedule gives {} in epoch {}, must give a number >= 0", rate, epoch + 1));
    decision.learning_rate = rate;
    if (verbose_)
      decision.messages.push_back(fmt::format("epoch {}: LearningRateScheduler sets the learning rate to {:.6g}", epoch + 1, rate));
    return decision;
  }

  // The rate itself is part of the run's state.
  std::string to_json() const override { return "{}"; }
  void from_json(std::string_view) override {}

 private:
  std::unique_ptr<RateExpression> schedule_;
  bool verbose_;
};

std::unique_ptr<Callback> make_learning_rate_scheduler(const Config& config, spec::Reader& reader, const CallbackContext& context) {
  if (!context.fixed_learning_rate.empty()) {
    reader.report("", fmt::format("cannot set a learning rate that {}, or leave LearningRateScheduler out", context.fixed_learning_rate));
    return nullptr;
  }
  try {
    return std::make_unique<LearningRateScheduler>(std::make_unique<RateExpression>(config.node("schedule")),
                                                   config.integer("verbose") > 0);
  } catch (const UserError& error) {
    reader.report("schedule", std::string(error.what()) + "; an expression over epoch (from 0) and lr, such as lr * exp(-0.1)");
    return nullptr;
  }
}

}  // namespace

const CallbackDef callback_learning_rate_scheduler = {
    "LearningRateScheduler",
    "Before each epoch sets the learning rate to `schedule`, an expression over `epoch` (from 0) and `lr` (the rate so far), such as "
    "where(epoch < 10, lr, lr * exp(-0.1)).",
    {any_key("schedule", {}, true), int_key("verbose", spec::Node::integer(0), 0)},
    make_learning_rate_scheduler};

}  // namespace dl
