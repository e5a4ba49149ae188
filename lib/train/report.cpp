#include "train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/atomic_file.h"
#include "train/html.h"
#include "train/progress.h"
#include "train/report_style.h"
#include "train/svg_chart.h"

namespace dl {
namespace {

constexpr std::string_view kValidation = "val_";
constexpr std::string_view kMissing = "–";

// Names of the logs without val_, each once, without what has a chart of its own.
std::vector<std::string> base_names(const History& history) {
  std::vector<std::string> result;
  for (std::string name : history.names()) {
    if (name.starts_with(kValidation)) name = name.substr(kValidation.size());
    if (name != "learning_rate" && std::find(result.begin(), result.end(), name) == result.end()) result.push_back(name);
  }
  return result;
}

bool has_validation(const History& history) {
  const std::vector<std::string> names = history.names();
  return std::any_of(names.begin(), names.end(), [](const std::string& name) { return name.starts_with(kValidation); });
}

const EpochRecord* find_epoch(const History& history, const std::optional<int64_t>& epoch) {
  if (!epoch) return nullptr;
  const auto it =
      std::find_if(history.epochs.begin(), history.epochs.end(), [&](const EpochRecord& record) { return record.epoch == *epoch; });
  return it == history.epochs.end() ? nullptr : &*it;
}

// What counts something has no decimals.
std::string format_log(const std::string& name, double value) {
  static constexpr std::string_view kCounts[] = {"flagged",         "alarms",         "anomalies_",     "true_positives",
                                                 "false_positives", "true_negatives", "false_negatives"};
  const bool count = std::any_of(std::begin(kCounts), std::end(kCounts), [&](auto part) { return name.find(part) != std::string::npos; });
  return count && std::abs(value) < 1e9 && value == std::round(value) ? format_count(std::llround(value)) : format_number(value);
}

std::string cell(const Logs& logs, const std::string& name) {
  const std::optional<double> value = find_log(logs, name);
  return value ? format_log(name, *value) : std::string(kMissing);
}

// The newest value of a log: validation may run every few epochs only.
std::string last_cell(const History& history, const std::string& name) {
  for (auto it = history.epochs.rbegin(); it != history.epochs.rend(); ++it) {
    if (const auto value = find_log(it->logs, name)) return format_log(name, *value);
  }
  return std::string(kMissing);
}

std::string header(const ReportData& data) {
  return fmt::format("<header><h1>{}</h1><span class=\"status{}\">{}</span></header>\n", escape_html(data.title),
                     data.succeeded ? "" : " failed", escape_html(data.status));
}

// The one number people look for first: the last evaluation's, else validation's, else training's first metric; the loss if there is no
// metric.
std::pair<std::string, std::string> headline(const ReportData& data) {
  const std::vector<std::string> names = base_names(data.history);
  const std::string name = names.size() > 1 && names[0] == "loss" ? names[1] : names.empty() ? "" : names[0];
  if (!data.evaluations.empty() && !data.evaluations.back().logs.empty()) {
    const ReportEvaluation& evaluation = data.evaluations.back();
    const bool known = find_log(evaluation.logs, name).has_value();
    const std::string shown = known ? name : evaluation.logs.front().first;
    return {evaluation.data_name + " " + shown, cell(evaluation.logs, shown)};
  }
  if (name.empty()) return {};
  const EpochRecord* best = find_epoch(data.history, data.best_epoch);
  for (const bool validation : {true, false}) {
    const std::string log = validation ? std::string(kValidation) + name : name;
    const std::string value = best ? cell(best->logs, log) : last_cell(data.history, log);
    if (value != kMissing) return {(validation ? "validation " : "training ") + name + (best ? ", best epoch" : ""), value};
  }
  return {};
}

std::string cards(const ReportData& data) {
  const auto card = [](const std::string& value, const std::string& label) {
    return fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>", escape_html(value), escape_html(label));
  };
  std::string out = "<div class=\"cards\">";
  if (const auto [label, value] = headline(data); !label.empty()) out += card(value, label);
  const auto& epochs = data.history.epochs;
  double seconds = 0;
  for (const EpochRecord& record : epochs) seconds += record.seconds;
  out += card(format_count(static_cast<int64_t>(epochs.size())), epochs.size() == 1 ? "epoch" : "epochs");
  out += card(seconds < 60 ? fmt::format("{:.1f} s", seconds) : format_duration(seconds), "training time");
  if (!epochs.empty()) out += card(format_rate(epochs.back().samples_per_second), "samples/s, last epoch");
  if (!data.layers.empty()) out += card(format_count(data.trainable_parameters + data.fixed_parameters), "parameters");
  return out + "</div>\n";
}

std::string final_numbers(const ReportData& data) {
  const bool validation = has_validation(data.history);
  const EpochRecord* best = find_epoch(data.history, data.best_epoch);
  std::vector<std::string> names = base_names(data.history);
  for (const ReportEvaluation& evaluation : data.evaluations) {
    for (const auto& log : evaluation.logs) {
      if (std::find(names.begin(), names.end(), log.first) == names.end()) names.push_back(log.first);
    }
  }
  if (names.empty()) return "<p class=\"note\">No epoch was finished.</p>\n";
  HtmlTable table;
  table.css_class = "fit";
  table.head = {"", "Training"};
  if (validation) table.head.push_back("Validation");
  if (best) {
    table.head.push_back(fmt::format("Training, epoch {}", best->epoch + 1));
    if (validation) table.head.push_back(fmt::format("Validation, epoch {}", best->epoch + 1));
  }
  for (const ReportEvaluation& evaluation : data.evaluations) {
    std::string head = evaluation.data_name;
    if (!head.empty() && head[0] >= 'a' && head[0] <= 'z') head[0] = static_cast<char>(head[0] - 'a' + 'A');
    table.head.push_back(escape_html(head));
    if (!evaluation.last_value.empty()) table.head.push_back(escape_html(head) + ", as the last value");
  }
  for (const std::string& name : names) {
    const std::string val = std::string(kValidation) + name;
    std::vector<std::string> row = {escape_html(name), last_cell(data.history, name)};
    if (validation) row.push_back(last_cell(data.history, val));
    if (best) {
      row.push_back(cell(best->logs, name));
      if (validation) row.push_back(cell(best->logs, val));
    }
    for (const ReportEvaluation& evaluation : data.evaluations) {
      row.push_back(cell(evaluation.logs, name));
      if (!evaluation.last_value.empty()) row.push_back(cell(evaluation.last_value, name));
    }
    table.rows.push_back(std::move(row));
  }
  std::string note = validation ? "Training and validation at the last epoch" : "Training at the last epoch";
  if (best)
    note += fmt::format("; epoch {} is the best{}", best->epoch + 1, data.monitor.empty() ? "" : " by " + escape_html(data.monitor));
  return render_table(table) + "<p class=\"note\">" + note + ".</p>\n";
}

std::string charts(const ReportData& data) {
  const History& history = data.history;
  if (history.epochs.empty()) return "";
  LineChart base;
  for (const EpochRecord& record : history.epochs) base.x.push_back(record.epoch + 1);
  if (find_epoch(history, data.best_epoch)) base.marked_x = *data.best_epoch + 1;
  const auto per_epoch = [&](auto value_of) {
    std::vector<std::optional<double>> values;
    for (const EpochRecord& record : history.epochs) values.push_back(value_of(record));
    return values;
  };
  const std::vector<std::string> known = history.names();
  const auto exists = [&](const std::string& name) { return std::find(known.begin(), known.end(), name) != known.end(); };

  std::string out = "<section id=\"curves\"><h2>Curves</h2>\n<div class=\"charts\">\n";
  for (const std::string& name : base_names(history)) {
    LineChart chart = base;
    chart.title = name;
    chart.allow_log = name.find("loss") != std::string::npos;
    if (exists(name)) chart.series.push_back({"training", "train", history.series(name)});
    const std::string val = std::string(kValidation) + name;
    if (exists(val)) chart.series.push_back({"validation", "validation", history.series(val)});
    out += render_chart(chart);
  }
  base.marked_x.reset();
  LineChart rate = base;
  rate.title = "Learning rate";
  rate.allow_log = true;
  rate.series.push_back({"last", "train", per_epoch([](const EpochRecord& r) { return r.learning_rate; })});
  LineChart speed = base;
  speed.title = "Throughput, samples per second";
  speed.from_zero = true;
  speed.series.push_back({"last", "train", per_epoch([](const EpochRecord& r) { return r.samples_per_second; })});
  LineChart wait = base;
  wait.title = "Time waiting for data";
  wait.from_zero = true;
  wait.unit = "%";
  wait.series.push_back(
      {"last", "train", per_epoch([](const EpochRecord& r) { return r.seconds > 0 ? 100 * r.data_wait_seconds / r.seconds : 0; })});
  out += render_chart(rate) + render_chart(speed) + render_chart(wait) + "</div>\n";
  if (find_epoch(history, data.best_epoch)) out += "<p class=\"note\">The dashed line is the best epoch.</p>\n";
  return out;
}

std::string epoch_table(const History& history) {
  if (history.epochs.empty()) return "";
  const std::vector<std::string> names = history.names();
  HtmlTable table;
  table.css_class = "tall";
  table.first_number = 0;
  table.head = {"Epoch", "Step"};
  for (const std::string& name : names) {
    if (name != "learning_rate") table.head.push_back(escape_html(name));
  }
  for (const char* name : {"Learning rate", "Seconds", "Data wait", "Samples/s"}) table.head.push_back(name);
  for (const EpochRecord& record : history.epochs) {
    std::vector<std::string> row = {format_count(record.epoch + 1), format_count(record.step)};
    for (const std::string& name : names) {
      if (name != "learning_rate") row.push_back(cell(record.logs, name));
    }
    row.push_back(format_number(record.learning_rate));
    row.push_back(fmt::format("{:.2f}", record.seconds));
    row.push_back(fmt::format("{:.2f}", record.data_wait_seconds));
    row.push_back(format_rate(record.samples_per_second));
    table.rows.push_back(std::move(row));
  }
  return "<details><summary>Every epoch in numbers</summary>\n" + render_table(table) + "</details>\n";
}

std::string model_table(const ReportData& data) {
  if (data.layers.empty()) return "";
  const bool inputs = std::any_of(data.layers.begin(), data.layers.end(), [](const ReportLayer& layer) { return !layer.inputs.empty(); });
  HtmlTable table;
  table.css_class = "tall";
  table.first_number = inputs ? 4 : 3;
  table.head = {"Layer", "Type", "Output shape"};
  if (inputs) table.head.push_back("Inputs");
  table.head.push_back("Parameters");
  for (const ReportLayer& layer : data.layers) {
    std::vector<std::string> row = {escape_html(layer.name), escape_html(layer.type), escape_html(layer.output_shape)};
    if (inputs) row.push_back(escape_html(layer.inputs));
    row.push_back(format_count(layer.parameters));
    table.rows.push_back(std::move(row));
  }
  const int64_t total = data.trainable_parameters + data.fixed_parameters;
  return "<section id=\"model\"><h2>Model</h2>\n" + render_table(table) +
         fmt::format("<p>{} parameters: {} trainable, {} not trainable.</p></section>\n", format_count(total),
                     format_count(data.trainable_parameters), format_count(data.fixed_parameters));
}

std::string facts_table(const ReportData& data) {
  if (data.facts.empty()) return "";
  HtmlTable table;
  table.css_class = "facts";
  table.first_number = 2;
  for (const auto& [name, value] : data.facts) table.rows.push_back({escape_html(name), escape_html(value)});
  return "<section id=\"run\"><h2>Run</h2>\n" + render_table(table) + "</section>\n";
}

}  // namespace

std::string render_report(const ReportData& data) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline';img-src data:\">\n";
  page += "<title>" + escape_html(data.title) + "</title>\n<style>" + std::string(kReportStyle) + "</style></head>\n<body>\n";
  page += header(data) + cards(data) + final_numbers(data);
  if (!data.history.epochs.empty()) page += charts(data) + epoch_table(data.history) + "</section>\n";
  if (data.confusion && data.confusion->size() > 0) page += render_classes(*data.confusion);
  page += render_pictures(data.pictures, data.pictures_name);
  if (data.anomalies) page += render_anomalies(*data.anomalies);
  page += model_table(data) + facts_table(data);
  if (!data.config_yaml.empty()) {
    page += "<details><summary>Configuration, with every default</summary>\n<pre>" + escape_html(data.config_yaml) + "</pre></details>\n";
  }
  return page + "</body></html>\n";
}

void write_report(const std::string& path, const ReportData& data) { atomic_write(path, render_report(data)); }

}  // namespace dl
