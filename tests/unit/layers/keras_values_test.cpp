// Layers, masks, activations and losses against numbers that real Keras computed (keras_values.yaml, made by
// make_keras_values.py), with Keras's own weights handed over in Keras's order.
#include <doctest/doctest.h>

#include <cmath>

#include "autodiff/gradient.h"
#include "backend/backend.h"
#include "layers/activations.h"
#include "layers/losses.h"
#include "plan/session.h"
#include "unit/layers/helpers.h"

namespace dl {
namespace {

Tensor tensor_of(const spec::Node& node, DType dtype) {
  Dims dims;
  for (const spec::Node& size : node.find("shape")->items()) dims.push_back(size.as_int());
  Tensor t(dtype, dims);
  const std::vector<spec::Node>& values = node.find("values")->items();
  REQUIRE(t.size() == static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) t.set(static_cast<int64_t>(i), values[i].as_double());
  return t;
}

Program program_of(Built& b) {
  Program program;
  program.graph = b.graph;
  program.inputs = b.result.inputs;
  program.outputs = {{"y", b.output().value}};
  program.parameters = b.registry.parameters();
  return program;
}

Tensor run_once(const Program& program, const std::vector<std::pair<std::string, Tensor>>& weights, const std::vector<Tensor>& inputs) {
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  for (const auto& [name, value] : weights) session.parameters().set(name, value);
  return session.run(session.add(program), inputs).output(0);
}

// Largest difference, relative to values above 1.
double distance(const Tensor& a, const Tensor& b) {
  double worst = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a.at(i) - b.at(i)) / std::max(1.0, std::abs(b.at(i)));
    worst = difference <= worst ? worst : difference;  // NaN stays
  }
  return worst;
}

const spec::Node& keras_values() {
  static const spec::Node node = spec::load_yaml("tests/unit/layers/keras_values.yaml");
  return node;
}

Program loss_program(const Loss& loss, const TensorType& y_pred) {
  Program program;
  const Var prediction = input(program.graph, "y_pred", y_pred), target = input(program.graph, "y_true", target_type(loss, y_pred));
  program.inputs = {{"y_pred", prediction.value}, {"y_true", target.value}};
  program.outputs = {{"loss", build_loss(loss, target, prediction).value}};
  return program;
}

Loss loss_of(const std::string& text) {
  spec::Problems problems;
  const Loss loss = read_loss(spec::parse_yaml(text, "loss"), "loss", problems);
  problems.throw_if_any();
  return loss;
}

}  // namespace

TEST_CASE("every layer gives Keras's numbers from Keras's weights") {
  for (const spec::Node& c : keras_values().find("layers")->items()) {
    const std::string layers = c.find("layers")->as_string();
    CAPTURE(layers);
    const DType dtype = c.find("integers")->as_bool() ? DType::kInt32 : DType::kFloat32;
    std::string text = "inputs:\n";
    std::vector<Tensor> inputs;
    for (const spec::Node& value : c.find("inputs")->items()) {
      text += "  x" + std::to_string(inputs.size()) + ": {dtype: " + name_of(dtype) + ", shape: [";
      inputs.push_back(tensor_of(value, dtype));
      for (int64_t axis = 1; axis < inputs.back().rank(); ++axis)
        text += (axis > 1 ? ", " : "") + std::to_string(inputs.back().dims()[static_cast<size_t>(axis)]);
      text += "]}\n";
    }
    Built b(text + "layers:\n" + layers);
    std::vector<std::pair<std::string, Tensor>> weights;
    for (const auto& layer : b.model.layers) {
      for (size_t index : b.registry.keras_order(layer->name)) {
        const Parameter& parameter = b.registry.weights()[index].parameter;
        REQUIRE(weights.size() < c.find("weights")->items().size());
        weights.emplace_back(parameter.name, tensor_of(c.find("weights")->items()[weights.size()], DType::kFloat32));
        CHECK(to_shape(weights.back().second.dims()) == b.graph.type(parameter.value).shape);
      }
    }
    REQUIRE(weights.size() == c.find("weights")->items().size());
    const Tensor expected = tensor_of(*c.find("output"), DType::kFloat32);
    const Tensor y = run_once(program_of(b), weights, inputs);
    REQUIRE(y.dims() == expected.dims());
    CHECK(distance(y, expected) < 1e-6);
  }
}

TEST_CASE("losses give Keras's numbers") {
  for (const spec::Node& c : keras_values().find("losses")->items()) {
    const std::string text = c.find("loss")->as_string();
    CAPTURE(text);
    const Loss loss = loss_of(text);
    const Tensor y_pred = tensor_of(*c.find("y_pred"), DType::kFloat32);
    const TensorType type{DType::kFloat32, to_shape(y_pred.dims())};
    const Tensor value = run_once(loss_program(loss, type), {}, {y_pred, tensor_of(*c.find("y_true"), target_type(loss, type).dtype)});
    CHECK(value.at(0) == doctest::Approx(c.find("value")->as_double()).epsilon(2e-6));
  }
}

TEST_CASE("crossentropy of a softmax starts from the logits: no loss of gradient where the softmax is 0") {
  Program program;
  const Var logits = input(program.graph, "x", {DType::kFloat32, {Dim::symbol("batch"), 3}});
  const Var target = input(program.graph, "y", {DType::kInt64, {Dim::symbol("batch")}});
  const Var loss = build_loss(loss_of("sparse_categorical_crossentropy"), target, apply_activation("softmax", logits));
  program.inputs = {{"x", logits.value}, {"y", target.value}};
  program.outputs = {{"dx", gradient(loss, std::vector<Var>{logits})[0].value}, {"loss", loss.value}};
  const Tensor x = Tensor::from<float>({1, 3}, std::vector<float>{0, 60, 0}), y = Tensor::from<int64_t>({1}, std::vector<int64_t>{0});
  const Tensor dx = run_once(program, {}, {x, y});
  CHECK(dx.at(0) == doctest::Approx(-1));
  CHECK(dx.at(1) == doctest::Approx(1));
}

TEST_CASE("masked losses average over the kept steps, sample weights multiply") {
  Program program;
  Graph& g = program.graph;
  const Var y_pred = input(g, "p", {DType::kFloat32, {2, 2, 1}}), y_true = input(g, "t", {DType::kFloat32, {2, 2, 1}});
  const Var mask = input(g, "m", {DType::kBool, {2, 2}}), weight = input(g, "w", {DType::kFloat32, {2}});
  program.inputs = {{"p", y_pred.value}, {"t", y_true.value}, {"m", mask.value}, {"w", weight.value}};
  const Loss mse = loss_of("mse");
  program.outputs = {
      {"l",
       concat({reshape(build_loss(mse, y_true, y_pred, mask), {1}), reshape(build_loss(mse, y_true, y_pred, {}, weight), {1})}, 0).value}};
  const bool kept[] = {true, false, true, true};
  const Tensor l = run_once(program, {},
                            {Tensor::from<float>({2, 2, 1}, std::vector<float>{1, 2, 3, 4}), Tensor(DType::kFloat32, {2, 2, 1}),
                             Tensor::from<bool>({2, 2}, kept), Tensor::from<float>({2}, std::vector<float>{1, 3})});
  CHECK(l.at(0) == doctest::Approx((1 + 9 + 16) / 3.0));
  CHECK(l.at(1) == doctest::Approx((1 + 4 + 3 * (9 + 16)) / 4.0));
}

TEST_CASE("gradients of activations stay finite far out") {
  const Tensor x = Tensor::from<float>({1, 8}, std::vector<float>{-1e4f, -200, -89, -1, 0, 89, 200, 1e4f});
  for (std::string_view name : activation_names()) {
    if (name == "exponential") continue;  // overflows by definition
    CAPTURE(std::string(name));
    Program program;
    const Var in = input(program.graph, "x", {DType::kFloat32, {1, 8}});
    const Var y = apply_activation(name, in);
    program.inputs = {{"x", in.value}};
    program.outputs = {{"dx", gradient(y, std::vector<Var>{in})[0].value}};
    const Tensor dx = run_once(program, {}, {x});
    for (int64_t i = 0; i < dx.size(); ++i) CHECK(std::isfinite(dx.at(i)));
  }
}

}  // namespace dl
