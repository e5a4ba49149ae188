// What Discretization and IntegerLookup learn, against adapt of real Keras (learned.yaml, made by make_learned.py).
#include "layers/learned.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "unit/layers/helpers.h"

namespace dl {
namespace {

// The generator of make_learned.py.
std::vector<float> lcg_numbers(int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0, state = 7920; i < count; ++i) {
    state = (state * 1103515245 + 12345) % (int64_t{1} << 31);
    values.push_back(static_cast<float>(static_cast<double>(state >> 8) / (1 << 22) - 1));
  }
  return values;
}

Model one_layer(const std::string& class_name, const spec::Node& config, const std::string& input) {
  const spec::Node layer = spec::Node::map({{class_name, config}});
  const spec::Node inputs = spec::parse_yaml("{x: " + input + "}", "t.yaml");
  spec::Problems problems;
  Model model = parse_model(spec::Node::map({{"inputs", inputs}, {"layers", spec::Node::list({layer})}}), "", problems);
  problems.throw_if_any();
  return model;
}

// `parts` batches of about the same size, which must not matter.
spec::Node learn(Learner& learner, const Tensor& data, int64_t parts) {
  const int64_t rows = data.dims()[0], width = data.size() / rows;
  for (int64_t p = 0; p < parts; ++p) {
    const int64_t begin = rows * p / parts, end = rows * (p + 1) / parts;
    Tensor part(data.dtype(), {end - begin, width});
    for (int64_t i = 0; i < part.size(); ++i) part.set(i, data.at(begin * width + i));
    learner.add(part);
  }
  return learner.finish();
}

}  // namespace

TEST_CASE("Discretization learns Keras's borders, whatever the batches") {
  const spec::Node golden = spec::load_yaml("tests/unit/layers/learned.yaml");
  for (const spec::Node& c : golden.find("bins")->items()) {
    CAPTURE(spec::to_yaml(c));
    const int64_t size = c.find("size")->as_int(), chunk = c.find("chunk")->as_int();
    const auto power = static_cast<float>(c.find("power")->as_int());
    Tensor data(DType::kFloat32, {size, 1});
    const std::vector<float> values = lcg_numbers(size);
    for (int64_t i = 0; i < size; ++i) {
      const float v = values[static_cast<size_t>(i)];
      data.set(i, std::copysign(std::pow(std::abs(v), power), v));
    }
    const Model model = one_layer("Discretization", *c.find("config"), "{shape: [1]}");
    const std::vector<spec::Node>& wanted = c.find("borders")->items();
    for (const int64_t parts : {1, 5}) {
      const auto learner = make_bin_learner(*model.layers[0], chunk ? chunk : int64_t{1} << 24);
      const spec::Node keys = learn(*learner, data, parts);
      const std::vector<spec::Node>& borders = keys.find("bin_boundaries")->items();
      REQUIRE(borders.size() == wanted.size());
      for (size_t i = 0; i < borders.size(); ++i) CHECK(borders[i].as_double() == doctest::Approx(wanted[i].as_double()).epsilon(1e-6));
    }
  }
}

TEST_CASE("IntegerLookup learns Keras's vocabulary and weights") {
  const spec::Node golden = spec::load_yaml("tests/unit/layers/learned.yaml");
  for (const spec::Node& c : golden.find("lookups")->items()) {
    CAPTURE(spec::to_yaml(c));
    const int64_t rows = c.find("rows")->as_int(), columns = c.find("columns")->as_int();
    Tensor data(DType::kInt64, {rows, columns});
    const std::vector<float> values = lcg_numbers(rows * columns);
    for (int64_t i = 0; i < data.size(); ++i)
      data.set(i, std::floor((values[static_cast<size_t>(i)] + 1) / 2 * static_cast<float>(c.find("largest")->as_int())));
    const Model model = one_layer("IntegerLookup", *c.find("config"), "{shape: [" + std::to_string(columns) + "], dtype: int64}");
    for (const int64_t parts : {1, 4}) {
      std::optional<LearnRequest> request = next_to_learn(model);
      REQUIRE(request);
      const spec::Node keys = learn(*request->learner, data, parts);
      CHECK(*keys.find("vocabulary") == *c.find("vocabulary"));
      const std::vector<spec::Node>& wanted = c.find("idf_weights")->items();
      const spec::Node* weights = keys.find("idf_weights");
      REQUIRE((weights ? weights->items().size() : 0) == wanted.size());
      for (size_t i = 0; i < wanted.size(); ++i)
        CHECK(weights->items()[i].as_double() == doctest::Approx(wanted[i].as_double()).epsilon(1e-6));
    }
  }
}

TEST_CASE("what was learned becomes part of the model") {
  const std::string text =
      "inputs: {x: {shape: [2]}}\nlayers:\n  - Rescaling: {scale: 2}\n  - Discretization: {num_bins: 3, output_mode: multi_hot, name: "
      "bins}\n"
      "  - Dense: {units: 2}\n";
  const Model model = model_of(text);
  const std::optional<LearnRequest> request = next_to_learn(model);
  REQUIRE(request);
  CHECK(request->layer == "bins");
  CHECK(!request->input.is_input);
  const spec::Node learned = spec::parse_yaml("bins: {bin_boundaries: [0.5, 1.5, 2.5]}", "t.yaml");
  spec::Problems problems;
  const Model ready = parse_model(with_learned(spec::parse_yaml(text, "m.yaml"), model, learned), "", problems);
  problems.throw_if_any();
  CHECK(!next_to_learn(ready));
  CHECK(Built(ready).shape() == "[batch, 2]");
  std::string error;
  try {
    const Built unready(text);
  } catch (const UserError& e) {
    error = e.what();
  }
  CHECK(error.find("bins") != std::string::npos);
  CHECK(error.find("has no bins yet: training computes them") != std::string::npos);
}

TEST_CASE("data that cannot be learned from") {
  const auto error = [](const std::string& class_name, const std::string& config, const Tensor& data) {
    const Model model = one_layer(class_name, spec::parse_yaml(config, "t.yaml"), "{shape: [1]}");
    try {
      const std::optional<LearnRequest> request = next_to_learn(model);
      request->learner->add(data);
      request->learner->finish();
    } catch (const UserError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  Tensor nan(DType::kFloat32, {1, 1}), one(DType::kInt64, {1, 1});
  nan.set(0, std::nan(""));
  one.set(0, -1);
  CHECK(error("Discretization", "{num_bins: 3}", nan)
            .find("layer 'discretization': its bins cannot be computed: the training data holds NaN") == 0);
  CHECK(error("IntegerLookup", "{}", one).find("layer 'integer_lookup': its vocabulary cannot be learned") ==
        0);  // the token of what is unknown
}

}  // namespace dl
