// What a layer gives in training, where it draws random numbers.
#pragma once

#include <string>

#include "backend/backend.h"
#include "plan/session.h"
#include "unit/layers/helpers.h"

namespace dl {

// Output of `layer` in training for the input `x` in step `step`.
inline Tensor train_once(const std::string& layer, const Tensor& x, int64_t step) {
  std::string shape;
  for (size_t i = 1; i < x.dims().size(); ++i) shape += (i > 1 ? ", " : "") + std::to_string(x.dims()[i]);
  Built b("inputs: {x: [" + shape + "]}\nlayers:\n  - " + layer + "\n", Mode::kTraining);
  Program program;
  program.graph = b.graph;
  program.inputs = b.result.inputs;
  program.inputs.push_back({"step", input(program.graph, "step", {DType::kInt64, {}}).value});
  program.outputs = {{"y", b.output().value}};
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  return session.run(session.add(program), {x, Tensor::from<int64_t>({}, std::vector<int64_t>{step})}).output(0);
}

}  // namespace dl
