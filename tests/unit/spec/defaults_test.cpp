#include "spec/defaults.h"

#include <doctest/doctest.h>

#include "spec/reader.h"
#include "spec/yaml.h"

using namespace dl;
using namespace dl::spec;

namespace {

std::string filled(const std::string& text, const std::vector<Default>& defaults) {
  return to_yaml(with_defaults(parse_yaml(text, "f.yaml"), defaults));
}

}  // namespace

TEST_CASE("defaults go where their path says, and never over a value") {
  const Node one = Node::integer(1);
  CHECK(filled("a: 5", {{"a", one}, {"b", one}}) == to_yaml(parse_yaml("a: 5\nb: 1", "")));
  CHECK(filled("optimizer: adam", {{"optimizer.adam.rate", one}}) == to_yaml(parse_yaml("optimizer: {adam: {rate: 1}}", "")));
  CHECK(filled("layers: [{Flatten: }, {Dense: {units: 3}}]", {{"layers[0].Flatten.x", one}, {"layers[1].Dense.bias", one}}) ==
        to_yaml(parse_yaml("layers: [{Flatten: {x: 1}}, {Dense: {units: 3, bias: 1}}]", "")));
  CHECK(filled("a: 1", {{"training.checkpoints.keep", one}}) == to_yaml(parse_yaml("a: 1\ntraining: {checkpoints: {keep: 1}}", "")));
  CHECK(filled("o: {class_name: Adam, config: {x: 2}}", {{"o.Adam.y", one}}) ==
        to_yaml(parse_yaml("o: {class_name: Adam, config: {x: 2, y: 1}}", "")));
  CHECK(filled("inputs: {a.b: {shape: [1]}}", {{"inputs.a.b.dtype", one}}) ==
        to_yaml(parse_yaml("inputs: {a.b: {shape: [1], dtype: 1}}", "")));
}

TEST_CASE("a reader notes the defaults it takes, in the order of reading") {
  const Node node = parse_yaml("a: 1", "f.yaml");
  Problems problems;
  Reader reader(node, "m", problems);
  reader.get_int("a", 3);
  reader.get_bool("b", true);
  reader.get_tuple("c", 2, 4);
  reader.get_string("none", std::string());
  const std::vector<Default> defaults = problems.take_defaults();
  REQUIRE(defaults.size() == 2);
  CHECK(defaults[0].path == "m.b");
  CHECK(defaults[1].value == Node::integer(4));
  CHECK(problems.take_defaults().empty());
}
