#include "train/run_state.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace dl {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no NaN and no infinity.
Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

double to_double(const Json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string text = value.get<std::string>();
  return text == "nan" ? NAN : text == "inf" ? INFINITY : -INFINITY;
}

Json logs_json(const Logs& logs) {
  Json list = Json::array();
  for (const auto& [name, value] : logs) list.push_back({name, number(value)});
  return list;
}

Json epoch_json(const EpochRecord& e) {
  return {{"epoch", e.epoch},
          {"step", e.step},
          {"seconds", e.seconds},
          {"data_wait_seconds", e.data_wait_seconds},
          {"samples_per_second", number(e.samples_per_second)},
          {"learning_rate", e.learning_rate},
          {"logs", logs_json(e.logs)}};
}

EpochRecord epoch_from(const Json& json) {
  EpochRecord e;
  e.epoch = json.at("epoch");
  e.step = json.at("step");
  e.seconds = json.at("seconds");
  e.data_wait_seconds = json.at("data_wait_seconds");
  e.samples_per_second = to_double(json.at("samples_per_second"));
  e.learning_rate = json.at("learning_rate");
  for (const Json& entry : json.at("logs")) e.logs.emplace_back(entry.at(0).get<std::string>(), to_double(entry.at(1)));
  return e;
}

}  // namespace

std::string to_json(const RunState& s) {
  Json json = {{"epoch", s.epoch},
               {"batch", s.batch},
               {"step", s.step},
               {"callbacks", s.callbacks},
               {"learning_rate_factor", s.learning_rate_factor},
               {"rollbacks", s.rollbacks},
               {"skipped_steps", s.skipped_steps},
               {"stopped", s.stopped},
               {"stop_reason", s.stop_reason},
               {"preprocessing", s.preprocessing}};
  json["sums"] = Json::array();
  for (double v : s.sums) json["sums"].push_back(number(v));
  json["history"] = Json::array();
  for (const EpochRecord& e : s.history.epochs) json["history"].push_back(epoch_json(e));
  if (s.learning_rate) json["learning_rate"] = *s.learning_rate;
  if (s.best_epoch) json["best_epoch"] = *s.best_epoch;
  if (s.anomaly_threshold) json["anomaly_threshold"] = number(*s.anomaly_threshold);
  if (!s.layers.empty()) json["layers"] = s.layers;
  if (s.averages_in_model) json["averages_in_model"] = true;
  return json.dump();
}

RunState run_state_from_json(const std::string& text, const std::string& origin) {
  try {
    const Json json = Json::parse(text);
    RunState s;
    s.epoch = json.at("epoch");
    s.batch = json.at("batch");
    s.step = json.at("step");
    s.callbacks = json.at("callbacks").get<std::vector<std::string>>();
    s.learning_rate_factor = json.at("learning_rate_factor");
    s.rollbacks = json.at("rollbacks");
    s.skipped_steps = json.at("skipped_steps");
    s.stopped = json.at("stopped");
    s.stop_reason = json.at("stop_reason");
    s.preprocessing = json.at("preprocessing");
    for (const Json& v : json.at("sums")) s.sums.push_back(to_double(v));
    for (const Json& e : json.at("history")) s.history.epochs.push_back(epoch_from(e));
    if (json.contains("learning_rate")) s.learning_rate = json.at("learning_rate").get<double>();
    if (json.contains("best_epoch")) s.best_epoch = json.at("best_epoch").get<int64_t>();
    if (json.contains("anomaly_threshold")) s.anomaly_threshold = to_double(json.at("anomaly_threshold"));
    if (json.contains("layers")) s.layers = json.at("layers").get<std::string>();
    if (json.contains("averages_in_model")) s.averages_in_model = json.at("averages_in_model").get<bool>();
    return s;
  } catch (const nlohmann::json::exception& e) {
    throw FileError(origin + ": the state of the run is damaged (" + e.what() + "); use an older checkpoint");
  }
}

}  // namespace dl
