// Shapes, messages and gradients' shapes of convolution, pooling and batch normalisation. Values: tests/conformance.
#include <doctest/doctest.h>

#include "autodiff/gradient.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"

using namespace dl;

namespace {

constexpr DType kF = DType::kFloat32;

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("convolution keeps symbolic batch and spatial sizes") {
  Graph g;
  const Dim batch = Dim::symbol("batch"), time = Dim::symbol("time");
  const Var x = input(g, "x", {kF, {batch, time, 3}}), w = parameter(g, "w", {kF, {3, 3, 8}});
  CHECK(conv(x, w, {}).shape() == Shape{batch, time - Dim(2), 8});
  CHECK(conv(x, w, {{}, {}, {2}, {4}, {0}}).shape() == Shape{batch, time, 8});
  const Var strided = conv(x, w, {{}, {2}, {}, {}, {1}});
  CHECK(strided.shape() == Shape{batch, floor_div(time - Dim(2), 2) + Dim(1), 8});
  const Var loss = reduce_sum(square(strided));
  const std::vector<Var> first = gradient(loss, std::vector<Var>{x, w});
  CHECK(first[0].shape() == x.shape());
  CHECK(first[1].shape() == w.shape());
  const std::vector<Var> second = gradient(reduce_sum(square(first[1])), std::vector<Var>{x, w});
  CHECK(second[0].shape() == x.shape());
  CHECK(second[1].shape() == w.shape());
}

TEST_CASE("the three convolutions are each other's gradients") {
  Graph g;
  const Var x = input(g, "x", {kF, {2, 6, 5, 4}}), w = parameter(g, "w", {kF, {3, 3, 2, 6}}), v = parameter(g, "v", {kF, {2, 6, 5, 4}});
  const Window window{{}, {2, 1}, {}, {1, 1}, {0, 1}};
  const Var y = conv(x, w, window, 2);
  CHECK(y.shape() == Shape{2, 3, 5, 6});
  const Var dx = gradient(y, std::vector<Var>{x})[0];
  // <dx, v> is linear in w.
  const Var dw = gradient(dx, std::vector<Var>{w}, v)[0];
  CHECK(dw.value == conv_weight_grad(v, ones_like(y), w.shape(), window, 2).value);
}

TEST_CASE("convolution errors say which size is wrong") {
  Graph g;
  const Var x = input(g, "x", {kF, {1, 4, 6, 3}});
  const auto with = [&](Shape kernel, Window window = {}, int64_t groups = 1) {
    return message_of([&] { conv(x, parameter(g, "w" + to_string(kernel), {kF, kernel}), window, groups); });
  };
  CHECK(with({5, 3, 3, 8}) == "conv(float32[1, 4, 6, 3], float32[5, 3, 3, 8]): kernel 5 exceeds padded input 4 on spatial axis 0");
  CHECK(with({3, 4, 3, 8}, {{}, {}, {1, 2}}) ==
        "conv(float32[1, 4, 6, 3], float32[3, 4, 3, 8]): kernel 4 with dilation 2 exceeds padded input 6 on spatial axis 1");
  CHECK(with({3, 3, 4, 8}).find("the input has 3 channels, the kernel [3, 3, 4, 8] takes 4") != std::string::npos);
  CHECK(with({3, 3, 1, 8}, {}, 3).find("8 output channels do not divide into 3 groups") != std::string::npos);
  CHECK(with({3, 3, 3}).find("as many axes") != std::string::npos);
  CHECK(with({3, 3, 3, 8}, {{}, {1, 0}}).find("strides must be positive") != std::string::npos);
  CHECK(with({3, 3, 3, 8}, {{}, {1}}).find("strides needs 2 entries") != std::string::npos);
  CHECK(with({0, 3, 3, 8}).find("kernel has size 0") != std::string::npos);
  CHECK(message_of([&] {
          max_pool(x, {{2, 2}, {}, {}, {2, 0}});
        }).find("padding 2 must be smaller than the window, 2") != std::string::npos);
  CHECK(message_of([&] { avg_pool(x, {{5, 2}}); }).find("window 5 exceeds padded input 4") != std::string::npos);
}

TEST_CASE("pooling gradients are closed") {
  Graph g;
  const Dim batch = Dim::symbol("batch");
  const Var x = input(g, "x", {kF, {batch, 5, 5, 3}}), v = input(g, "v", {kF, {batch, 5, 5, 3}});
  const Window window{{3, 3}, {2, 2}, {}, {1, 1}, {1, 1}};
  for (const Var& y : {max_pool(x, window), avg_pool(x, window)}) {
    CHECK(y.shape() == Shape{batch, 3, 3, 3});
    const Var dy = input(g, "dy", y.type());
    const Var dx = gradient(y, std::vector<Var>{x}, dy)[0];
    CHECK(dx.shape() == x.shape());
    const Var ddy = gradient(reduce_sum(dx * v), std::vector<Var>{dy})[0];
    CHECK(ddy.shape() == y.shape());
  }
}

TEST_CASE("batch normalisation differentiates through every output, twice") {
  Graph g;
  const Var x = input(g, "x", {kF, {Dim::symbol("batch"), 4, 4, 6}}), gamma = parameter(g, "gamma", {kF, {6}}),
            beta = parameter(g, "beta", {kF, {6}});
  const BatchNorm n = batch_norm_train(x, gamma, beta, -1, 1e-3);
  CHECK(n.mean.shape() == Shape{6});
  const Var loss = reduce_sum(tanh(n.y)) + reduce_sum(n.mean * n.variance);
  const std::vector<Var> first = gradient(loss, std::vector<Var>{x, gamma, beta});
  CHECK(first[0].shape() == x.shape());
  const std::vector<Var> second = gradient(reduce_sum(square(first[0])), std::vector<Var>{x, gamma});
  CHECK(second[0].shape() == x.shape());
  CHECK(second[1].shape() == gamma.shape());
  CHECK(message_of([&] {
          batch_norm_train(x, gamma, parameter(g, "b5", {kF, {5}}), -1, 1e-3);
        }).find("operand 2 must be float32[6]") != std::string::npos);
}
