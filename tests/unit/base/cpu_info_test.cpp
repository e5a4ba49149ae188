#include "base/cpu_info.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace dl;

TEST_CASE("instruction sets have names that parse back") {
  for (Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx}) CHECK(parse_isa(name_of(isa)) == isa);
  CHECK_FALSE(parse_isa("avx3"));
  CHECK_FALSE(parse_isa(""));
}

TEST_CASE("a cap lowers the active instruction set and never raises it") {
  const Isa free = active_isa();
  CHECK(free <= detected_isa());
  set_max_isa(Isa::kBaseline);
  CHECK(active_isa() == Isa::kBaseline);
  set_max_isa(Isa::kAvx2);
  CHECK(active_isa() == std::min(free, Isa::kAvx2));
  set_max_isa(Isa::kAmx);
  CHECK(active_isa() == free);
}

TEST_CASE("the processor has a name without padding") {
  const std::string name = cpu_name();
  REQUIRE_FALSE(name.empty());
  CHECK(name.front() != ' ');
  CHECK(name.back() != ' ');
}
