// Network operators, their gradients and the optimizer updates against numbers of Keras 3.15.1 in float64
// (tests/golden/nn, written by make_golden.py there).
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "autodiff/gradient.h"
#include "conformance/evaluate.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"

using namespace dl;
using namespace dl::conformance;

namespace {

constexpr DType kD = DType::kFloat64;

// Keras's torch backend computes these, or parts of them, in float32 even where all tensors are float64.
const std::set<std::string> kSingle = {"layer_norm", "layer_normalization", "attention",  "lstm_masked",         "lstm_backwards",
                                       "lstm_hard",  "gru_after_masked",    "gru_before", "gru_before_backwards"};

Backend& cpu() {
  static const std::unique_ptr<Backend> backend = make_cpu_backend();
  return *backend;
}

using Golden = std::map<std::string, Tensor>;

Golden read_golden(const std::string& name) {
  const std::string path = "tests/golden/nn/" + name + ".txt";
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.is_open(), path);
  Golden golden;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string key, number;
    size_t rank = 0;
    words >> key >> rank;
    Dims dims(rank);
    for (int64_t& d : dims) words >> d;
    Tensor t(kD, dims);
    for (int64_t i = 0; i < t.size(); ++i) {
      REQUIRE(static_cast<bool>(words >> number));
      double value = 0;
      REQUIRE((std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc()));
      t.set(i, value);
    }
    golden[key] = t;
  }
  return golden;
}

// A graph fed with golden operands.
struct Bench {
  Golden golden;
  Graph graph;
  Evaluator evaluator{cpu(), graph};
  std::string name;

  explicit Bench(const std::string& case_name) : golden(read_golden(case_name)), name(case_name) {}

  Var feed(const std::string& key, DType dtype = kD) {
    const Tensor& value = golden.at(key);
    const Var v = input(graph, key, {dtype, to_shape(value.dims())});
    evaluator.feed(v.value, value.cast(dtype));
    return v;
  }
  Var optional(const std::string& key, DType dtype = kD) { return golden.count(key) ? feed(key, dtype) : Var{}; }

  void check(const std::string& key, Var got) {
    const Tensor& want = golden.at(key);
    const Tensor value = evaluator.evaluate(got.value);
    REQUIRE(value.dims() == want.dims());
    for (int64_t i = 0; i < want.size(); ++i) {
      const double tolerance = (kSingle.count(name) ? 4e-7 : 1e-12) * std::max(1.0, std::abs(want.at(i)));
      CHECK_MESSAGE(std::abs(value.at(i) - want.at(i)) <= tolerance,
                    fmt::format("{}: {} element {}: {:.17g}, Keras {:.17g}", name, key, i, value.at(i), want.at(i)));
    }
  }

  // d(sum of results * weights) / d operand for each operand, against d_<operand>.
  void check_gradients(const std::vector<std::pair<Var, std::string>>& results, const std::vector<std::string>& names,
                       const std::vector<Var>& operands) {
    Var total = scalar(graph, kD, 0);
    for (const auto& [result, weight] : results) total = total + reduce_sum(result * feed(weight));
    const std::vector<Var> found = gradient(total, operands);
    for (size_t i = 0; i < names.size(); ++i) check("d_" + names[i], found[i]);
  }
};

void check_function(const std::string& name, const std::vector<std::string>& operands,
                    const std::function<Var(const std::vector<Var>&)>& f) {
  Bench bench(name);
  std::vector<Var> vars;
  for (const std::string& operand : operands) vars.push_back(bench.feed(operand));
  const Var y = f(vars);
  bench.check("y", y);
  bench.check_gradients({{y, "dy"}}, operands, vars);
}

void check_recurrent(const std::string& name, const std::function<Recurrent(Bench&, const std::vector<Var>&, Var mask)>& build) {
  Bench bench(name);
  std::vector<std::string> names = {"x", "kernel", "recurrent", "bias", "h0"};
  std::vector<std::string> states = {"h"};
  if (bench.golden.count("c0")) names.push_back("c0"), states.push_back("c");
  std::vector<Var> operands;
  for (const std::string& n : names) operands.push_back(bench.feed(n));
  const Recurrent r = build(bench, operands, bench.optional("mask", DType::kBool));
  bench.check("sequence", r.sequence);
  std::vector<std::pair<Var, std::string>> results = {{r.sequence, "dsequence"}};
  for (size_t i = 0; i < states.size(); ++i) {
    bench.check(states[i], r.state[i]);
    results.push_back({r.state[i], "d" + states[i]});
  }
  bench.check_gradients(results, names, operands);
}

void check_lstm(const std::string& name, const char* activation, const char* gate, bool reversed) {
  check_recurrent(name, [&](Bench&, const std::vector<Var>& v, Var mask) {
    return lstm(v[0], v[1], v[2], v[3], v[4], v[5], mask, activation, gate, reversed);
  });
}

void check_gru(const std::string& name, bool reset_after, bool reversed) {
  check_recurrent(name, [&](Bench&, const std::vector<Var>& v, Var mask) {
    return gru(v[0], v[1], v[2], v[3], v[4], mask, "tanh", "sigmoid", reset_after, reversed);
  });
}

// `update`: from the parameter, its gradient and the slots (zeros at first) to the new parameter; `slots` becomes the new slots.
void check_optimizer(const std::string& name, size_t slot_count,
                     const std::function<Var(Graph&, Var p, Var g, std::vector<Var>& slots, int step)>& update) {
  Bench bench(name);
  Var p = bench.feed("p0");
  std::vector<Var> slots(slot_count, zeros_like(p));
  for (int step = 1; step <= 3; ++step) {
    p = update(bench.graph, p, bench.feed("g" + std::to_string(step)), slots, step);
    bench.check("p" + std::to_string(step), p);
  }
}

}  // namespace

TEST_CASE("activations, normalisation and losses equal Keras's") {
  check_function("gelu", {"x"}, [](const auto& v) { return gelu(v[0], false); });
  check_function("gelu_tanh", {"x"}, [](const auto& v) { return gelu(v[0], true); });
  check_function("silu", {"x"}, [](const auto& v) { return silu(v[0]); });
  check_function("softmax", {"x"}, [](const auto& v) { return softmax(v[0]); });
  check_function("log_softmax", {"x"}, [](const auto& v) { return log_softmax(v[0]); });
  check_function("layer_norm", {"x", "gamma", "beta"}, [](const auto& v) { return layer_norm(v[0], v[1], v[2], {-1}, 1e-3); });
  Bench layer("layer_normalization");
  layer.check("y", layer_norm(layer.feed("x"), layer.feed("gamma"), layer.feed("beta"), {-1}, 1e-3));
  check_function("categorical_crossentropy", {"x", "target"}, [](const auto& v) { return softmax_cross_entropy(v[0], v[1]); });
  check_function("sparse_categorical_crossentropy", {"x"}, [](const auto& v) {
    const std::vector<int32_t> labels = {5, 0, 2, 2};
    return sparse_softmax_cross_entropy(v[0], constant(*v[0].graph, Tensor::from<int32_t>({4}, labels)));
  });
  check_function("binary_crossentropy", {"x", "target"}, [](const auto& v) { return sigmoid_cross_entropy(v[0], v[1]); });
}

TEST_CASE("attention equals Keras's, masked") {
  check_function("attention", {"q", "k", "v"}, [](const auto& v) {
    const bool mask[] = {true, false, true, true, false, false, true, true, true, true};
    return attention(v[0], v[1], v[2], constant(*v[0].graph, Tensor::from<bool>({2, 1, 1, 5}, std::span<const bool>(mask))), 0.7);
  });
}

TEST_CASE("LSTM equals Keras's, with masks, backwards, other activations") {
  check_lstm("lstm", "tanh", "sigmoid", false);
  check_lstm("lstm_masked", "tanh", "sigmoid", false);
  check_lstm("lstm_backwards", "tanh", "sigmoid", true);
  check_lstm("lstm_hard", "softsign", "hard_sigmoid", false);
  check_lstm("lstm_gelu", "gelu", "elu", false);
}

TEST_CASE("GRU equals Keras's, reset before and after, with masks, backwards") {
  check_gru("gru_after", true, false);
  check_gru("gru_after_masked", true, false);
  check_gru("gru_before", false, false);
  check_gru("gru_before_backwards", false, true);
}

TEST_CASE("optimizer updates equal Keras's over three steps") {
  const auto sgd = [](double momentum, bool nesterov) {
    return [=](Graph& g, Var p, Var dp, std::vector<Var>& slots, int) {
      const SgdUpdate u = sgd_update(p, dp, slots.empty() ? Var{} : slots[0], scalar(g, kD, 0.1), momentum, nesterov);
      if (!slots.empty()) slots = {u.velocity};
      return u.parameter;
    };
  };
  check_optimizer("sgd", 0, sgd(0, false));
  check_optimizer("sgd_momentum", 1, sgd(0.9, false));
  check_optimizer("sgd_nesterov", 1, sgd(0.9, true));
  const auto adam = [](double weight_decay) {
    return [=](Graph& g, Var p, Var dp, std::vector<Var>& slots, int step) {
      const double alpha = 0.01 * std::sqrt(1 - std::pow(0.999, step)) / (1 - std::pow(0.9, step));
      const AdamUpdate u =
          adam_update(p, dp, slots[0], slots[1], scalar(g, kD, alpha), scalar(g, kD, 0.01), 0.9, 0.999, 1e-7, weight_decay);
      slots = {u.m, u.v};
      return u.parameter;
    };
  };
  check_optimizer("adam", 2, adam(0));
  check_optimizer("adamw", 2, adam(0.05));
  const auto rmsprop = [](double momentum, bool centered) {
    return [=](Graph& g, Var p, Var dp, std::vector<Var>& slots, int) {
      const Var m = momentum > 0 ? slots[1] : Var{}, average = centered ? slots[2] : Var{};
      const RmspropUpdate u = rmsprop_update(p, dp, slots[0], m, average, scalar(g, kD, 0.01), 0.9, momentum, 1e-7, centered);
      slots = {u.velocity, u.momentum, u.average};
      return u.parameter;
    };
  };
  check_optimizer("rmsprop", 3, rmsprop(0, false));
  check_optimizer("rmsprop_momentum", 3, rmsprop(0.8, false));
  check_optimizer("rmsprop_centered", 3, rmsprop(0.8, true));
}
