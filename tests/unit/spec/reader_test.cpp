#include "spec/reader.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "base/error.h"
#include "spec/yaml.h"

using namespace dl;
using namespace dl::spec;

namespace {

// The problem that `read` reports for the map `text`, or "" when there is none.
template <class F>
std::string problem_of(const std::string& text, const F& read) {
  const Node node = parse_yaml(text, "f.yaml");
  Problems problems;
  Reader reader(node, "layers[3]", problems);
  read(reader);
  REQUIRE(problems.lines().size() <= 1);
  return problems.empty() ? "" : problems.lines()[0];
}

std::string units_problem(const std::string& value) {
  return problem_of("units: " + value, [](Reader& r) { r.get_int("units", {}, {.min = 1, .max = 1'000'000}); });
}

}  // namespace

TEST_CASE("integers") {
  const std::string start = "f.yaml:1:8: layers[3].units: expected an integer from 1 to 1000000, found ";
  CHECK(problem_of("units: 1.5", [](Reader& r) { r.get_int("units", {}, {.min = 1}); }) ==
        "f.yaml:1:8: layers[3].units: expected an integer >= 1, found 1.5");
  CHECK(units_problem("-1") == start + "-1");
  CHECK(units_problem("0") == start + "0");
  CHECK(units_problem("1e9") == start + "1000000000");
  CHECK(units_problem("1.5") == start + "1.5");
  CHECK(units_problem("2.0") == start + "2.0; write 2");
  CHECK(units_problem(".nan") == start + ".nan");
  CHECK(units_problem("no") == start + "the string 'no'");
  CHECK(units_problem("'12'") == start + "the string '12'; write 12 without quotes or underscores");
  CHECK(units_problem("1_000") == start + "the string '1_000'; write 1000 without quotes or underscores");
  CHECK(units_problem("[1, 2]") == start + "a list of 2");
  CHECK(units_problem("{a: 1}") == start + "a map");
  CHECK(units_problem("~") == start + "nothing (null)");
  CHECK(units_problem("1e3") == "");
  CHECK(problem_of("{}", [](Reader& r) { CHECK(r.get_int("units", {}, {.min = 1}) == 1); }) ==
        "f.yaml:1:1: layers[3].units: missing; expected an integer >= 1");
  CHECK(problem_of("{}", [](Reader& r) { CHECK(r.get_int("units", 7) == 7); }) == "");
  CHECK(problem_of("units: 5", [](Reader& r) { CHECK(r.get_int("units", 7) == 5); }) == "");
}

TEST_CASE("numbers, booleans, strings, choices") {
  const auto rate = [](Reader& r) { r.get_float("rate", {}, {.min = 0, .max = 1, .max_open = true}); };
  CHECK(problem_of("rate: 1", rate) == "f.yaml:1:7: layers[3].rate: expected a finite number >= 0 and < 1, found 1");
  CHECK(problem_of("rate: 0", rate) == "");
  for (const char* value : {".nan", ".inf", "-.inf", "x", "true"}) {
    CHECK(problem_of(std::string("v: ") + value, [](Reader& r) {
            CHECK(r.get_float("v", 2.0) == 2.0);
          }).find("expected a finite number, found") != std::string::npos);
  }
  CHECK(problem_of("v: 3", [](Reader& r) { CHECK(r.get_float("v") == 3.0); }) == "");
  CHECK(problem_of("v: yes", [](Reader& r) { r.get_bool("v"); }) ==
        "f.yaml:1:4: layers[3].v: expected true or false, found the string 'yes'; write true");
  CHECK(problem_of("v: true", [](Reader& r) { CHECK(r.get_bool("v")); }) == "");
  CHECK(problem_of("v: 12", [](Reader& r) { r.get_string("v"); }) == "f.yaml:1:4: layers[3].v: expected a string, found 12; quote it");
  CHECK(problem_of("v: no", [](Reader& r) { CHECK(r.get_string("v") == "no"); }) == "");
  static constexpr std::array<std::string_view, 2> kPadding{"valid", "same"};
  CHECK(problem_of("v: smae", [](Reader& r) { CHECK(r.get_choice("v", kPadding, "valid") == "valid"); }) ==
        "f.yaml:1:4: layers[3].v: expected one of valid, same, found the string 'smae' (did you mean 'same'?)");
}

TEST_CASE("lists and tuples") {
  CHECK(problem_of("v: [1, 2.5, 3]", [](Reader& r) {
          CHECK(r.get_ints("v") == std::vector<int64_t>{1, 0, 3});
        }) == "f.yaml:1:8: layers[3].v[1]: expected an integer, found 2.5");
  CHECK(problem_of("v: 3", [](Reader& r) { CHECK(r.get_tuple("v", 2, {}) == std::vector<int64_t>{3, 3}); }) == "");
  CHECK(problem_of("v: [3, 5]", [](Reader& r) { CHECK(r.get_tuple("v", 2, {}) == std::vector<int64_t>{3, 5}); }) == "");
  CHECK(problem_of("{}", [](Reader& r) { CHECK(r.get_tuple("v", 2, 4) == std::vector<int64_t>{4, 4}); }) == "");
  CHECK(problem_of("v: [3]", [](Reader& r) {
          CHECK(r.get_tuple("v", 2, 1, {.min = 1}) == std::vector<int64_t>{1, 1});
        }) == "f.yaml:1:4: layers[3].v: expected an integer >= 1 or a list of 2 of them, found a list of 1");
  CHECK(problem_of("v: [a, 2]", [](Reader& r) { CHECK(r.get_strings("v").size() == 2); }) ==
        "f.yaml:1:8: layers[3].v[1]: expected a string, found 2");
}

TEST_CASE("all problems are reported, in file order, and unknown keys with the nearest known one") {
  const Node node = parse_yaml("unitz: 3\nrate: x\nxyzzy: 1\nname: no\n", "f.yaml");
  Problems problems;
  Reader reader(node, "", problems);
  reader.get_float("rate", 0.5);
  reader.get_int("units", 1);
  reader.get_string("name", "");
  reader.finish();
  REQUIRE(problems.lines().size() == 3);
  CHECK(problems.lines()[0] == "f.yaml:1:1: unitz: unknown key (did you mean 'units'?)");
  CHECK(problems.lines()[1] == "f.yaml:2:7: rate: expected a finite number, found the string 'x'");
  CHECK(problems.lines()[2] == "f.yaml:3:1: xyzzy: unknown key; known: rate, units, name");
  CHECK_THROWS_WITH_AS(problems.throw_if_any(), (problems.lines()[0] + "\n" + problems.lines()[1] + "\n" + problems.lines()[2]).c_str(),
                       UserError);
}

TEST_CASE("a list where a map is wanted is one problem") {
  const Node node = parse_yaml("- a\n", "f.yaml");
  Problems problems;
  Reader reader(node, "", problems);
  CHECK(reader.get_int("units") == 0);
  reader.finish();
  REQUIRE(problems.lines().size() == 1);
  CHECK(problems.lines()[0] == "f.yaml:1:1: expected a map (key: value), found a list of 1");
}

TEST_CASE("a name with settings") {
  const auto named = [](const Node& node) {
    Problems problems;
    const auto result = read_named(node, "optimizer", problems);
    return result ? result->name + (result->config != nullptr ? "+" : "") : problems.lines().at(0);
  };
  CHECK(named(parse_yaml("relu", "f")) == "relu");
  CHECK(named(parse_yaml("Flatten:", "f")) == "Flatten");
  CHECK(named(parse_yaml("Adam: {learning_rate: 0.1}", "f")) == "Adam+");
  CHECK(named(parse_yaml("Adam: 3", "f")) == "f:1:7: optimizer: expected the settings of 'Adam' as a map (key: value), found 3");
  CHECK(named(parse_yaml("Conv2D:\nfilters: 32", "f")) ==
        "f:2:1: optimizer: expected one name with its settings below it, found 'Conv2D' and 'filters' side by side; indent the settings "
        "further "
        "than 'Conv2D'");
  CHECK(named(parse_yaml("[a]", "f")) == "f:1:1: optimizer: expected a name or 'Name: {settings}', found a list of 1");
}

TEST_CASE("nearest") {
  static constexpr std::array<std::string_view, 4> kWords{"Dense", "Dropout", "Conv2D", "BatchNormalization"};
  CHECK(nearest("dense", kWords) == "Dense");
  CHECK(nearest("Dnese", kWords) == "Dense");
  CHECK(nearest("BatchNormalisation", kWords) == "BatchNormalization");
  CHECK(nearest("Conv3D", kWords) == "Conv2D");
  CHECK(nearest("LSTM", kWords) == "");
  CHECK(nearest("", kWords) == "");
  CHECK(nearest("x", std::array<std::string_view, 1>{"y"}) == "");
  CHECK(suggestion("LSTM", kWords) == "; known: Dense, Dropout, Conv2D, BatchNormalization");
}
