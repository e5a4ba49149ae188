#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/cpu_info.h"

using namespace dl;

TEST_CASE("the CPU backend hands out aligned memory and copies it") {
  const auto cpu = make_cpu_backend();
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{1000}}) {
    void* memory = cpu->allocate(bytes);
    CHECK(reinterpret_cast<uintptr_t>(memory) % 64 == 0);
    cpu->free(memory);
  }
  CHECK_THROWS_AS(cpu->allocate(SIZE_MAX / 2), EnvError);
  CHECK_THROWS_AS(cpu->allocate(SIZE_MAX), EnvError);
  char text[6] = "hello", back[6] = {};
  void* memory = cpu->allocate(sizeof text);
  cpu->copy_to_device(memory, text, sizeof text);
  cpu->copy_to_host(back, memory, sizeof back);
  CHECK(std::string(back) == "hello");
  cpu->zero(memory, sizeof text);
  cpu->copy_to_host(back, memory, sizeof back);
  CHECK(back[0] == 0);
  cpu->free(memory);
}

TEST_CASE("the reference row is an operator's last, and other names have no rows") {
  const auto cpu = make_cpu_backend();
  for (const char* op : {"add", "matmul", "reduce_sum", "reshape", "transpose", "gather", "conv"}) {
    const auto rows = cpu->kernels(op);
    CAPTURE(std::string(op));
    REQUIRE(rows.size() >= 2);
    CHECK(std::string_view(rows.back().name) == "reference");
  }
  CHECK(cpu->kernels("no such operator").empty());
}

TEST_CASE("the backend says what it runs on") {
  const std::string text = make_cpu_backend()->describe();
  CHECK(text.starts_with("cpu: " + cpu_name() + ", " + name_of(active_isa())));
  CHECK(text.find("oneDNN ") != std::string::npos);
}

TEST_CASE("the null backend offers the CPU's kernels and distinct aligned addresses") {
  const auto null = make_null_backend();
  CHECK(null->kernels("add").size() == make_cpu_backend()->kernels("add").size());
  void *a = null->allocate(100), *b = null->allocate(1 << 20), *c = null->allocate(1);
  CHECK(reinterpret_cast<uintptr_t>(a) % 64 == 0);
  CHECK(static_cast<char*>(b) - static_cast<char*>(a) >= 100);
  CHECK(static_cast<char*>(c) - static_cast<char*>(b) >= 1 << 20);
  CHECK_FALSE(null->is_host());
}
