// What tests of layers share: building a model from YAML text.
#pragma once

#include <string>

#include "layers/build.h"
#include "layers/model.h"
#include "ops/builders.h"
#include "spec/yaml.h"

namespace dl {

inline Model model_of(const std::string& text) {
  spec::Problems problems;
  Model model = parse_model(spec::parse_yaml(text, "m.yaml"), "", problems);
  problems.throw_if_any();
  return model;
}

// The problems of a bad model, one line each.
inline std::string problems_of(const std::string& text) {
  spec::Problems problems;
  parse_model(spec::parse_yaml(text, "m.yaml"), "", problems);
  std::string lines;
  for (const std::string& line : problems.lines()) lines += line + "\n";
  return lines;
}

// A model, built; members stay alive together.
struct Built {
  Model model;
  Graph graph;
  WeightRegistry registry;
  ModelGraph result;

  explicit Built(Model m, Mode mode = Mode::kInference, Precision precision = {}) : model(std::move(m)) {
    BuildOptions options;
    options.mode = mode;
    options.precision = precision;
    if (mode == Mode::kTraining) options.counter = input(graph, "step", {DType::kInt64, {}});
    result = build_model(model, graph, registry, options);
  }
  explicit Built(const std::string& text, Mode mode = Mode::kInference, Precision precision = {})
      : Built(model_of(text), mode, precision) {}
  Built(const Built&) = delete;

  Var output(size_t i = 0) const { return result.outputs.at(i).value; }
  std::string shape(size_t i = 0) const { return to_string(output(i).shape()); }
  int64_t parameter_count() const {
    int64_t count = 0;
    for (const Weight& weight : registry.weights()) count += element_count(graph.type(weight.parameter.value).shape).value();
    return count;
  }
};

}  // namespace dl
