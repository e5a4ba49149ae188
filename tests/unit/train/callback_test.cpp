#include "train/callback.h"

#include <cmath>
#include <set>

#include "base/error.h"
#include "golden.h"
#include "unit/text.h"

namespace dl {
namespace {

CallbackContext context_of(bool validation = true) {
  return {{{"loss", Direction::kDown}, {"accuracy", Direction::kUp}}, validation, "", true};
}

std::unique_ptr<Callback> callback_of(const spec::Node& node, const CallbackContext& context = context_of()) {
  spec::Problems problems;
  auto callbacks = read_callbacks(spec::Node::list({node}), "training.callbacks", context, problems);
  CHECK(text_of(problems) == "");
  REQUIRE(callbacks.size() == 1);
  return std::move(callbacks[0]);
}

std::string callback_problems(const std::string& text, const CallbackContext& context = context_of()) {
  spec::Problems problems;
  read_callbacks(node_of(text), "training.callbacks", context, problems);
  return text_of(problems);
}

// What a training loop does with the decisions.
struct Loop {
  double rate = 0.1f;
  std::optional<int64_t> stopped;
  std::optional<int64_t> remembered;  // epoch
};

// Before every epoch the callback is replaced by a new one with its state, as after a kill.
TEST_CASE("callbacks decide as Keras's, resumed after every epoch too") {
  std::set<std::string> seen;
  for (const auto& golden : read_golden("callbacks.json")) {
    CAPTURE(golden.at("callback").dump());
    CAPTURE(golden.at("series").get<std::string>());
    for (const bool resumed : {false, true}) {
      CAPTURE(resumed);
      auto callback = callback_of(node_of_json(golden.at("callback")));
      seen.insert(callback->def().class_name);
      Loop loop;
      for (size_t epoch = 0; epoch < golden.at("epochs").size(); ++epoch) {
        CAPTURE(epoch);
        if (resumed) {
          const std::string state = callback->to_json();
          callback = callback_of(node_of_json(golden.at("callback")));
          callback->from_json(state);
          CHECK(callback->to_json() == state);
        }
        Logs logs = {{"loss", 1.0}};
        const auto& value = golden.at("values")[epoch];
        if (!value.is_null()) logs.emplace_back("val_loss", std::strtod(value.get<std::string>().c_str(), nullptr));
        const auto index = static_cast<int64_t>(epoch);
        const CallbackDecision decision = callback->on_epoch_end(index, logs, loop.rate);
        if (decision.learning_rate) loop.rate = static_cast<float>(*decision.learning_rate);
        if (decision.remember_weights) loop.remembered = index;
        if (decision.stop) loop.stopped = index;
        const auto& expected = golden.at("epochs")[epoch];
        CHECK(loop.rate == expected.at("rate").get<double>());
        // Where Keras lets NaN be the best, or saves because there is nothing to compare, ours differs on purpose; see below.
        if (callback->keep() && golden.at("series") != "first_nan")
          CHECK((decision.save || decision.save_best) == expected.at("saved").get<bool>());
        CHECK(decision.stop == (!golden.at("stopped").is_null() && golden.at("stopped").get<int64_t>() == index));
      }
      const CallbackDecision end = callback->on_train_end();
      CHECK(end.restore_weights == !golden.at("restored").is_null());
      if (end.restore_weights) CHECK(loop.remembered == golden.at("restored").get<int64_t>());
    }
  }
  CHECK(seen == std::set<std::string>{"EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"});
}

TEST_CASE("the direction follows the metric, or mode") {
  const auto stops = [](const char* text) {
    const auto callback = callback_of(node_of(text));
    callback->on_epoch_end(0, {{"val_accuracy", 0.5}}, 0.1);
    return callback->on_epoch_end(1, {{"val_accuracy", 0.6}}, 0.1).stop;
  };
  CHECK(!stops("EarlyStopping: {monitor: val_accuracy}"));
  CHECK(stops("EarlyStopping: {monitor: val_accuracy, mode: min}"));
}

TEST_CASE("the reason of a stop says what happened") {
  const auto callback = callback_of(node_of("EarlyStopping: {patience: 2}"));
  callback->on_epoch_end(0, {{"val_loss", 0.25}}, 0.1);
  callback->on_epoch_end(1, {{"val_loss", 0.5}}, 0.1);
  const CallbackDecision decision = callback->on_epoch_end(2, {{"val_loss", 0.5}}, 0.1);
  CHECK(decision.stop);
  CHECK(decision.reason == "val_loss did not improve for 2 epochs (best 0.25 in epoch 1)");
}

TEST_CASE("a missing log is warned about once") {
  const auto callback = callback_of(node_of("EarlyStopping"));
  const CallbackDecision first = callback->on_epoch_end(0, {{"loss", 1}}, 0.1);
  REQUIRE(first.messages.size() == 1);
  CHECK(has(first.messages[0], "'val_loss' is not in the logs of this epoch (loss)"));
  CHECK(callback->on_epoch_end(1, {{"loss", 1}}, 0.1).messages.empty());
}

TEST_CASE("ModelCheckpoint: every epoch, and the best") {
  const auto callback = callback_of(node_of("ModelCheckpoint: {keep: 5}"));
  CHECK(callback->keep() == 5);
  const double losses[] = {1, 0.5, 0.7, std::nan(""), 0.4};
  const bool best[] = {true, true, false, false, true};
  for (int i = 0; i < 5; ++i) {
    const CallbackDecision decision = callback->on_epoch_end(i, {{"val_loss", losses[i]}}, 0.1);
    CHECK(decision.save);
    CHECK(decision.save_best == best[i]);
  }
  CHECK(!callback->on_step_end(1, {{"loss", 1}}, 0).save);
}

TEST_CASE("a NaN is never the best checkpoint") {
  const auto callback = callback_of(node_of("ModelCheckpoint: {save_best_only: true}"));
  CHECK(!callback->on_epoch_end(0, {{"val_loss", std::nan("")}}, 0.1).save_best);
  CHECK(callback->on_epoch_end(1, {{"val_loss", 0.5}}, 0.1).save_best);
}

TEST_CASE("ModelCheckpoint: by steps, over the ends of epochs and resumes") {
  const std::string text = "ModelCheckpoint: {save_freq: 3}";
  auto callback = callback_of(node_of(text));
  std::string saved;
  for (int step = 1; step <= 10; ++step) {
    if (step == 6) {
      const std::string state = callback->to_json();
      callback = callback_of(node_of(text));
      callback->from_json(state);
    }
    saved += callback->on_step_end(step, {{"loss", 1}}, step).save ? '1' : '0';
    if (step % 4 == 0) CHECK(!callback->on_epoch_end(step / 4 - 1, {{"loss", 1}, {"val_loss", 1}}, 0.1).save);
  }
  CHECK(saved == "0010010010");
}

TEST_CASE("ModelCheckpoint: by seconds") {
  const auto callback = callback_of(node_of("ModelCheckpoint: {every_seconds: 2.5, save_best_only: true}"));
  std::string saved;
  for (int i = 0; i < 9; ++i) saved += callback->on_step_end(i + 1, {{"loss", 1}}, 100 + i).save ? '1' : '0';
  CHECK(saved == "000100100");
}

TEST_CASE("a run without validation may keep checkpoints") {
  const auto callback = callback_of(node_of("ModelCheckpoint"), context_of(false));
  const CallbackDecision decision = callback->on_epoch_end(0, {{"loss", 1}}, 0.1);
  CHECK(decision.save);
  CHECK(!decision.save_best);
  CHECK(has(callback_problems("[{ModelCheckpoint: {save_best_only: true}}]", context_of(false)), "has no validation data"));
}

TEST_CASE("TerminateOnNaN") {
  const auto callback = callback_of(node_of("TerminateOnNaN"));
  CHECK(!callback->on_step_end(1, {{"loss", 1e30}}, 0).stop);
  const CallbackDecision decision = callback->on_step_end(7, {{"loss", std::nan("")}}, 0);
  CHECK(decision.stop);
  CHECK(!decision.numeric_failure);
  CHECK(decision.reason == "the loss is nan in step 7");
  CHECK(callback_of(node_of("TerminateOnNaN: {raise_error: true}"))->on_step_end(1, {{"loss", -INFINITY}}, 0).numeric_failure);
}

TEST_CASE("a resume may change the keys, not the state") {
  const auto before = callback_of(node_of("EarlyStopping: {patience: 1}"));
  before->on_epoch_end(0, {{"val_loss", 0.1}}, 0.1);
  const auto after = callback_of(node_of("EarlyStopping: {patience: 2}"));
  after->from_json(before->to_json());
  CHECK(!after->on_epoch_end(1, {{"val_loss", 0.2}}, 0.1).stop);
  CHECK(after->on_epoch_end(2, {{"val_loss", 0.2}}, 0.1).stop);
}

TEST_CASE("a damaged state is a file error") {
  for (const char* name : {"EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"}) {
    for (const char* text : {"", "{", "[]", "{}", R"({"best":"x","best_epoch":0,"wait":0,"remembered":false,"cooling":0,"steps":0})",
                             R"({"best":1,"best_epoch":0,"wait":0,"remembered":false,"cooling":0,"steps":0})"}) {
      CAPTURE(text);
      CHECK_THROWS_AS(callback_of(node_of(name))->from_json(text), FileError);
    }
  }
  CHECK_THROWS_AS(callback_of(node_of("TerminateOnNaN"))->from_json("{"), FileError);
}

TEST_CASE("decisions of several callbacks together") {
  CallbackDecision a, b;
  a.stop = b.stop = true;
  a.reason = "first";
  b.reason = "second";
  a.learning_rate = 0.1;
  b.learning_rate = 0.01;
  b.save = true;
  b.messages = {"m"};
  a.merge(std::move(b));
  CHECK(a.reason == "first");
  CHECK(a.learning_rate == 0.01);
  CHECK(a.save);
  CHECK(a.messages == std::vector<std::string>{"m"});
}

TEST_CASE("what is wrong with callbacks is said") {
  CHECK(has(callback_problems("[{EarlyStopping: {monitor: val_los}}]"),
            "monitor: is 'val_los', which this run does not log (did you mean 'val_loss'?)"));
  CHECK(has(callback_problems("[EarlyStopping]", context_of(false)), "add data.validation, or set monitor to 'loss'"));
  CHECK(has(callback_problems("[EarlyStoping]"), "unknown callback 'EarlyStoping' (did you mean 'EarlyStopping'?)"));
  CHECK(has(callback_problems("[{EarlyStopping: {patience: -1}}]"), "patience: is -1, must be an integer >= 0"));
  CHECK(has(callback_problems("[{EarlyStopping: {mode: up}}]"), "must be one of auto, min, max"));
  CHECK(has(callback_problems("[{ReduceLROnPlateau: {factor: 1}}]"), "factor: is 1"));
  CHECK(has(callback_problems("[{ModelCheckpoint: {save_freq: 0}}]"), "save_freq: must be 'epoch' or a number of steps >= 1"));
  CHECK(has(callback_problems("[{ModelCheckpoint: {filepath: x.keras}}]"), "filepath: is not supported"));
  CHECK(has(callback_problems("EarlyStopping: {}"), "must be a list of callbacks"));
  CallbackContext scheduled = context_of();
  scheduled.fixed_learning_rate = "follows a schedule: give the optimizer a number";
  CHECK(has(callback_problems("[ReduceLROnPlateau]", scheduled), "cannot change a learning rate that follows a schedule"));
}

}  // namespace
}  // namespace dl
