// Layers against real Keras: outputs, gradients with respect to inputs and weights, moving statistics, weight paths and the
// groups of .weights.h5 (keras_gradients_*.yaml, made by make_keras_gradients.py from keras_gradient_cases.py). Inputs and
// weights come from the same generator on both sides, so only results are stored.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string_view>

#include "autodiff/gradient.h"
#include "backend/backend.h"
#include "plan/session.h"
#include "unit/layers/helpers.h"

namespace dl {
namespace {

constexpr double kTolerance = 1e-5;

Dims dims_of(const spec::Node& sizes) {
  Dims dims;
  for (const spec::Node& size : sizes.items()) dims.push_back(size.as_int());
  return dims;
}

// The generator of make_keras_gradients.py: in [-1, 1).
Tensor numbers(int64_t seed, const Dims& dims) {
  Tensor t(DType::kFloat32, dims);
  int64_t state = seed * 7919 + 1;
  for (int64_t i = 0; i < t.size(); ++i) {
    state = (state * 1103515245 + 12345) % (int64_t{1} << 31);
    t.set(i, static_cast<double>(state >> 8) / (1 << 22) - 1);
  }
  return t;
}

bool kept(int64_t sample, int64_t step) { return sample != 2 && (sample * 7 + step * 3 + 1) % 5 >= 2; }

bool holds(const spec::Node& list, int64_t value) {
  for (const spec::Node& item : list.items())
    if (item.as_int() == value) return true;
  return false;
}

Tensor make_input(const spec::Node& c, size_t i, const Shape& shape) {
  Dims dims = {c.find("batch")->as_int()};
  for (size_t axis = 1; axis < shape.size(); ++axis) dims.push_back(shape[axis].value());
  Tensor x = numbers(1 + static_cast<int64_t>(i), dims);
  if (const int64_t limit = c.find("integers")->as_int(); limit > 0) {
    Tensor integers(DType::kInt32, dims);
    for (int64_t k = 0; k < x.size(); ++k) integers.set(k, std::floor((x.at(k) + 1) / 2 * static_cast<double>(limit)));
    return integers;
  }
  if (!holds(*c.find("masked"), static_cast<int64_t>(i))) return x;
  const int64_t row = x.size() / (dims[0] * dims[1]);
  for (int64_t k = 0; k < x.size(); ++k)
    if (!kept(k / row / dims[1], k / row % dims[1])) x.set(k, 0);
  return x;
}

Tensor make_weight(int64_t j, const std::string& name, const Dims& dims) {
  Tensor x = numbers(101 + j, dims);
  if (name.find("variance") == std::string::npos) return x;
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, static_cast<float>(std::abs(x.at(i))) + 0.1f);
  return x;
}

// Largest difference, relative to the largest value expected (or 1, so that zeros may be off by rounding).
void check_close(const Tensor& found, const spec::Node& expected, const std::string& what) {
  CAPTURE(what);
  REQUIRE(found.dims() == dims_of(*expected.find("shape")));
  const std::vector<spec::Node>& values = expected.find("values")->items();
  REQUIRE(found.size() == static_cast<int64_t>(values.size()));
  double worst = 0, largest = 1;
  for (int64_t i = 0; i < found.size(); ++i) {
    const double wanted = values[static_cast<size_t>(i)].as_double(), difference = std::abs(found.at(i) - wanted);
    worst = difference <= worst ? worst : difference;  // NaN stays
    largest = std::max(largest, std::abs(wanted));
  }
  CHECK(worst / largest < kTolerance);
}

// The layer's own weights come before those of the layers inside it or after, as Keras has it: the last layer of the model
// is the one under test, a layer before it owns the first weights.
std::vector<size_t> weight_order(const Built& b) {
  std::vector<size_t> order;
  for (const bool trainable : {true, false})
    for (const auto& layer : b.model.layers)
      for (size_t index : b.registry.keras_order(layer->name))
        if (b.registry.weights()[index].parameter.trainable == trainable) order.push_back(index);
  return order;
}

struct Prepared {
  Program program;
  std::vector<Tensor> inputs;
  size_t outputs = 0, dx = 0, dw = 0, state = 0;
};

// What the layers see of a weight: its value, or the one that a layer set it to (SpectralNormalization).
Var seen(Built& b, size_t index) {
  Var value{&b.graph, b.registry.weights()[index].parameter.value};
  for (const WeightUpdate& assigned : b.result.assigned)
    if (assigned.weight == index) value = assigned.value;
  return value;
}

// Outputs of the program: y, dx, dw, state.
Prepared prepare(const spec::Node& c, Built& b, const std::vector<size_t>& order) {
  Prepared p;
  std::vector<Var> wrt, results;
  for (size_t i = 0; i < b.result.inputs.size(); ++i) {
    const Var x{&b.graph, b.result.inputs[i].value};
    p.inputs.push_back(make_input(c, i, x.shape()));
    if (is_float(x.dtype())) wrt.push_back(x), ++p.dx;
  }
  for (size_t index : order) {
    if (b.registry.weights()[index].parameter.trainable) wrt.push_back(seen(b, index)), ++p.dw;
  }
  const spec::Node* forward = c.find("forward");
  if (forward && forward->as_bool()) wrt.clear(), p.dx = p.dw = 0;
  Var loss = scalar(b.graph, DType::kFloat32, 0);
  std::vector<NamedValue> factors;
  std::vector<Tensor> factor_values;
  for (const ModelOutputValue& output : b.result.outputs) {
    results.push_back(output.value);
    const Dims dims = dims_of(*c.find("y")->items().at(p.outputs).find("shape"));
    if (!is_float(output.value.dtype())) {
      ++p.outputs;
      continue;
    }
    factor_values.push_back(numbers(201 + static_cast<int64_t>(p.outputs++), dims));
    const Var factor = input(b.graph, "factor" + std::to_string(p.outputs), output.value.type());
    factors.push_back({"factor" + std::to_string(p.outputs), factor.value});
    loss = loss + reduce_sum(output.value * factor);
  }
  for (Var d : gradient(loss, wrt)) results.push_back(d);
  p.state = b.result.assigned.size() + b.result.updates.size();
  for (size_t index : order)
    for (const std::vector<WeightUpdate>* changed : {&b.result.assigned, &b.result.updates})
      for (const WeightUpdate& update : *changed)
        if (update.weight == index) results.push_back(update.value);
  p.program.graph = b.graph;
  p.program.inputs = b.result.inputs;
  p.program.inputs.insert(p.program.inputs.end(), factors.begin(), factors.end());
  p.inputs.insert(p.inputs.end(), factor_values.begin(), factor_values.end());
  p.program.parameters = b.registry.parameters();
  if (c.find("training")->as_bool()) {
    p.program.inputs.push_back({"step", input(p.program.graph, "step", {DType::kInt64, {}}).value});
    p.inputs.push_back(Tensor(DType::kInt64, {}));
  }
  for (size_t i = 0; i < results.size(); ++i) p.program.outputs.push_back({"r" + std::to_string(i), results[i].value});
  return p;
}

void check_case(const spec::Node& c) {
  Built b(c.find("model")->as_string(), c.find("training")->as_bool() ? Mode::kTraining : Mode::kInference);
  const std::vector<size_t> order = weight_order(b);
  const std::vector<spec::Node>& shapes = c.find("weights")->items();
  REQUIRE(order.size() == shapes.size());
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  for (size_t j = 0; j < order.size(); ++j) {
    const Parameter& parameter = b.registry.weights()[order[j]].parameter;
    CHECK(b.graph.type(parameter.value).shape == to_shape(dims_of(shapes[j])));
    session.parameters().set(parameter.name, make_weight(static_cast<int64_t>(j), parameter.name, dims_of(shapes[j])));
  }
  const std::vector<size_t> own = b.registry.keras_order(b.model.layers.back()->name);
  const std::vector<spec::Node>&paths = c.find("paths")->items(), &objects = c.find("objects")->items();
  REQUIRE(own.size() == paths.size());
  for (size_t j = 0; j < own.size(); ++j) {
    CHECK(b.registry.weights()[own[j]].parameter.name == paths[j].as_string());
    CHECK(b.registry.weights()[own[j]].object == objects[j].as_string());
  }
  const Prepared p = prepare(c, b, order);
  Executable& ran = session.run(session.add(p.program), p.inputs);
  size_t next = 0;
  const auto check_all = [&](const char* key, size_t count) {
    const std::vector<spec::Node>& expected = c.find(key)->items();
    REQUIRE(expected.size() == count);
    for (size_t i = 0; i < count; ++i) check_close(ran.output(next++), expected[i], key + std::to_string(i));
  };
  check_all("y", p.outputs);
  check_all("dx", p.dx);
  check_all("dw", p.dw);
  check_all("state", p.state);
}

}  // namespace

TEST_CASE("layers give Keras's outputs and gradients, each in three configurations at least") {
  std::map<std::string, int> configurations;
  for (const char* judge : {"torch", "tensorflow"}) {
    const spec::Node golden = spec::load_yaml(std::string("tests/unit/layers/keras_gradients_") + judge + ".yaml");
    for (const spec::Node& c : golden.find("cases")->items()) {
      const std::string model = c.find("model")->as_string();
      for (const LayerDef* def : layer_table())
        if (c.find("class")->as_string() == def->class_name || model.find(fmt::format("\"{}\"", def->class_name)) != std::string::npos)
          ++configurations[def->class_name];
      CAPTURE(judge);
      CAPTURE(model);
      try {
        check_case(c);
      } catch (const std::exception& error) {
        FAIL_CHECK(std::string(error.what()));
      }
    }
  }
  for (const LayerDef* def : layer_table()) {
    const std::string name = def->class_name;
    // An expression of dltool's own; classes that only keras.applications has (the oracle of files judges those).
    if (name == "Lambda" || def->keras_module != std::string_view("keras.layers")) continue;
    CAPTURE(name);
    CHECK(configurations[name] >= 3);
  }
}

}  // namespace dl
