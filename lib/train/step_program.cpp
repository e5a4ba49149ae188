#include "train/step_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "autodiff/gradient.h"
#include "ops/builders.h"
#include "optimizers/apply.h"

namespace dl {
namespace {

// Adds two halves, each added the same way: the shape of dist/tree_sum.h.
Var tree_sum(std::span<const Var> values) {
  if (values.size() == 1) return values[0];
  size_t half = 1;
  while (half * 2 < values.size()) half *= 2;
  return tree_sum(values.first(half)) + tree_sum(values.subspan(half));
}

// The weight of each sample's class: labels [batch], or one-hot rows.
Var class_weight(const std::map<int64_t, double>& weights, Var target, DType dtype) {
  if (target.rank() == 2 && target.dim(-1) == Dim(1)) target = squeeze(target, {-1});
  if (target.rank() == 2 && is_float(target.dtype())) target = arg_max(target, -1);
  if (target.rank() != 1)
    throw UserError("training.class_weight: takes class numbers [batch] or one-hot targets, not " + to_string(target.type()));
  target = cast(is_float(target.dtype()) ? round(target) : target, DType::kInt64);
  const int64_t size = weights.empty() ? 1 : weights.rbegin()->first + 1;
  Tensor table(dtype, {size});
  for (int64_t i = 0; i < size; ++i) table.set(i, weights.contains(i) ? weights.at(i) : 1);
  Graph& graph = *target.graph;
  const Var zero = scalar(graph, DType::kInt64, 0);
  const Var known = logical_and(greater_equal(target, zero), less(target, scalar(graph, DType::kInt64, static_cast<double>(size))));
  return select(known, gather(constant(graph, table), select(known, target, zero), 0), 1.0);
}

Var sample_weight_input(Program& program, DType dtype) {
  const Var v = input(program.graph, "sample_weight", {dtype, {Dim::symbol("batch")}});
  program.inputs.push_back({"sample_weight", v.value});
  return v;
}

Var all_finite(std::span<const Var> values) {
  // x - x is 0 for a finite x and NaN for any other; sums of zeros stay 0.
  Var sum = reduce_sum(values[0] - values[0]);
  for (size_t i = 1; i < values.size(); ++i) sum = sum + reduce_sum(values[i] - values[i]);
  return equal(sum, 0.0);
}

void add_mask(TrainingProgram& result, const std::string& output, Var mask) {
  result.masks.emplace_back();
  if (!mask.valid()) return;
  result.masks.back() = result.program.outputs.size();
  result.program.outputs.push_back({"mask:" + output, mask.value});
}

class Builder {
 public:
  Builder(const Model& model, const std::vector<OutputLoss>& losses, const Optimizer& optimizer, const StepOptions& options)
      : model_(model), losses_(losses), optimizer_(optimizer), options_(options), graph_(result_.program.graph) {
    parts_ = options.microbatches > 0 ? options.microbatches / options.ranks : 1;
    all_parts_ = parts_ * options.ranks;
  }

  TrainingProgram run() {
    declare_inputs();
    for (int k = 0; k < parts_; ++k) build_part(k);
    exchange();
    update_parameters();
    update_statistics();
    finish();
    return std::move(result_);
  }

 private:
  // What one micro-batch gives.
  struct Part {
    Var loss;
    std::vector<Var> output_losses, predictions, masks, gradients;
    std::map<size_t, Var> updates;   // weight -> new moving statistic
    std::map<size_t, Var> assigned;  // weight -> the value that the layers saw
    std::vector<CarriedState> states;
  };

  Program& program() { return result_.program; }
  DType variable_type() const { return options_.precision.variable; }

  Var declare_input(const std::string& name, TensorType type) {
    const Var v = input(graph_, name, std::move(type));
    program().inputs.push_back({name, v.value});
    return v;
  }

  void declare_inputs() {
    for (const ModelInput& in : model_.inputs) inputs_.push_back(declare_input(in.name, input_type(in, options_.precision)));
    // Target types follow from the predictions, which a throw-away inference build tells.
    const Program shapes = build_inference_program(model_, options_.precision);
    for (size_t o = 0; o < model_.outputs.size(); ++o) {
      result_.targets.push_back(target_type(losses_[o].loss, shapes.graph.type(shapes.outputs[o].value)));
      targets_.push_back(declare_input("target:" + model_.outputs[o].name, result_.targets[o]));
    }
    result_.has_weights = !options_.weights.field.empty();
    if (result_.has_weights) weights_ = sample_weight_input(program(), variable_type());
    result_.learning_rate_input = program().inputs.size();
    std::vector<Var> rates = {declare_input("learning_rate", {variable_type(), {}})};
    for (const OptimizerRule& rule : optimizer_.rules)
      rates.push_back(declare_input("learning_rate:" + rule.pattern, {variable_type(), {}}));
    result_.has_share = options_.ranks > 1 && options_.microbatches == 0;
    if (result_.has_share) share_ = declare_input("share", {variable_type(), {}});
    step_ = parameter(graph_, kStepName, {DType::kInt64, {}});
    optimizer_step_.emplace(optimizer_, program(), step_, std::move(rates),
                            [this](const std::string& name, Var v) { add_update(name, v); });
  }

  Var part_of(Var x, int k) const {
    if (parts_ == 1) return x;
    const Dim size = floor_div(x.dim(0), parts_);
    return slice_axis(x, 0, size * Dim(k), size);
  }

  void build_part(int k) {
    BuildOptions build;
    build.mode = Mode::kTraining;
    build.precision = options_.precision;
    build.seed = options_.seed;
    build.counter = step_ * scalar(graph_, DType::kInt64, all_parts_) + scalar(graph_, DType::kInt64, options_.rank * parts_ + k);
    for (size_t i = 0; i < inputs_.size(); ++i) build.inputs[model_.inputs[i].name] = part_of(inputs_[i], k);
    const ModelGraph built = build_model(model_, graph_, registry_, build);
    Part part;
    for (size_t o = 0; o < built.outputs.size(); ++o) {
      const Var target = part_of(targets_[o], k);
      Var weight = weights_.valid() ? part_of(weights_, k) : Var{};
      if (!options_.weights.classes.empty()) weight = class_weight(options_.weights.classes, target, variable_type());
      const Var loss = build_loss(losses_[o].loss, target, built.outputs[o].value, built.outputs[o].mask, weight, build.inputs);
      part.masks.push_back(built.outputs[o].mask);
      part.output_losses.push_back(loss);
      part.predictions.push_back(built.outputs[o].value);
      const Var weighted = loss * losses_[o].weight;
      part.loss = part.loss.valid() ? part.loss + weighted : weighted;
    }
    part.loss = shared(part.loss);
    for (const Var& penalty : built.losses) part.loss = part.loss + cast(penalty, part.loss.dtype());
    if (trainable_.empty()) find_trainable();
    part.gradients = gradients_of(part.loss, built.assigned);
    for (const WeightUpdate& u : built.updates) part.updates[u.weight] = u.value;
    for (const WeightUpdate& u : built.assigned) part.assigned[u.weight] = u.value;
    part.states = built.states;
    if (!part.states.empty() && all_parts_ > 1)
      throw UserError("a stateful layer carries the states of whole batches: train it on one rank and without training.microbatches");
    result_parts_.push_back(std::move(part));
  }

  // With respect to the trainable weights. One that a layer has assigned counts through every value that it took.
  std::vector<Var> gradients_of(Var loss, const std::vector<WeightUpdate>& assigned) {
    std::vector<Var> values;
    std::vector<size_t> owners;  // indices into trainable_
    for (size_t i = 0; i < trainable_.size(); ++i) {
      const size_t before = values.size();
      for (const WeightUpdate& u : assigned)
        if (u.weight == trainable_[i]) values.push_back(u.value);
      if (values.size() == before) values.push_back({&graph_, registry_.weights()[trainable_[i]].parameter.value});
      owners.resize(values.size(), i);
    }
    const std::vector<Var> parts = gradient(optimizer_step_->scale(loss), values);
    std::vector<Var> sums(trainable_.size());
    for (size_t v = 0; v < parts.size(); ++v) {
      Var& sum = sums[owners[v]];
      sum = sum.valid() ? sum + parts[v] : parts[v];
    }
    return sums;
  }

  // Parts and ranks are averaged; a sum over the batch is the sum of theirs.
  Var shared(Var loss) const {
    const bool sums = std::any_of(losses_.begin(), losses_.end(), [](const OutputLoss& l) { return l.loss.reduction == Reduction::kSum; });
    if (!sums) return share_.valid() ? loss * share_ : loss;
    if (!std::all_of(losses_.begin(), losses_.end(), [](const OutputLoss& l) { return l.loss.reduction == Reduction::kSum; }) &&
        all_parts_ > 1)
      throw UserError("training.loss: with several parts or ranks all outputs must have the reduction sum, or none");
    return all_parts_ > 1 ? loss * static_cast<double>(all_parts_) : loss;
  }

  void find_trainable() {
    for (size_t w = 0; w < registry_.weights().size(); ++w)
      if (registry_.weights()[w].parameter.trainable) trainable_.push_back(w);
    if (trainable_.empty()) throw UserError("the model has no trainable weights; there is nothing to train");
  }

  // Sums over the parts, then over ranks: gradients in buckets, last layer first, as the backward pass makes them.
  void exchange() {
    for (size_t g = 0; g < trainable_.size(); ++g) {
      std::vector<Var> parts;
      for (const Part& p : result_parts_) parts.push_back(p.gradients[g]);
      gradients_.push_back(tree_sum(parts));
    }
    std::vector<Var> losses;
    for (const Part& p : result_parts_) losses.push_back(p.loss);
    loss_ = tree_sum(losses);
    for (const auto& [weight, value] : result_parts_[0].updates) {
      std::vector<Var> parts;
      for (const Part& p : result_parts_) parts.push_back(p.updates.at(weight));
      statistics_.push_back({weight, tree_sum(parts)});
    }
    if (options_.ranks > 1) reduce_over_ranks();
    const double scale = 1.0 / all_parts_;
    if (all_parts_ == 1) return;
    for (Var& g : gradients_) g = g * scale;
    for (auto& [weight, value] : statistics_) value = value * scale;
    loss_ = loss_ * scale;
  }

  void reduce_over_ranks() {
    int64_t number = 0, bytes = 0;
    std::vector<Var*> bucket;
    const auto flush = [&] {
      if (bucket.empty()) return;
      std::vector<Var> values;
      for (Var* v : bucket) values.push_back(*v);
      const std::vector<Var> sums = all_reduce(values, false, number++);
      for (size_t i = 0; i < bucket.size(); ++i) *bucket[i] = sums[i];
      bucket.clear();
      bytes = 0;
    };
    for (size_t g = gradients_.size(); g-- > 0;) {
      bucket.push_back(&gradients_[g]);
      bytes += element_count(gradients_[g].shape()).value() * static_cast<int64_t>(size_of(gradients_[g].dtype()));
      if (bytes >= options_.bucket_bytes) flush();
    }
    flush();
    for (auto& [weight, value] : statistics_) bucket.push_back(&value);
    if (loss_.dtype() != variable_type()) flush();
    bucket.push_back(&loss_);
    flush();
  }

  void add_update(const std::string& name, Var value) {
    for (size_t p = 0; p < program().parameters.size(); ++p)
      if (program().parameters[p].name == name) {
        if (ok_.valid()) value = select(ok_, value, Var{&graph_, program().parameters[p].value});
        program().updates.push_back({p, value.value});
        return;
      }
    throw InternalError("update of unknown parameter '" + name + "'");
  }

  void update_parameters() {
    for (const Parameter& p : registry_.parameters()) program().parameters.push_back(p);
    const std::vector<Var>& gradients = gradients_;
    if (options_.skip_nonfinite) {
      std::vector<Var> checked = gradients;
      checked.push_back(cast(loss_, gradients[0].dtype()));
      ok_ = all_finite(checked);
    }
    std::vector<TrainedWeight> weights;
    for (size_t g = 0; g < gradients.size(); ++g) {
      const Weight& weight = registry_.weights()[trainable_[g]];
      weights.push_back({weight.parameter, weight.constraint, gradients[g]});
      // Every part has assigned the same value.
      const auto& assigned = result_parts_[0].assigned;
      if (const auto found = assigned.find(trainable_[g]); found != assigned.end()) weights.back().parameter.value = found->second.value;
    }
    optimizer_step_->apply(std::move(weights));
  }

  void update_statistics() {
    for (const auto& [weight, value] : statistics_) add_update(registry_.weights()[weight].parameter.name, value);
    for (const CarriedState& state : result_parts_[0].states) {
      program().parameters.push_back({state.name, state.value.value, false, {}});
      add_update(state.name, state.next);
    }
    program().parameters.push_back({kStepName, step_.value, false, {}});
    ok_ = {};  // the counter moves on even when a step is skipped
    add_update(kStepName, step_ + scalar(graph_, DType::kInt64, 1));
  }

  void finish() {
    program().outputs.push_back({"loss", loss_.value});
    for (size_t o = 0; o < model_.outputs.size(); ++o) {
      std::vector<Var> losses, predictions;
      for (const Part& p : result_parts_) losses.push_back(p.output_losses[o]), predictions.push_back(p.predictions[o]);
      if (model_.outputs.size() > 1)
        program().outputs.push_back({"loss:" + model_.outputs[o].name, (tree_sum(losses) * (1.0 / parts_)).value});
      program().outputs.push_back({"prediction:" + model_.outputs[o].name, concat(predictions, 0).value});
    }
    for (size_t o = 0; o < model_.outputs.size(); ++o) {
      std::vector<Var> masks;
      for (const Part& p : result_parts_)
        if (p.masks[o].valid()) masks.push_back(cast(p.masks[o], DType::kFloat32));
      add_mask(result_, model_.outputs[o].name, masks.empty() ? Var{} : concat(masks, 0));
    }
  }

  const Model& model_;
  const std::vector<OutputLoss>& losses_;
  const Optimizer& optimizer_;
  const StepOptions& options_;
  TrainingProgram result_;
  Graph& graph_;
  WeightRegistry registry_;
  int parts_ = 1, all_parts_ = 1;
  std::vector<Var> inputs_, targets_;
  Var share_, step_, loss_, ok_, weights_;
  std::optional<OptimizerStep> optimizer_step_;
  std::vector<size_t> trainable_;  // indices into the registry
  std::vector<Part> result_parts_;
  std::vector<Var> gradients_;
  std::vector<std::pair<size_t, Var>> statistics_;
};

void check_parts(const StepOptions& o) {
  if (o.microbatches == 0) return;
  const int per_rank = o.microbatches / o.ranks;
  if (o.microbatches % o.ranks != 0 || (per_rank & (per_rank - 1)) != 0)
    throw UserError(
        fmt::format("training.microbatches: {} parts over {} ranks: every rank needs the same power of two of parts (1, 2, 4, ...)",
                    o.microbatches, o.ranks));
}

}  // namespace

TrainingProgram build_training_program(const Model& model, const std::vector<OutputLoss>& losses, const Optimizer& optimizer,
                                       const StepOptions& options) {
  check_parts(options);
  return Builder(model, losses, optimizer, options).run();
}

TrainingProgram build_evaluation_program(const Model& model, const std::vector<OutputLoss>& losses, const Precision& precision,
                                         bool weighted) {
  TrainingProgram result;
  Program& program = result.program;
  WeightRegistry registry;
  BuildOptions build;
  build.precision = precision;
  const ModelGraph built = build_model(model, program.graph, registry, build);
  program.inputs = built.inputs;
  program.parameters = registry.parameters();
  add_states(program, built);
  std::map<std::string, Var> named_inputs;
  for (const NamedValue& in : built.inputs) named_inputs[in.name] = {&program.graph, in.value};
  Var total, weight;
  std::vector<NamedValue> outputs;
  std::vector<Var> targets;
  for (size_t o = 0; o < built.outputs.size(); ++o) {
    result.targets.push_back(target_type(losses[o].loss, built.outputs[o].value.type()));
    const std::string name = "target:" + model.outputs[o].name;
    const Var target = input(program.graph, name, result.targets[o]);
    program.inputs.push_back({name, target.value});
    targets.push_back(target);
  }
  result.has_weights = weighted;
  if (weighted) weight = sample_weight_input(program, precision.variable);
  for (size_t o = 0; o < built.outputs.size(); ++o) {
    const Var loss = build_loss(losses[o].loss, targets[o], built.outputs[o].value, built.outputs[o].mask, weight, named_inputs);
    const Var part = loss * losses[o].weight;
    total = total.valid() ? total + part : part;
    if (built.outputs.size() > 1) outputs.push_back({"loss:" + model.outputs[o].name, loss.value});
    outputs.push_back({"prediction:" + model.outputs[o].name, built.outputs[o].value.value});
  }
  program.outputs.push_back({"loss", total.value});
  program.outputs.insert(program.outputs.end(), outputs.begin(), outputs.end());
  for (size_t o = 0; o < built.outputs.size(); ++o) {
    const Var mask = built.outputs[o].mask;
    add_mask(result, model.outputs[o].name, mask.valid() ? cast(mask, DType::kFloat32) : mask);
  }
  return result;
}

}  // namespace dl
