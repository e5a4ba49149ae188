#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/log.h"
#include "base/terminal.h"
#include "commands.h"
#include "io/parity.h"
#include "keras_support.h"
#include "layers/build.h"
#include "layers/summary.h"
#include "output.h"
#include "plan/random_inputs.h"
#include "programs.h"
#include "table.h"

namespace dl::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<int64_t, 3> kBatchSizes = {1, 32, 128};

struct MemoryRow {
  int64_t batch = 0;
  size_t inference = 0;
  std::optional<size_t> training;  // none where the model cannot be trained
};

struct Report {
  ModelSummary summary;
  std::vector<MemoryRow> memory;
  std::vector<std::string> guessed;
  std::string training;     // loss and optimizer
  std::string no_training;  // why there is no training step
};

size_t plan_bytes(const Plan& plan) {
  size_t bytes = plan.arena_bytes + plan.static_bytes;
  for (const auto* values : {&plan.parameters, &plan.inputs})
    for (const int v : *values) bytes += v < 0 ? 0 : plan.values[static_cast<size_t>(v)].bytes;
  return bytes;
}

std::string training_text(const LoadedModel& loaded) {
  if (!loaded.run) return kDefaultTraining;
  std::vector<std::string> losses;
  for (const OutputLoss& l : loaded.run->training.losses) losses.push_back(l.loss.name());
  std::vector<std::string> optimizers;
  for (const Optimizer* optimizer : all_optimizers(loaded.run->training.optimizer)) optimizers.push_back(optimizer->def->class_name);
  return fmt::format("{}, {}", fmt::join(losses, " + "), fmt::join(optimizers, " and "));
}

Report make_report(const LoadedModel& loaded) {
  Report report;
  const Program inference = build_inference_program(loaded.model, loaded.precision());
  report.summary = summarize(loaded.model, choose_sizes(inference, 1, kGuessedSize, &report.guessed), loaded.precision());
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  const CompileOptions options = compile_options(loaded);
  std::optional<TrainingProgram> training;
  try {
    training = make_training_program(loaded);
  } catch (const UserError& e) {
    report.no_training = e.what();
  }
  report.training = training_text(loaded);
  const int64_t parts = loaded.run ? std::max<int64_t>(1, loaded.run->training.microbatches) : 1;
  for (const int64_t batch : kBatchSizes) {
    MemoryRow row{batch, plan_bytes(compile(inference, choose_sizes(inference, batch, kGuessedSize), *backend, options).plan), {}};
    if (training && batch % parts == 0)
      row.training = plan_bytes(compile(training->program, choose_sizes(training->program, batch, kGuessedSize), *backend, options).plan);
    report.memory.push_back(row);
  }
  return report;
}

// ---- JSON

Json shape_json(const Shape& shape) {
  Json dims = Json::array();
  for (const Dim d : shape) dims.push_back(d.known() ? Json(d.value()) : Json());
  return dims;
}

Json number_json(std::optional<double> value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }

Json checkpoint_json(const LoadedModel& loaded) {
  Json metrics = Json::object();
  if (!loaded.state.history.epochs.empty())
    for (const auto& [name, value] : loaded.state.history.epochs.back().logs) metrics[name] = number_json(value);
  Json slots = Json::array();
  for (const auto& [name, tensor] : loaded.parameters)
    slots.push_back({{"name", name}, {"dtype", name_of(tensor.dtype())}, {"shape", tensor.dims()}});
  return {{"step", loaded.state.step}, {"epoch", loaded.state.epoch}, {"metrics", metrics}, {"facts", loaded.facts}, {"tensors", slots}};
}

Json to_json(const LoadedModel& loaded, const Report& report) {
  Json layers = Json::array(), memory = Json::array();
  for (const SummaryRow& row : report.summary.rows) {
    Json shapes = Json::array();
    for (const Shape& s : row.outputs) shapes.push_back(shape_json(s));
    layers.push_back({{"name", row.name},
                      {"class", row.class_name},
                      {"output_shapes", shapes},
                      {"parameters", row.parameters},
                      {"trainable_parameters", row.trainable_parameters},
                      {"flops", number_json(row.flops)},
                      {"inputs", row.inputs}});
  }
  for (const MemoryRow& row : report.memory)
    memory.push_back(
        {{"batch", row.batch}, {"inference_bytes", row.inference}, {"training_bytes", row.training ? Json(*row.training) : Json()}});
  const ModelSummary& s = report.summary;
  Json json = {{"schema_version", 1},
               {"file", loaded.origin},
               {"kind", name_of(loaded.kind)},
               {"layers", layers},
               {"parameters",
                {{"total", s.parameters},
                 {"trainable", s.trainable_parameters},
                 {"non_trainable", s.parameters - s.trainable_parameters},
                 {"bytes", s.parameter_bytes}}},
               {"flops_per_sample", number_json(s.flops)},
               {"training", report.training},
               {"memory", memory}};
  if (loaded.trained()) json["checkpoint"] = checkpoint_json(loaded);
  return json;
}

// ---- text

// Keras leaves the column out where every layer takes the one before it.
bool is_sequential(const std::vector<SummaryRow>& rows) {
  for (size_t i = 0; i < rows.size(); ++i)
    if (i == 0 ? !rows[i].inputs.empty() : rows[i].inputs != std::vector<std::string>{rows[i - 1].name}) return false;
  return true;
}

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::vector<std::string> texts;
  for (const Shape& shape : shapes) {
    std::vector<std::string> dims;
    for (const Dim d : shape) dims.push_back(to_string(d));
    texts.push_back(fmt::format("({})", fmt::join(dims, ", ")));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string layer_table(const ModelSummary& summary) {
  const bool sequential = is_sequential(summary.rows);
  std::vector<TextTable::Column> columns = {{"Layer (type)"}, {"Output Shape"}, {"Param #", Align::kRight}, {"FLOPs", Align::kRight}};
  if (!sequential) columns.push_back({"Connected to"});
  TextTable table(columns);
  for (const SummaryRow& row : summary.rows) {
    std::vector<std::string> cells = {fmt::format("{} ({})", row.name, row.class_name), shapes_text(row.outputs), grouped(row.parameters),
                                      row.flops ? count_text(*row.flops) : "?"};
    if (!sequential) cells.push_back(fmt::format("{}", fmt::join(row.inputs, ", ")));
    table.add(std::move(cells));
  }
  return table.text();
}

std::string checkpoint_text(const LoadedModel& loaded) {
  std::string text = fmt::format("\nTrained for {} steps, {} epochs\n", loaded.state.step, loaded.state.epoch);
  if (!loaded.state.history.epochs.empty())
    for (const auto& [name, value] : loaded.state.history.epochs.back().logs)
      text += fmt::format("  {} {:.6g}\n", safe_for_terminal(name), value);
  for (const auto& [name, value] : loaded.facts) text += fmt::format("  {}: {}\n", safe_for_terminal(name), safe_for_terminal(value));
  return text;
}

std::string to_text(const LoadedModel& loaded, const Report& report) {
  const ModelSummary& s = report.summary;
  std::string text = fmt::format("{} ({})\n\n{}\n", safe_for_terminal(loaded.origin), name_of(loaded.kind), layer_table(s));
  const auto bytes = static_cast<double>(s.parameter_bytes);
  text += fmt::format("Total params: {} ({})\n", grouped(s.parameters), bytes_text(bytes));
  text += fmt::format("Trainable params: {}\n", grouped(s.trainable_parameters));
  text += fmt::format("Non-trainable params: {}\n", grouped(s.parameters - s.trainable_parameters));
  text += fmt::format("FLOPs per sample: {}\n\n", s.flops ? count_text(*s.flops) : "unknown");
  TextTable memory({{"Batch", Align::kRight}, {"Inference", Align::kRight}, {"Training step", Align::kRight}});
  for (const MemoryRow& row : report.memory)
    memory.add({grouped(row.batch), bytes_text(static_cast<double>(row.inference)),
                row.training ? bytes_text(static_cast<double>(*row.training)) : "-"});
  text += memory.text();
  if (report.no_training.empty()) text += fmt::format("Training: {}\n", report.training);
  for (const std::string& size : report.guessed) text += fmt::format("Size {} is taken as {}\n", safe_for_terminal(size), kGuessedSize);
  if (loaded.trained()) text += checkpoint_text(loaded);
  return text;
}

// ---- questions about a file

ExitCode answer_for(const LoadedModel& loaded, const InspectOptions& options) {
  const Format* format = find_format(options.target);
  const std::vector<std::string> lines = format ? hindrances(to_saved_model(loaded), *format, {}) : std::vector<std::string>{};
  if (options.common.json) {
    const Json json = {
        {"schema_version", 1}, {"file", loaded.origin}, {"format", options.target}, {"supported", lines.empty()}, {"unsupported", lines}};
    write_stdout(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    std::string text;
    for (const std::string& line : lines) text += safe_for_terminal(line) + "\n";
    write_stdout(lines.empty() ? fmt::format("{}: can be written as {}\n", safe_for_terminal(loaded.origin), options.target) : text);
  }
  return lines.empty() ? ExitCode::kDone : ExitCode::kThresholdMissed;
}

ExitCode selftest(const LoadedModel& loaded, const InspectOptions& options) {
  if (!loaded.foreign || loaded.foreign->tests.empty())
    throw UserError(fmt::format("{}: holds no test samples; dltool convert stores them where the format has room", loaded.origin));
  const SavedModel saved = to_saved_model(loaded);
  bool ok = true;
  Json results = Json::array();
  std::string text;
  for (const TestPair& pair : loaded.foreign->tests) {
    const Parity parity = compare_outputs(pair.outputs, run_model(saved, pair.inputs), {});
    ok &= parity.ok();
    for (const OutputParity& o : parity.outputs) {
      results.push_back(
          {{"output", o.name}, {"max_error", number_json(o.max_error)}, {"differing", o.differing}, {"elements", o.elements}});
      text += fmt::format("{}: {} of {} elements differ, largest error {:.2g}\n", safe_for_terminal(o.name), o.differing, o.elements,
                          o.max_error);
    }
  }
  if (options.common.json) text = Json({{"schema_version", 1}, {"file", loaded.origin}, {"ok", ok}, {"outputs", results}}).dump() + "\n";
  write_stdout(text);
  if (!ok) log_error(fmt::format("{}: gives other numbers than where it was written", loaded.origin));
  return ok ? ExitCode::kDone : ExitCode::kThresholdMissed;
}

std::string support_list(bool as_json) {
  TextTable table({{"kind"}, {"class"}, {"there"}, {"note"}});
  Json json = Json::array();
  for (const KerasClass& c : keras_classes()) {
    table.add({std::string(c.kind), std::string(c.name), std::string(name_of(c.support)), std::string(c.note)});
    json.push_back({{"kind", c.kind}, {"class", c.name}, {"support", name_of(c.support)}, {"note", c.note}});
  }
  return as_json ? json.dump() + "\n" : table.text();
}

}  // namespace

ExitCode run_inspect(const InspectOptions& options) {
  if (options.support) {
    write_stdout(support_list(options.common.json));
    return ExitCode::kDone;
  }
  const LoadedModel loaded = load_model(options.file);
  if (!options.target.empty()) return answer_for(loaded, options);
  if (options.selftest) return selftest(loaded, options);
  if (!options.explain.empty()) {
    write_stdout(explain_file(loaded, options.explain));
    return ExitCode::kDone;
  }
  const Report report = make_report(loaded);
  if (!report.no_training.empty()) log_debug("no training step: " + report.no_training);
  write_stdout(options.common.json ? to_json(loaded, report).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                                   : to_text(loaded, report));
  return ExitCode::kDone;
}

}  // namespace dl::app
