// Losses with their reductions, weights and masks against numbers of the real Keras (tests/golden/train/make_golden.py), values and
// gradients.
#include <cmath>
#include <set>

#include "autodiff/gradient.h"
#include "golden.h"
#include "layers/losses.h"
#include "ops/builders.h"
#include "plan/session.h"

namespace dl {
namespace {

Tensor tensor_of(const nlohmann::json& values, const nlohmann::json& shape, DType dtype) {
  Tensor t(dtype, shape.get<Dims>());
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, values[static_cast<size_t>(i)]);
  return t;
}

TensorType batch_type(const Tensor& t) {
  Shape shape = to_shape(t.dims());
  shape.at(0) = Dim::symbol("batch");
  return {t.dtype(), shape};
}

Loss loss_of(const spec::Node& node) {
  spec::Problems problems;
  const Loss loss = read_loss(node, "loss", problems);
  CHECK(text_of(problems) == "");
  return loss;
}

std::string loss_problems(const std::string& text) {
  spec::Problems problems;
  read_loss(node_of(text), "loss", problems);
  return text_of(problems);
}

}  // namespace

TEST_CASE("losses and their gradients are Keras's, with reductions, weights and masks") {
  std::set<std::string> seen;
  for (const auto& golden : read_golden("losses.json")) {
    CAPTURE(golden.at("loss").dump());
    CAPTURE(golden.at("mask").is_null());
    CAPTURE(golden.at("weights").is_null());
    const Loss loss = loss_of(node_of_json(golden.at("loss")));
    REQUIRE(loss.def);
    seen.insert(loss.def->name);
    Program program;
    Graph& graph = program.graph;
    std::vector<Tensor> tensors = {
        tensor_of(golden.at("y_pred"), golden.at("pred_shape"), DType::kFloat32),
        tensor_of(golden.at("y_true"), golden.at("true_shape"), golden.at("integer") ? DType::kInt64 : DType::kFloat32)};
    std::vector<Var> vars;
    const auto declare = [&](const char* name, const Tensor& tensor) {
      vars.push_back(input(graph, name, batch_type(tensor)));
      program.inputs.push_back({name, vars.back().value});
    };
    declare("y_pred", tensors[0]);
    declare("y_true", tensors[1]);
    Var mask, weights;
    if (!golden.at("mask").is_null()) {
      tensors.push_back(tensor_of(golden.at("mask"), golden.at("mask_shape"), DType::kFloat32));
      declare("mask", tensors.back());
      mask = cast(vars.back(), DType::kBool);
    }
    if (!golden.at("weights").is_null()) {
      tensors.push_back(tensor_of(golden.at("weights"), nlohmann::json::array({golden.at("weights").size()}), DType::kFloat32));
      declare("weights", tensors.back());
      weights = vars.back();
    }
    const Var value = build_loss(loss, vars[1], vars[0], mask, weights);
    program.outputs = {{"loss", value.value}, {"gradient", gradient(value, std::vector<Var>{vars[0]})[0].value}};
    const std::unique_ptr<Backend> cpu = make_cpu_backend();
    Session session(*cpu, {});
    const Executable& run = session.run(session.add(program), tensors);
    const double want = golden.at("value");
    CHECK(run.output(0).at(0) == doctest::Approx(want).epsilon(2e-5));
    const Tensor got = run.output(1);
    double scale = 1e-3, worst = 0;
    for (const double g : golden.at("gradient")) scale = std::max(scale, std::abs(g));
    for (int64_t i = 0; i < got.size(); ++i) {
      const double difference = std::abs(got.at(i) - golden.at("gradient")[static_cast<size_t>(i)].get<double>()) / scale;
      worst = difference <= worst ? worst : difference;  // NaN stays
    }
    CHECK(worst <= 5e-5);
  }
  CHECK(seen.size() == loss_table().size());
}

TEST_CASE("keys of losses that do not fit are told with what is allowed") {
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  CHECK(has(loss_problems("{Huber: {reduction: none}}"), "mean_with_sample_weight"));
  CHECK(has(loss_problems("{CategoricalGeneralizedCrossEntropy: {q: 1}}"), "below 1"));
  CHECK(has(loss_problems("binary_focal_crossentropi"), "binary_focal_crossentropy"));
  CHECK(has(loss_problems("{Tversky: {alph: 1}}"), "did you mean 'alpha'"));
}

TEST_CASE("CTC: labels that do not fit into the time give infinity, labels that are no class NaN") {
  Program program;
  const Var y = input(program.graph, "y", {DType::kFloat32, {3, 2, 4}}), t = input(program.graph, "t", {DType::kInt64, {3, 2}});
  program.inputs = {{"y", y.value}, {"t", t.value}};
  program.outputs = {{"values", loss_per_sample(loss_of(node_of("ctc")), t, y).values.value}};
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  const Tensor labels = Tensor::from<int64_t>({3, 2}, std::vector<int64_t>{1, 1, 1, 2, 1, 9});
  const Tensor values = session.run(session.add(program), {Tensor(DType::kFloat32, {3, 2, 4}), labels}).output(0);
  CHECK(std::isinf(values.at(0)));  // a blank is missing between the two
  CHECK(values.at(1) == doctest::Approx(2 * std::log(4.0)));
  CHECK(std::isnan(values.at(2)));
}

}  // namespace dl
