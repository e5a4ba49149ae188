#include "tensor/dim.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace dl;

TEST_CASE("symbolic sizes are polynomials that compare by value") {
  const Dim batch = Dim::symbol("batch"), time = Dim::symbol("time");
  CHECK(batch + Dim(1) - Dim(1) == batch);
  CHECK(batch * Dim(784) == Dim(28) * batch * Dim(28));
  CHECK(batch * time == time * batch);
  CHECK_FALSE(batch == time);
  CHECK(batch - batch == Dim(0));
  CHECK(floor_div(batch * Dim(4) + Dim(7), 4) == batch + Dim(1));
  CHECK(to_string(floor_div(time - Dim(2), 2) + Dim(1)) == "floor((time) / 2)");
  CHECK(to_string(Shape{batch, 28, batch * Dim(2) - Dim(3)}) == "[batch, 28, 2*batch - 3]");
}

TEST_CASE("exact division and binding") {
  const Dim batch = Dim::symbol("batch"), time = Dim::symbol("time");
  CHECK(*exact_div(batch * time * Dim(12), time * Dim(4)) == batch * Dim(3));
  CHECK_FALSE(exact_div(batch * Dim(3), 2).has_value());
  CHECK_FALSE(exact_div(7, 0).has_value());
  CHECK(*exact_div(7, -1) == Dim(-7));
  CHECK_THROWS_AS(exact_div(INT64_MIN, -1), UserError);
  const Dim steps = floor_div(time * Dim(3) - Dim(2), 4) + Dim(1);
  for (int64_t t = 1; t < 30; ++t) CHECK(steps.bind({{"time", t}}).value() == (3 * t - 2) / 4 + 1);
  CHECK((batch * time).bind({{"time", 5}}) == batch * Dim(5));
  CHECK(floor_div(Dim(-3), 2).value() == -2);
  CHECK_THROWS_AS(Dim(int64_t{1} << 40) * Dim(int64_t{1} << 40), UserError);
}
