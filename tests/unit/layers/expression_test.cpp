// Expressions become the operators one would write by hand; errors carry the column.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <limits>

#include "backend/backend.h"
#include "base/error.h"
#include "layers/activations.h"
#include "layers/array_node.h"
#include "layers/build.h"
#include "layers/expression_builder.h"
#include "layers/losses.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "plan/session.h"
#include "unit/layers/helpers.h"

namespace dl {
namespace {

struct Fixture {
  Graph g;
  Var x = input(g, "x", {DType::kFloat32, {Dim::symbol("batch"), 4}});
  Var y = input(g, "y", {DType::kFloat32, {Dim::symbol("batch"), 4}});
  Var build(const std::string& text) { return build_expression(g, spec::parse_expression(text), {{"x", x}, {"y", y}}); }
  // Hash-consing makes equal expressions the same node.
  bool same(const std::string& text, Var expected) { return build(text).value == expected.value; }
};

}  // namespace

TEST_CASE("expressions build what their text says") {
  Fixture f;
  const Var x = f.x, y = f.y;
  CHECK(f.same("x * sigmoid(1.702 * x)", x * sigmoid(scalar(f.g, DType::kFloat32, 1.702) * x)));
  CHECK(f.same("-(x - y) / 2", neg(x - y) / scalar(f.g, DType::kFloat32, 2)));
  CHECK(f.same("x ** 2", square(x)));
  CHECK(f.same("x ** y", pow(x, y)));
  CHECK(f.same("mean(abs(x - y), axis=-1)", reduce_mean(abs(x - y), {-1})));
  CHECK(f.same("sum(x, axis=[0, 1], keepdims=1)", reduce_sum(x, {0, 1}, true)));
  CHECK(f.same("max(x)", reduce_max(x)));
  CHECK(f.same("where(x > y, x, 0)", select(greater(x, y), x, scalar(f.g, DType::kFloat32, 0))));
  CHECK(f.same("maximum(x, y)", maximum(x, y)));
  CHECK(f.same("clip(x, 0, 2 * pi)", clip(x, 0, 2 * 3.14159265358979323846)));
  CHECK(f.same("softmax(x)", softmax(x)));
  CHECK(f.same("gelu(x)", apply_activation("gelu", x)));
  CHECK(f.same("concat([x, y], axis=1)", concat({x, y}, 1)));
  CHECK(f.same("matmul(x, transpose(y, [1, 0]))", matmul(x, transpose(y, {1, 0}))));
  CHECK(f.same("1 + 2 * 3", scalar(f.g, DType::kFloat32, 7)));
  CHECK(f.same("stop_gradient(x)", stop_gradient(x)));
  CHECK(f.same("take(x, 2, 1)", gather(x, scalar(f.g, DType::kInt32, 2), 1)));
  CHECK(f.same("take(y, int32(x), 0)", gather(y, cast(x, DType::kInt32), 0)));
  CHECK(f.same("pad(x, [0, 1], [0, 2], -3)", pad(x, std::vector<int64_t>{0, 1}, std::vector<int64_t>{0, 2}, -3)));
  CHECK(f.same("tile(expand_dims(x, 1), [1, 3, 1])", broadcast_to(expand_dims(x, 1), {Dim::symbol("batch"), Dim(3), Dim(4)})));
  CHECK(f.build("tile(x, [2, 3])").shape() == Shape{Dim::symbol("batch") * Dim(2), Dim(12)});
}

// The value of `text` for x = [[3, -1, 2, 0.5]], y = [[1, 4, 0, 0.5]].
static std::vector<double> value_of(const std::string& text) {
  Fixture f;
  Program program;
  const Var result = f.build(text);
  program.graph = f.g;
  program.inputs = {{"x", f.x.value}, {"y", f.y.value}};
  program.outputs = {{"z", cast(Var{&program.graph, result.value}, DType::kFloat64).value}};
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  const Tensor z = session
                       .run(session.add(program), {Tensor::from<float>({1, 4}, std::vector<float>{3, -1, 2, 0.5f}),
                                                   Tensor::from<float>({1, 4}, std::vector<float>{1, 4, 0, 0.5f})})
                       .output(0);
  std::vector<double> values;
  for (int64_t i = 0; i < z.size(); ++i) values.push_back(z.at(i));
  return values;
}

TEST_CASE("functions of expressions have the values of NumPy") {
  const auto near = [](const std::string& text, std::vector<double> expected) {
    CAPTURE(text);
    const std::vector<double> found = value_of(text);
    REQUIRE(found.size() == expected.size());
    for (size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  };
  near("var(x, axis=-1)", {2.296875});
  near("std(x)", {1.5155444});
  near("norm(x, axis=1, keepdims=1)", {3.7749172});
  near("logsumexp(x, axis=-1)", {3.3840917});
  near("logsumexp(1000 * x)", {3000});
  near("any(x > 2, axis=1)", {1});
  near("all(x > -1)", {0});
  near("argmin(x)", {1});
  near("sort(x)", {-1, 0.5, 2, 3});
  near("diff(x, axis=1)", {-4, 3, -1.5});
  near("roll(x, 1, 1)", {0.5, 3, -1, 2});
  near("roll(x, -1, axis=1)", {-1, 2, 0.5, 3});
  near("repeat(x, 2, axis=1)", {3, 3, -1, -1, 2, 2, 0.5, 0.5});
  near("cumprod(x, 1)", {3, -3, -6, -3});
  near("normalize(y)", {0.2407717, 0.9630868, 0, 0.1203859});
  near("tril(outer(x, y))", {3, 0, 0, 0, -1, -4, 0, 0, 2, 8, 0, 0, 0.5, 2, 0, 0.25});
  near("sum(triu(outer(x, y), k=1))", {12 + 0 + 1.5 + 0 - 0.5 + 1});
  near("one_hot(argmax(x), 4)", {1, 0, 0, 0});
  near("log2(y + 7)", {3, 3.4594316, 2.8073549, 2.9068906});
  near("floor_divide(x, 2)", {1, -1, 1, 0});
  near("float32(logical_xor(x > 0, y > 2))", {1, 1, 1, 1});
  near("float32(isnan(y / y)) + isfinite(1 / y)", {1, 1, 1, 1});
  near("sum(multiply(x, subtract(x, y)))", {6 + 5 + 4 + 0});
  near("size(x, axis=1) + size(x)", {8});
  near("flatten(expand_dims(x, 1))", {3, -1, 2, 0.5});
  near("det(reshape(x, [-1, 2, 2]))", {3.5});
}

TEST_CASE("grad is differentiated again") {
  const auto near = [](const std::string& text, std::vector<double> expected) {
    CAPTURE(text);
    const std::vector<double> found = value_of(text);
    REQUIRE(found.size() == expected.size());
    for (size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]));
  };
  near("grad(x ** 3 * y, x)", {27, 12, 0, 0.375});
  near("grad(square(grad(x ** 3, x)), x)", {36 * 27, -36, 36 * 8, 36 * 0.125});
  near("grad(norm(grad(square(x) / 2, x), axis=-1), x)", {3 / 3.7749172, -1 / 3.7749172, 2 / 3.7749172, 0.5 / 3.7749172});
  near("grad(y, x)", {0, 0, 0, 0});
  Fixture f;
  CHECK_THROWS_WITH_AS(f.build("grad(x, 2 * x)"), doctest::Contains("with respect to a name"), UserError);
  CHECK_THROWS_WITH_AS(f.build("grad(x > 0, x)"), doctest::Contains("grad is for floating-point numbers"), UserError);
}

TEST_CASE("what does not fit is refused with its column") {
  Fixture f;
  CHECK_THROWS_WITH_AS(f.build("x + z"), doctest::Contains("expression, column 5: unknown name 'z'"), UserError);
  CHECK_THROWS_WITH_AS(f.build("x + sigmiod(x)"), "expression, column 5: unknown function 'sigmiod' (did you mean 'sigmoid'?)", UserError);
  CHECK_THROWS_WITH_AS(f.build("clip(x)"), "expression, column 1: clip takes 3 argument(s), got 1", UserError);
  CHECK_THROWS_WITH_AS(f.build("sum(x, axs=1)"), doctest::Contains("sum has no argument 'axs'"), UserError);
  CHECK_THROWS_WITH_AS(f.build("sum(x, axis=x)"), doctest::Contains("must be a number"), UserError);
  CHECK_THROWS_WITH_AS(f.build("sum(x, axis=3)"), doctest::Contains("expression, column 1"), UserError);
  CHECK_THROWS_WITH_AS(f.build("matmul(x, y)"), doctest::Contains("expression, column 1: matmul"), UserError);
  CHECK_THROWS_WITH_AS(f.build("tile(x, [2])"), doctest::Contains("tile needs a list of 2"), UserError);
  CHECK_THROWS_WITH_AS(f.build("tile(x, [1, 0])"), doctest::Contains("tile takes positive numbers"), UserError);
  CHECK_THROWS_WITH_AS(f.build("pad(x, [1], [1])"), doctest::Contains("pad needs a list of 2"), UserError);
  CHECK_THROWS_WITH_AS(f.build("pad(x, [0, -1], [0, 0])"), doctest::Contains("pad takes no negative sizes"), UserError);
  CHECK_THROWS_WITH_AS(f.build("[x, y]"), doctest::Contains("a list is allowed as an argument"), UserError);
}

TEST_CASE("arrays beside an expression") {
  const Program program = build_inference_program(model_of(R"yaml(
inputs: {x: [3]}
layers:
  - Lambda: {expression: "where(c0, x + c1, take(x, c2, 1))", constants: [[true, false, true], [[0.5, 1, 2]], [2, 0, 1]]}
)yaml"));
  const std::string text = to_text(program);
  CAPTURE(text);
  CHECK(text.find("bool[3]") != std::string::npos);
  CHECK(text.find("float32[1, 3]") != std::string::npos);
  CHECK(text.find("int32[3]") != std::string::npos);
  for (const char* constants : {"3", "[[]]", "[[[1], [2, 3]]]", "[[true, 1]]", "[a]"}) {
    CAPTURE(constants);
    CHECK(problems_of(fmt::format("inputs: {{x: [4]}}\nlayers:\n  - Lambda: {{expression: 'x', constants: {}}}\n", constants))
              .find("constants: must be a list of arrays") != std::string::npos);
  }
}

TEST_CASE("arrays keep their numbers in a configuration") {
  Tensor t(DType::kFloat32, {2, 2});
  const double values[] = {0.1f, -1.0f / 3, 1e-30f, 16777216};
  for (int64_t i = 0; i < 4; ++i) t.set(i, values[i]);
  const std::optional<spec::Node> node = array_node(t);
  REQUIRE(node);
  const std::optional<Tensor> again = array_of(*node);
  REQUIRE(again);
  CHECK(bit_equal(*again, t));
  t.set(0, std::numeric_limits<double>::infinity());
  CHECK(!array_node(t));
  CHECK(!array_node(Tensor(DType::kFloat32, {kMaxArrayElements + 1})));
}

TEST_CASE("a bad expression of a layer or loss is reported with the file's place") {
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - Lambda: {expression: 'x +'}\n").find("m.yaml:3:") == 0);
  CHECK_THROWS_WITH_AS(Built("inputs: {x: [4]}\nlayers:\n  - Lambda: {expression: 'x + q'}\n"),
                       doctest::Contains("m.yaml:3:5: layer 'lambda': expression, column 5"), UserError);
  spec::Problems problems;
  read_loss(spec::parse_yaml("{expression: 'square(y_true -'}", "l.yaml"), "loss", problems);
  CHECK(problems.lines().size() == 1);
}

TEST_CASE("losses: names, aliases and per-output forms") {
  spec::Problems problems;
  const std::vector<std::string> names = {"a", "b"};
  CHECK(read_losses(spec::parse_yaml("mse", "l"), nullptr, names, "loss", problems)[1].loss.name() == "mean_squared_error");
  const spec::Node weights = spec::parse_yaml("{b: 0.5}", "l");
  const auto losses = read_losses(spec::parse_yaml("{a: mae, b: {Huber: {delta: 2}}}", "l"), &weights, names, "loss", problems);
  CHECK(losses[0].loss.name() == "mean_absolute_error");
  CHECK(losses[1].loss.config.real("delta") == 2);
  CHECK(losses[1].weight == 0.5);
  CHECK(problems.empty());
  read_losses(spec::parse_yaml("{a: mae, c: mse}", "l"), nullptr, names, "loss", problems);
  CHECK(problems.lines().size() == 2);  // c is no output, b has no loss
  spec::Problems typo;
  read_loss(spec::parse_yaml("mean_squared_eror", "l.yaml"), "training.loss", typo);
  REQUIRE(typo.lines().size() == 1);
  CHECK(typo.lines()[0].find("training.loss: unknown loss 'mean_squared_eror' (did you mean 'mean_squared_error'?)") != std::string::npos);
}

TEST_CASE("targets that do not fit a loss name both shapes") {
  Graph g;
  const Var p = input(g, "p", {DType::kFloat32, {8, 3}}), t = input(g, "t", {DType::kFloat32, {8, 2}});
  spec::Problems problems;
  const Loss loss = read_loss(spec::parse_yaml("mse", "l"), "loss", problems);
  CHECK_THROWS_WITH_AS(build_loss(loss, t, p),
                       doctest::Contains("loss mean_squared_error: targets float32[8, 2] against outputs float32[8, 3]"), UserError);
}

}  // namespace dl
