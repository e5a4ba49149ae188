#include "io/parity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "layers/build.h"
#include "plan/random_inputs.h"
#include "plan/session.h"

namespace dl {
namespace {

constexpr int64_t kOpenSize = 7;

// [n, h, w, c] -> [n, c, h, w] or back.
Tensor move_channels(const Tensor& t, bool first) {
  const auto rank = static_cast<size_t>(t.rank());
  std::vector<size_t> perm = {0};
  if (first) perm.push_back(rank - 1);
  for (size_t i = 1; i < rank; ++i)
    if (first ? i + 1 < rank : i >= 2) perm.push_back(i);
  if (!first) perm.push_back(1);
  Dims dims, strides(rank, 1);
  for (size_t i = rank - 1; i-- > 0;) strides[i] = strides[i + 1] * t.dims()[i + 1];
  for (size_t p : perm) dims.push_back(t.dims()[p]);
  Tensor moved(t.dtype(), dims);
  std::vector<int64_t> index(rank, 0);
  for (int64_t i = 0; i < moved.size(); ++i) {
    int64_t from = 0;
    for (size_t a = 0; a < rank; ++a) from += index[a] * strides[perm[a]];
    moved.set(i, t.at(from));
    for (size_t a = rank; a-- > 0 && ++index[a] == dims[a];) index[a] = 0;
  }
  return moved;
}

bool fits(const Shape& shape, const Dims& dims) {
  if (shape.size() != dims.size()) return false;
  for (size_t i = 0; i < dims.size(); ++i)
    if (shape[i].known() && shape[i].value() != dims[i]) return false;
  return true;
}

Tensor fitted(const Tensor& t, const Shape& shape) {
  if (fits(shape, t.dims()) || t.rank() < 3) return t;
  for (const bool first : {true, false})
    if (Tensor moved = move_channels(t, first); fits(shape, moved.dims())) return moved;
  return t;
}

const Tensor* find(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [n, t] : tensors)
    if (n == name) return &t;
  return nullptr;
}

double element_error(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double error = std::abs(a - b);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

OutputParity compare(const std::string& name, const Tensor& expected, const Tensor& found, const ParityOptions& options) {
  OutputParity parity{name};
  parity.elements = expected.size();
  double sum = 0;
  for (int64_t i = 0; i < expected.size(); ++i) {
    const double a = expected.at(i), error = element_error(a, found.at(i));
    if (error > 0 && !(error <= options.atol + options.rtol * std::abs(a))) ++parity.differing;
    parity.max_error = std::max(parity.max_error, error);
    if (std::isfinite(a)) parity.max_value = std::max(parity.max_value, std::abs(a));
    sum += error;
  }
  if (expected.size() > 0) parity.mean_error = sum / static_cast<double>(expected.size());
  return parity;
}

}  // namespace

bool Parity::ok() const {
  return std::all_of(outputs.begin(), outputs.end(), [](const OutputParity& o) { return o.differing == 0; });
}

double Parity::max_error() const {
  double most = 0;
  for (const OutputParity& o : outputs) most = std::max(most, o.max_error);
  return most;
}

NamedTensors random_inputs(const SavedModel& model, const ParityOptions& options) {
  const Program program = build_inference_program(model.model);
  const std::vector<Tensor> tensors = make_random_inputs(program, choose_sizes(program, options.samples, kOpenSize), options.seed);
  NamedTensors inputs;
  for (size_t i = 0; i < tensors.size(); ++i) inputs.emplace_back(program.inputs[i].name, tensors[i]);
  return inputs;
}

NamedTensors run_model(SavedModel model, const NamedTensors& inputs) {
  const Program program = build_inference_program(model.model);
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  Session session(*backend, {.run_once = true});
  for (const Parameter& p : program.parameters) {
    const TensorType& type = program.graph.type(p.value);
    if (is_carried_state(p.name)) {
      session.parameters().set(p.name, Tensor(type.dtype, known_dims(type.shape)));
      continue;
    }
    session.parameters().lend(p.name, std::exchange(model.weights.at(p.name), {}).cast(type.dtype));
  }
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const TensorType& type = program.graph.type(program.inputs[i].value);
    const Tensor* given = find(inputs, program.inputs[i].name);
    if (!given && i < inputs.size()) given = &inputs[i].second;
    if (!given) throw UserError(fmt::format("input '{}' is missing", program.inputs[i].name));
    tensors.push_back(fitted(*given, type.shape).cast(type.dtype));
  }
  const Executable& run = session.run(session.add(program), tensors);
  NamedTensors outputs;
  for (size_t o = 0; o < program.outputs.size(); ++o) outputs.emplace_back(program.outputs[o].name, run.output(o).clone());
  return outputs;
}

Parity compare_outputs(const NamedTensors& expected, const NamedTensors& found, const ParityOptions& options) {
  if (expected.size() != found.size()) throw FileError(fmt::format("gives {} outputs, the source {}", found.size(), expected.size()));
  const bool by_name = std::all_of(expected.begin(), expected.end(), [&](const auto& e) { return find(found, e.first) != nullptr; });
  Parity parity;
  for (size_t o = 0; o < expected.size(); ++o) {
    const auto& [name, tensor] = expected[o];
    const Tensor result = fitted(by_name ? *find(found, name) : found[o].second, to_shape(tensor.dims()));
    if (result.dims() != tensor.dims())
      throw FileError(fmt::format("output '{}' has shape {}, the source's {}", name, to_string(std::span<const int64_t>(result.dims())),
                                  to_string(std::span<const int64_t>(tensor.dims()))));
    parity.outputs.push_back(compare(name, tensor, result, options));
  }
  return parity;
}

}  // namespace dl
