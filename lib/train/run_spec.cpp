#include "train/run_spec.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/log.h"
#include "ckpt/checkpoint.h"
#include "data/file.h"
#include "io/format.h"
#include "io/keras/architecture.h"
#include "layers/graph_text.h"
#include "spec/reader.h"
#include "spec/yaml.h"
#include "train/adapt.h"
#include "train/run_state.h"

namespace dl {
namespace {

std::vector<std::string> output_names(const Model& model) {
  std::vector<std::string> names;
  for (const ModelOutput& o : model.outputs) names.push_back(o.name);
  return names;
}

CheckpointPolicy read_checkpoints(const spec::Node* node, const std::string& path, spec::Problems& problems) {
  CheckpointPolicy policy;
  static const spec::Node kNone;
  spec::Reader reader(node ? *node : kNone, path, problems);
  policy.epochs = reader.get_int("epochs", policy.epochs, {0, int64_t{1} << 40});
  policy.steps = reader.get_int("steps", policy.steps, {0, int64_t{1} << 40});
  policy.seconds = reader.get_float("seconds", policy.seconds, {0, 1e9});
  policy.keep = reader.get_int("keep", policy.keep, {1, 10'000});
  static constexpr std::string_view kActions[] = {"warn", "stop"};
  policy.stop_on_error = reader.get_choice("on_error", kActions, "warn") == "stop";
  reader.finish();
  return policy;
}

// The logs that callbacks may monitor.
CallbackContext callback_context(const RunSpec& spec) {
  const std::vector<std::string> outputs = output_names(spec.model);
  CallbackContext context;
  context.logs.push_back({"loss", Direction::kDown});
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (outputs.size() > 1) context.logs.push_back({outputs[o] + "_loss", Direction::kDown});
    if (o < spec.training.metrics.size())
      for (const MetricSpec& m : spec.training.metrics[o])
        context.logs.push_back({metric_log_name(m, outputs[o], outputs.size()), m.direction()});
  }
  context.has_validation = spec.data.validation.source || spec.data.validation.split;
  const Schedule& schedule = spec.training.schedule;
  if (schedule.def && !schedule.is_constant()) context.fixed_learning_rate = "follows a schedule: give the optimizer a number";
  if (!spec.training.optimizer.rules.empty()) context.fixed_learning_rate = "is one of several of a MultiOptimizer: give each a schedule";
  context.moving_averages = keeps_averages(spec.training.optimizer);
  return context;
}

// Metrics that came with the model: those not known here are left out.
std::vector<std::vector<MetricSpec>> read_model_metrics(const spec::Node& metrics, const std::vector<std::string>& outputs) {
  const auto read = [&](const spec::Node& node, std::vector<std::vector<MetricSpec>>& result) {
    spec::Problems problems;
    result = read_metrics(node, outputs, "training.metrics", problems);
    for (const std::string& line : problems.lines()) log_warning("the model's own metrics: " + line + "; left out");
    return problems.empty();
  };
  std::vector<std::vector<MetricSpec>> result;
  if (outputs.size() == 1 && metrics.is_list()) {
    std::vector<MetricSpec> all;
    for (const spec::Node& item : metrics.items())
      if (read(spec::Node::list({item}), result)) all.insert(all.end(), result[0].begin(), result[0].end());
    return {all};
  }
  if (!read(metrics, result)) result.assign(outputs.size(), {});
  return result;
}

// Keras: a name that both have gets "weighted_" in front.
void add_weighted_metrics(const std::vector<std::vector<MetricSpec>>& weighted, std::vector<std::vector<MetricSpec>>& metrics) {
  for (size_t o = 0; o < weighted.size() && o < metrics.size(); ++o)
    for (MetricSpec metric : weighted[o]) {
      const bool taken =
          std::any_of(metrics[o].begin(), metrics[o].end(), [&](const MetricSpec& other) { return other.name == metric.name; });
      if (taken) metric.name = "weighted_" + metric.name;
      metric.weighted = true;
      metrics[o].push_back(std::move(metric));
    }
}

SampleWeights read_sample_weights(spec::Reader& reader, size_t outputs) {
  SampleWeights weights;
  weights.field = reader.get_string("sample_weight", "");
  const spec::Node* classes = reader.get("class_weight");
  if (!classes || classes->is_null()) return weights;
  if (!weights.field.empty()) reader.report("class_weight", "goes without sample_weight, as in Keras");
  if (outputs > 1) reader.report("class_weight", "goes with a model of one output, as in Keras");
  if (!classes->is_map()) {
    reader.report("class_weight", "must be a map from class numbers to weights, such as {0: 1, 1: 5}");
    return weights;
  }
  for (const auto& [key, value] : classes->entries()) {
    int64_t number = -1;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || number < 0 || number >= 1 << 20 || !value.is_number() ||
        !(value.as_double() >= 0)) {
      reader.report("class_weight", fmt::format("has '{}', must map class numbers from 0 to weights >= 0", key));
    } else {
      weights.classes[number] = value.as_double();
    }
  }
  return weights;
}

std::shared_ptr<const Layer> frozen(const Layer& layer) {
  auto copy = std::make_shared<Layer>(layer);
  copy->trainable = false;
  for (auto& [key, child] : copy->children) child = frozen(*child);
  return copy;
}

// Layers whose name fits a pattern of the shell are as if they had trainable: false.
void freeze_layers(const spec::Node& node, const std::string& path, Model& model, spec::Problems& problems) {
  const std::vector<spec::Node> patterns = node.is_list() ? node.items() : std::vector<spec::Node>{node};
  for (const spec::Node& pattern : patterns) {
    if (!pattern.is_string()) {
      problems.add(pattern.place(), path, "must be a name or pattern of layers, such as conv*, or a list of them");
      continue;
    }
    const auto fits = [&](const Layer& layer) { return ::fnmatch(pattern.as_string().c_str(), layer.name.c_str(), 0) == 0; };
    bool found = false;
    for (std::shared_ptr<const Layer>& layer : model.layers) {
      if (!fits(*layer)) continue;
      found = true;
      layer = frozen(*layer);
    }
    for (LayerCall& call : model.calls)
      if (call.variant && fits(*call.variant)) call.variant = frozen(*call.variant);
    if (found || model.layers.empty()) continue;
    std::vector<std::string_view> names;
    for (const auto& layer : model.layers) names.emplace_back(layer->name);
    problems.add(pattern.place(), path,
                 fmt::format("'{}' fits no layer{}", pattern.as_string(), spec::suggestion(pattern.as_string(), names)));
  }
}

// `from_model`: what the model's own file says of training; a key of the run file wins.
void read_training(const spec::Node* node, const spec::Place& file_place, const spec::Node& from_model, RunSpec& spec,
                   const std::string& base_dir, spec::Problems& problems) {
  TrainingSpec& t = spec.training;
  spec::Node none;
  none.set_place(file_place);
  spec::Reader reader(node ? *node : none, "training", problems);
  const std::vector<std::string> outputs = output_names(spec.model);
  const auto own_or_model = [&](const char* key) {
    const spec::Node* own = reader.get(key);
    return own && !own->is_null() ? own : from_model.find(key);
  };
  const spec::Node* loss = own_or_model("loss");
  const spec::Node* weights = own_or_model("loss_weights");
  // Without outputs the model has problems of its own; these would only follow from them.
  const bool has_outputs = !outputs.empty();
  if (loss && !loss->is_null()) {
    if (has_outputs) t.losses = read_losses(*loss, weights, outputs, "training.loss", problems);
  } else {
    reader.report("loss", "required key is missing; for example sparse_categorical_crossentropy or mse");
  }
  static const spec::Node kAdam = spec::Node::string("adam");
  if (spec.start && reader.has("optimizer")) spec.start->slots.clear();
  const spec::Node* optimizer = own_or_model("optimizer");
  t.optimizer = read_optimizer(optimizer && !optimizer->is_null() ? *optimizer : kAdam, "training.optimizer", problems);
  const auto read_rate = [&](const Optimizer& given) {
    return read_schedule(given.learning_rate, fmt::format("training.optimizer.{}.learning_rate", given.def->class_name), problems);
  };
  if (t.optimizer.def) {
    t.schedule = read_rate(t.optimizer);
    for (const OptimizerRule& rule : t.optimizer.rules) t.rule_schedules.push_back(read_rate(rule.optimizer));
  }
  const spec::Node* metrics = own_or_model("metrics");
  t.metrics.resize(outputs.size());
  if (has_outputs && metrics && !metrics->is_null()) {
    const bool own = metrics != from_model.find("metrics");
    t.metrics = own ? read_metrics(*metrics, outputs, "training.metrics", problems) : read_model_metrics(*metrics, outputs);
  }
  if (const spec::Node* weighted = reader.get("weighted_metrics"); weighted && has_outputs)
    add_weighted_metrics(read_metrics(*weighted, outputs, "training.weighted_metrics", problems), t.metrics);
  t.weights = read_sample_weights(reader, outputs.size());
  t.batch_size = reader.get_int("batch_size", 32, {1, 1 << 24});
  t.epochs = reader.get_int("epochs", 1, {1, 1 << 30});
  t.seed = reader.get_int("seed", 0, {0, INT64_MAX});
  const std::string precision = reader.get_string("precision", "float32");
  if (const auto parsed = parse_precision(precision)) {
    t.precision = *parsed;
  } else {
    reader.report("precision", fmt::format("'{}' is not a precision; allowed: float32, bfloat16, float64", precision));
  }
  static constexpr std::string_view kDeterminism[] = {"same_threads", "strict"};
  t.strict = reader.get_choice("deterministic", kDeterminism, "same_threads") == "strict";
  t.microbatches = reader.get_int("microbatches", 0, {0, 4096});
  if (t.microbatches > 0 && t.batch_size % t.microbatches != 0)
    reader.report("microbatches", fmt::format("batch_size {} is not a multiple of {} micro-batches", t.batch_size, t.microbatches));
  static constexpr std::string_view kPolicies[] = {"stop", "skip", "rollback"};
  const std::string policy = reader.get_choice("on_nan", kPolicies, "stop");
  t.on_nan = policy == "skip" ? NanPolicy::kSkip : policy == "rollback" ? NanPolicy::kRollback : NanPolicy::kStop;
  t.initial_weights = reader.get_string("initial_weights", "");
  if (!t.initial_weights.empty() && t.initial_weights[0] != '/' && !base_dir.empty())
    t.initial_weights = base_dir + "/" + t.initial_weights;
  t.skip_mismatch = reader.get_bool("skip_mismatch", false);
  if (t.skip_mismatch && t.initial_weights.empty()) reader.report("skip_mismatch", "goes with initial_weights");
  if (const spec::Node* patterns = reader.get("freeze"); patterns && !patterns->is_null())
    freeze_layers(*patterns, reader.path_of("freeze"), spec.model, problems);
  t.checkpoints = read_checkpoints(reader.get("checkpoints"), "training.checkpoints", problems);
  t.reset_states = reader.get_bool("reset_states", false);
  t.log_steps = reader.get_bool("log_steps", false);
  if (const spec::Node* callbacks = reader.get("callbacks")) t.callbacks = *callbacks;
  if (has_outputs) read_callbacks(t.callbacks, "training.callbacks", callback_context(spec), problems);
  reader.finish();
}

// A model file with weights, or the JSON of a Keras model; false when `path` is none. `training` is what it says of training.
bool read_start(const std::string& path, RunSpec& spec, spec::Node& training, spec::Problems& problems) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;  // said better by the reader of YAML
  if (is_checkpoint(path)) {
    Checkpoint checkpoint = read_checkpoint(path);
    const spec::Node root = spec::parse_yaml(checkpoint.spec, path);
    spec.model_tree = root.find("model") ? *root.find("model") : root;
    spec.model = parse_model(spec.model_tree, "", problems);
    if (root.find("data") && problems.empty())
      if (const std::string layers = run_state_from_json(checkpoint.state, path).layers; !layers.empty())
        set_learned_layers(spec, layers, path, /*in_tree=*/true);
    if (const spec::Node* t = root.find("training")) training = *t;
    spec.start = StartState{path, std::move(checkpoint.parameters), {}};
    return true;
  }
  const Format* format = recognize_format(path);
  const bool architecture = !format && is_keras_architecture(path);
  if (!architecture && (!format || format->weights_only)) return false;
  SavedModel saved = architecture ? read_keras_architecture(path) : read_model(path, {}, format);
  for (const std::string& warning : saved.warnings) log_warning(warning);
  spec.model = std::move(saved.model);
  spec.model_tree = saved.model_tree.is_null() ? graph_model_tree(spec.model) : std::move(saved.model_tree);
  training = std::move(saved.training);
  if (!architecture) spec.start = StartState{path, std::move(saved.weights), std::move(saved.slots)};
  return true;
}

RunSpec parse_tree(spec::Node root, const std::string& file, const std::string& base_dir) {
  spec::expand_environment(root);
  if (spec::Node* data = root.is_map() ? root.find("data") : nullptr; data && data->is_map()) read_vocabulary_files(*data, base_dir);
  RunSpec spec;
  spec.name = std::filesystem::path(file).stem().string();
  spec.base_dir = base_dir;
  spec::Problems problems;
  spec::Reader reader(root, "", problems);
  spec::Node from_model;
  if (const spec::Node* model = reader.get("model"); model && !model->is_null()) {
    const std::string path =
        model->is_string() ? std::filesystem::path(resolve_path(base_dir, model->as_string())).lexically_normal().string() : "";
    if (path.empty() || !read_start(path, spec, from_model, problems)) {
      spec.model_tree = path.empty() ? *model : spec::load_yaml(path);
      spec.model = parse_model(spec.model_tree.is_string() ? *model : spec.model_tree, base_dir, problems);
    }
    spec.model_defaults = problems.take_defaults();
  } else {
    reader.report("model", "required key is missing: the path of a model file, or the model itself");
  }
  if (const spec::Node* data = reader.get("data"); data && !data->is_null()) {
    spec.data = parse_data(*data, "data", base_dir, problems);
    spec.has_data = true;
  } else {
    reader.report("data", "required key is missing: what to train on, see dltool-spec(5)");
  }
  read_training(reader.get("training"), root.place(), from_model, spec, base_dir, problems);
  if (const spec::Node* anomalies = reader.get("anomalies"))
    spec.anomalies = read_anomalies(anomalies->is_null() ? spec::Node::map({}) : *anomalies, "anomalies", problems);
  spec.output = reader.get_string("output", "runs/" + spec.name);
  reader.finish();
  problems.throw_if_any();
  // What the model's file said stays with the run: its checkpoints hold the model alone.
  for (const char* key : {"loss", "loss_weights", "optimizer", "metrics"}) {
    const spec::Node* own = root.find("training") ? root.find("training")->find(key) : nullptr;
    const spec::Node* given = from_model.find(key);
    if ((own && !own->is_null()) || !given || given->is_null()) continue;
    if (!root.find("training") || !root.find("training")->is_map()) root.set("training", spec::Node::map({}));
    root.find("training")->set(key, *given);
  }
  spec.resolved = std::move(root);
  spec.defaults = problems.take_defaults();
  return spec;
}

}  // namespace

StepOptions step_options(const TrainingSpec& training, int rank, int ranks) {
  StepOptions options;
  options.weights = training.weights;
  options.precision = training.precision;
  options.seed = training.seed;
  options.rank = rank;
  options.ranks = ranks;
  options.microbatches = static_cast<int>(training.microbatches);
  options.skip_nonfinite = training.on_nan == NanPolicy::kSkip;
  return options;
}

std::vector<std::unique_ptr<Callback>> make_callbacks(const RunSpec& spec) {
  spec::Problems problems;
  std::vector<std::unique_ptr<Callback>> callbacks =
      read_callbacks(spec.training.callbacks, "training.callbacks", callback_context(spec), problems);
  problems.throw_if_any();
  return callbacks;
}

RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides) {
  spec::Node root = spec::load_yaml(path);
  for (const std::string& assignment : overrides) spec::apply_override(root, assignment);
  return parse_tree(std::move(root), path, std::filesystem::path(path).parent_path().string());
}

RunSpec parse_run_spec(const std::string& text, const std::string& origin, const std::vector<std::string>& overrides) {
  spec::Node root = spec::parse_yaml(text, origin);
  for (const std::string& assignment : overrides) spec::apply_override(root, assignment);
  return parse_tree(std::move(root), origin, "");
}

}  // namespace dl
