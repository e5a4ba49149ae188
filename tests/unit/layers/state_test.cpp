// Layers that change more than their moving statistics: SpectralNormalization assigns its kernel, stateful layers carry their states;
// and ReversibleEmbedding, whose calls differ.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <memory>

#include "backend/backend.h"
#include "base/error.h"
#include "plan/session.h"
#include "unit/layers/helpers.h"

namespace dl {
namespace {

Tensor counting(Dims dims, double from, double step) {
  Tensor t(DType::kFloat32, std::move(dims));
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, std::sin(from + step * static_cast<double>(i)));
  return t;
}

// A program whose weights are numbers that depend on their place alone, and whose states are zeros.
struct Running {
  Program program;
  std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session{*cpu, {}};
  size_t id = 0;

  explicit Running(Program p) : program(std::move(p)) {
    for (const Parameter& parameter : program.parameters) {
      const Dims dims = known_dims(program.graph.type(parameter.value).shape);
      session.parameters().set(parameter.name, is_carried_state(parameter.name) ? Tensor(DType::kFloat32, dims) : counting(dims, 0.3, 0.7));
    }
    id = session.add(program);
  }
  Tensor run(const Tensor& x) { return session.run(id, {x}).output(0).clone(); }
};

Running running(const std::string& text) { return Running(build_inference_program(model_of(text))); }

// What a step of training gives the kernel of a 2x2 Dense in SpectralNormalization.
std::vector<double> assigned_kernel(const std::vector<float>& kernel, const std::vector<float>& u, double* next_u = nullptr) {
  Built b("inputs: {x: [2]}\nlayers:\n  - SpectralNormalization: {name: sn, layer: {Dense: {units: 2, use_bias: false, name: d}}}\n",
          Mode::kTraining);
  REQUIRE(b.result.assigned.size() == 1);
  REQUIRE(b.result.updates.size() == 1);
  Program program;
  program.graph = b.graph;
  program.inputs = b.result.inputs;
  program.outputs = {{"kernel", b.result.assigned[0].value.value}, {"u", b.result.updates[0].value.value}};
  program.parameters = b.registry.parameters();
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  session.parameters().set("sn/d/kernel", Tensor::from<float>({2, 2}, kernel));
  session.parameters().set("sn/vector_u", Tensor::from<float>({1, 2}, u));
  const Executable& run = session.run(session.add(program), {Tensor(DType::kFloat32, {1, 2})});
  std::vector<double> values;
  for (int64_t i = 0; i < 4; ++i) values.push_back(run.output(0).at(i));
  if (next_u) *next_u = run.output(1).at(1);
  return values;
}

}  // namespace

TEST_CASE("SpectralNormalization divides by the largest singular value") {
  double next = 0;
  const std::vector<double> kernel = assigned_kernel({3, 0, 0, 4}, {0, 1}, &next);
  CHECK(kernel[0] == doctest::Approx(0.75));
  CHECK(kernel[3] == doctest::Approx(1));
  CHECK(next == doctest::Approx(1));
  // A kernel of zeros has none.
  CHECK(assigned_kernel({0, 0, 0, 0}, {0.5f, 0.25f}, &next) == std::vector<double>{0, 0, 0, 0});
  CHECK(next == 0.25);
}

TEST_CASE("SpectralNormalization: weights in Keras's order, nothing to do in inference, and layers without a kernel") {
  const std::string head = "inputs: {x: [5, 3]}\nlayers:\n  - SpectralNormalization: {name: sn, ";
  const Built b(head + "layer: {Conv1D: {filters: 4, kernel_size: 2, name: c}}}\n");
  std::vector<std::string> names;
  for (const size_t i : b.registry.keras_order("sn")) names.push_back(b.registry.weights()[i].parameter.name);
  CHECK(names == std::vector<std::string>{"sn/c/kernel", "sn/c/bias", "sn/vector_u"});
  CHECK(b.registry.weights()[b.registry.find("sn/c/kernel").value()].object == "layer");
  CHECK(b.registry.weights()[b.registry.find("sn/vector_u").value()].object == "");
  CHECK(b.result.assigned.empty());
  // Frozen, the kernel still takes the value, as one that is not trained.
  const Built frozen(head + "trainable: false, layer: {Dense: {units: 4}}}\n", Mode::kTraining);
  CHECK(frozen.result.assigned.empty());
  CHECK(frozen.result.updates.size() == 2);
  for (const char* layer : {"LSTM: {units: 2}", "SeparableConv1D: {filters: 2, kernel_size: 1}", "LayerNormalization: {}"})
    CHECK_THROWS_WITH_AS(Built(head + "layer: {" + layer + "}}\n"), doctest::Contains("has neither a kernel nor embeddings"), UserError);
}

TEST_CASE("a shared SpectralNormalization goes on from the value that the first call gave") {
  const Built b(
      "inputs: {x: [2]}\nlayers:\n  - SpectralNormalization: {name: sn, layer: {Dense: {units: 2, name: d}}}\n  - call: {layer: sn}\n",
      Mode::kTraining);
  REQUIRE(b.result.assigned.size() == 2);
  CHECK(b.result.assigned[0].weight == b.result.assigned[1].weight);
  CHECK(b.result.assigned[0].value.value != b.result.assigned[1].value.value);
  CHECK(b.result.updates.size() == 1);
}

TEST_CASE("stateful layers go on where the last batch ended") {
  const std::string layers[] = {"LSTM: {units: 3, return_sequences: true", "GRU: {units: 3, return_sequences: true",
                                "SimpleRNN: {units: 3, return_sequences: true",
                                "RNN: {cell: [{LSTMCell: {units: 3}}, {GRUCell: {units: 2}}], return_sequences: true"};
  const Tensor whole = counting({2, 6, 4}, 0, 1);
  Tensor halves[2] = {Tensor(DType::kFloat32, {2, 3, 4}), Tensor(DType::kFloat32, {2, 3, 4})};
  for (int64_t sample = 0; sample < 2; ++sample)
    for (int64_t i = 0; i < 24; ++i) halves[i / 12].set(sample * 12 + i % 12, whole.at(sample * 24 + i));
  for (const std::string& layer : layers) {
    CAPTURE(layer);
    Running once = running("inputs: {x: {batch_shape: [2, 6, 4]}}\nlayers:\n  - " + layer + "}\n");
    Running twice = running("inputs: {x: {batch_shape: [2, 3, 4]}}\nlayers:\n  - " + layer + ", stateful: true}\n");
    const Tensor expected = once.run(whole);
    const int64_t width = expected.dims()[2];
    for (int64_t half = 0; half < 2; ++half) {
      const Tensor y = twice.run(halves[half]);
      for (int64_t sample = 0; sample < 2; ++sample)
        for (int64_t i = 0; i < 3 * width; ++i)
          CHECK(y.at(sample * 3 * width + i) == doctest::Approx(expected.at((sample * 6 + half * 3) * width + i)));
    }
  }
}

TEST_CASE("a stateful layer within TimeDistributed has the states of its samples") {
  Running wrapped =
      running("inputs: {x: {batch_shape: [2, 2, 3, 4]}}\nlayers:\n  - TimeDistributed: {layer: {GRU: {units: 3, stateful: true}}}\n");
  CHECK(wrapped.program.updates.size() == 1);
  const Tensor x = counting({2, 2, 3, 4}, 0, 1);
  const Tensor y = wrapped.run(x);
  // As one GRU over both steps, read in the middle and at the end.
  Running plain = running("inputs: {x: {batch_shape: [2, 6, 4]}}\nlayers:\n  - GRU: {units: 3, return_sequences: true}\n");
  const Tensor z = plain.run(x.reshaped({2, 6, 4}));
  for (int64_t sample = 0; sample < 2; ++sample)
    for (int64_t step = 0; step < 2; ++step)
      for (int64_t i = 0; i < 3; ++i)
        CHECK(y.at((sample * 2 + step) * 3 + i) == doctest::Approx(z.at((sample * 6 + step * 3 + 2) * 3 + i)));
}

TEST_CASE("states are no weights, need the size of the batch, and keep the variable type") {
  CHECK_THROWS_WITH_AS(Built("inputs: {x: [6, 4]}\nlayers:\n  - LSTM: {units: 3, stateful: true}\n"),
                       doctest::Contains("give the input a batch_shape"), UserError);
  const std::string text =
      "inputs: {x: {batch_shape: [2, 6, 4]}}\nlayers:\n  - Bidirectional: {name: b, layer: {LSTM: {units: 3, stateful: true}}}\n";
  const Built b(text, Mode::kTraining, {DType::kFloat32, DType::kBFloat16});
  CHECK(b.registry.weights().size() == 6);
  std::vector<std::string> names;
  for (const CarriedState& state : b.result.states) {
    names.push_back(state.name);
    CHECK(state.next.type() == state.value.type());
    CHECK(state.value.dtype() == DType::kFloat32);
  }
  CHECK(names == std::vector<std::string>{"b/forward_lstm/rnn_state", "b/forward_lstm/rnn_state_1", "b/backward_lstm/rnn_state",
                                          "b/backward_lstm/rnn_state_1"});
  CHECK(build_inference_program(model_of(text)).updates.size() == 4);
  CHECK(is_carried_state("b/forward_lstm/rnn_state_1"));
  CHECK(!is_carried_state("rnn_state/kernel"));
  // Initial states that are given count, and the end is kept all the same.
  const Built given(
      "inputs: {x: {batch_shape: [2, 6, 4]}, h: {batch_shape: [2, 3]}}\nlayers:\n  - GRU: {units: 3, stateful: true, inputs: [x, h]}\n");
  CHECK(given.result.states.size() == 1);
}

TEST_CASE("ReversibleEmbedding goes both ways with one table or two") {
  const std::string head =
      "inputs: {x: {shape: [6], dtype: int32}}\nlayers:\n  - ReversibleEmbedding: {name: e, input_dim: 7, output_dim: 3";
  const std::string tail = "}\n  - call: {layer: e, reverse: true}\n";
  CHECK(Built(head + tail).shape() == "[batch, 6, 7]");
  CHECK(Built(head + tail).parameter_count() == 21);
  CHECK(Built(head + ", tie_weights: false" + tail).parameter_count() == 42);
  CHECK(Built(head + ", reverse_dtype: float64" + tail).output().dtype() == DType::kFloat64);
  CHECK(problems_of(head + ", reverse_dtype: int32" + tail).find("must be a floating-point type") != std::string::npos);
  CHECK(problems_of("inputs: {x: [3]}\nlayers:\n  - Dense: {name: d, units: 3}\n  - call: {layer: d, reverse: true}\n").find("reverse") !=
        std::string::npos);
  Running capped = running(head + ", logit_soft_cap: 0.1" + tail);
  const Tensor y = capped.run(Tensor::from<int32_t>({1, 6}, std::vector<int32_t>{0, 1, 2, 3, 4, 5}));
  for (int64_t i = 0; i < y.size(); ++i) CHECK(std::abs(y.at(i)) <= 0.1 + 1e-6);
}

}  // namespace dl
