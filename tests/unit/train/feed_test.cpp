#include "train/feed.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "spec/yaml.h"
#include "train/run_spec.h"

using namespace dl;

namespace {

Model dense_model(int units) {
  spec::Problems problems;
  Model model = parse_model(
      spec::parse_yaml("inputs: {x: {shape: [2]}}\nlayers: [{Dense: {name: kind, units: " + std::to_string(units) + "}}]\n", "m.yaml"), "",
      problems);
  problems.throw_if_any();
  return model;
}

TensorType type_of(Shape sizes, DType dtype) {
  sizes.insert(sizes.begin(), Dim::symbol("batch"));
  return {dtype, sizes};
}

const std::vector<Field> kFields = {{"x", DType::kFloat32, {2}, false, {}}, {"y", DType::kInt32, {}, true, {"a", "b", "c"}}};

std::string message_of(const Model& model, const TensorType& target, const TensorType& prediction, const std::vector<Field>& fields) {
  try {
    const Feed feed(model, {}, {target}, fields);
    check_class_counts(feed, {&prediction, 1}, fields);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("class numbers need a score each") {
  const TensorType target = type_of({}, DType::kInt64);
  const auto scores = [](int64_t n) { return type_of({Dim(n)}, DType::kFloat32); };
  CHECK(message_of(dense_model(2), target, scores(2), kFields) ==
        "output 'kind' of the model gives 2 score(s) per sample, field 'y' of the data has 3 classes; give the last layer 3 units");
  CHECK(message_of(dense_model(3), target, scores(3), kFields) == "");
  CHECK(message_of(dense_model(4), target, scores(4), kFields) == "");
}

TEST_CASE("one number per sample may stand for two classes") {
  const std::vector<Field> fields = {kFields[0], {"y", DType::kInt32, {}, true, {"a", "b"}}};
  const TensorType one = type_of({Dim(1)}, DType::kFloat32);
  CHECK(message_of(dense_model(1), one, one, fields) == "");
}

TEST_CASE("sizes that differ name both sides and the cure") {
  const std::vector<Field> fields = {{"x", DType::kFloat32, {3}, false, {}}, kFields[1]};
  CHECK(
      message_of(dense_model(3), type_of({}, DType::kInt64), type_of({Dim(3)}, DType::kFloat32), fields) ==
      "input 'x' of the model takes [batch, 2], field 'x' of the data has [batch, 3]; change the input's shape in the model, or shape: or "
      "columns: of the data");
}

TEST_CASE("problems of a run file have a place, and one mistake makes one line") {
  const auto problems_of = [](const std::string& text) -> std::string {
    try {
      parse_run_spec(text, "r.yaml");
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  const std::string head = "model: {inputs: {x: {shape: [2]}}, layers: [{Dense: {units: 2}}]}\ndata: {train: {path: t.csv}}\n";
  CHECK(problems_of("model: {inputs: {x: {shape: [2]}}, layers: [{Desne: {units: 2}}]}\ndata: {train: {path: t.csv}}\n"
                    "training: {loss: mse, metrics: [mae], callbacks: [TerminateOnNaN]}\n")
            .find('\n') == std::string::npos);
  CHECK(problems_of(head).starts_with("r.yaml:1:1: training.loss: required key is missing"));
  CHECK(problems_of(head + "training: {loss: mse, callbacks: [EarlyStopping]}\n")
            .starts_with("r.yaml:3:35: training.callbacks[0].EarlyStopping.monitor: "));
  CHECK(
      problems_of(head + "training: {loss: cross}\n").starts_with("r.yaml:3:18: training.loss: unknown loss 'cross'; known: expression, "));
}
