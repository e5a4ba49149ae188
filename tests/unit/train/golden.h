// Numbers that the real Keras gave (tests/golden/train/make_golden.py), and run-file text as Nodes. Tests run in the source folder.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "spec/reader.h"
#include "spec/yaml.h"

namespace dl {

inline nlohmann::json read_golden(const std::string& name) {
  std::ifstream file("tests/golden/train/" + name);
  REQUIRE_MESSAGE(file.good(), "tests run in the source folder");
  return nlohmann::json::parse(file);
}

// JSON is YAML.
inline spec::Node node_of(const std::string& text) { return spec::parse_yaml(text, "run.yaml"); }
inline spec::Node node_of_json(const nlohmann::json& json) { return node_of(json.dump()); }

// All problems, one per line.
inline std::string text_of(const spec::Problems& problems) {
  std::string text;
  for (const std::string& line : problems.lines()) text += line + "\n";
  return text;
}

}  // namespace dl
