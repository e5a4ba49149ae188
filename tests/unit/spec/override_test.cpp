#include <doctest/doctest.h>

#include <cstdlib>

#include "base/error.h"
#include "spec/yaml.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::spec;

namespace {

constexpr const char* kSpec = "training: {epochs: 1, seed:}\nlayers:\n  - Dense: {units: 3}\n  - Flatten:\nname: x\n";

Node with(const std::string& assignment) {
  Node root = parse_yaml(kSpec, "f.yaml");
  apply_override(root, assignment);
  return root;
}

std::string override_error(const std::string& assignment) {
  Node root = parse_yaml(kSpec, "f.yaml");
  try {
    apply_override(root, assignment);
  } catch (const UserError& error) {
    CHECK(root == parse_yaml(kSpec, "f.yaml"));
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("overrides set, replace and create") {
  CHECK(with("training.epochs=3").find("training")->find("epochs")->as_int() == 3);
  CHECK(to_string(with("training.epochs=3").find("training")->find("epochs")->place()) == "command line");
  CHECK(to_string(with("training.epochs=3").find("training")->key_place("epochs")) == "command line");
  CHECK(to_string(with("training.new=3").find("training")->key_place("new")) == "command line");
  CHECK(with("layers[0].Dense.units=5").find("layers")->items()[0].find("Dense")->find("units")->as_int() == 5);
  CHECK(with("layers[1].Flatten.name=f").find("layers")->items()[1].find("Flatten")->find("name")->as_string() == "f");
  CHECK(with("a.b.c=true").find("a")->find("b")->find("c")->as_bool());
  CHECK(with("training.optimizer={Adam: {learning_rate: 1e-2}}")
            .find("training")
            ->find("optimizer")
            ->find("Adam")
            ->find("learning_rate")
            ->as_double() == 0.01);
  CHECK(with("layers[1]=Dropout").find("layers")->items()[1].as_string() == "Dropout");
  CHECK(with("name=").find("name")->is_null());
  CHECK(with("name=s3://b/k=v").find("name")->as_string() == "s3://b/k=v");
  CHECK(with("name=\"007\"").find("name")->as_string() == "007");
  CHECK(with("shapes=[[1, 2], [3]]").find("shapes")->items()[0].items()[1].as_int() == 2);
}

TEST_CASE("malformed overrides") {
  for (const char* bad : {"training.epochs", "=3", ".a=3", "a.=3", "a..b=3", "layers[x]=1", "layers[]=1", "layers[0=1", "layers[-1]=1",
                          "layers[0]x=1", "layers[99999999999999999999]=1", "layers]=1x[", ""}) {
    INFO(std::string(bad));
    CHECK(has(override_error(bad), "command line: '"));
  }
  CHECK(override_error("training.epochs") ==
        "command line: 'training.epochs': '=' is missing; write for example training.epochs=3 or layers[0].Dense.units=5");
  has(override_error("training.epochs.x=1"), "'training.epochs' is an integer, so 'x' cannot be set in it");
  has(override_error("name[0]=1"), "'name' is a string, not a list");
  has(override_error("layers.Dense=1"), "'layers' is a list; name an item, as in layers[0]");
  has(override_error("layers[2]=1"), "'layers' has 2 items, so there is no [2]");
  has(override_error("a=[1"), "is not closed");
  has(override_error("a=017"), "starts with a zero");
  std::string deep = "a";
  for (int i = 0; i < 64; ++i) deep += ".a";
  has(override_error(deep + "=1"), "nested too deep");
}

TEST_CASE("environment variables") {
  setenv("DLTOOL_TEST_SET", "/data", 1);
  setenv("DLTOOL_TEST_EMPTY", "", 1);
  unsetenv("DLTOOL_TEST_UNSET");
  Node n = parse_yaml(
      "a: ${DLTOOL_TEST_SET}/x\nb: ['${DLTOOL_TEST_UNSET:-d}', '${DLTOOL_TEST_EMPTY:-e}', '${DLTOOL_TEST_EMPTY}']\nc: $${X} $5 "
      "${DLTOOL_TEST_UNSET:-}\nd: 3\n",
      "f.yaml");
  expand_environment(n);
  CHECK(n.find("a")->as_string() == "/data/x");
  CHECK(n.find("b")->items()[0].as_string() == "d");
  CHECK(n.find("b")->items()[1].as_string() == "e");
  CHECK(n.find("b")->items()[2].as_string() == "");
  CHECK(n.find("c")->as_string() == "${X} $5 ");
  CHECK(to_string(n.find("a")->place()) == "f.yaml:1:4");
  const auto error_of_text = [](const char* text) -> std::string {
    Node node = parse_yaml(text, "f.yaml");
    try {
      expand_environment(node);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK(error_of_text("a: ${DLTOOL_TEST_UNSET}") ==
        "f.yaml:1:4: the environment variable DLTOOL_TEST_UNSET is not set; set it, or write ${DLTOOL_TEST_UNSET:-default}");
  CHECK(error_of_text("a: '${X'") == "f.yaml:1:4: '${' without a closing '}'");
  has(error_of_text("a: ${}"), "names no environment variable");
  has(error_of_text("a: ${a b}"), "names no environment variable");
}
