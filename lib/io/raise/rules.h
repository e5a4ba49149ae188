// Rules: which layers could a value of a graph be the result of? A rule looks at the operator that gives the value and proposes layers
// with their configs; whether a layer's own build gives these very operators, and with which weights, is for match.h to say.
// Who uses it: raise.cpp. To raise another layer: a rule in rules_<family>.cpp and its row in rules.def.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/program.h"
#include "spec/node.h"

namespace dl::raise {

struct Proposal {
  std::string class_name;
  spec::Node config;            // without name and inputs
  std::vector<Value> operands;  // what the layer is applied to
  // Another way in which exporters write what the layer computes: inputs x0, x1, ..., parameters "layer/kernel". Null: as its build does.
  // It follows from class, config, the operands' types and this name of it, so that it is made once.
  std::function<Program()> spelled = nullptr;
  std::string spelling = "";
  std::map<std::string, Tensor> given = {};  // weights that the spelling has no place for
  size_t output = 0;                         // which of the layer's outputs the value is
};

// A value of a graph in normal form, with what rules ask of it.
class Site {
 public:
  // `read`: the values that operators or outputs of the program read.
  Site(const Program& program, const std::map<std::string, Tensor>& weights, const std::set<Value>& read, Value root)
      : graph_(program.graph), weights_(weights), read_(read), root_(root) {}

  Value root() const { return root_; }
  const Node& node(Value v) const { return graph_.node(v); }
  const OpDef* op(Value v) const { return graph_.node(v).op; }
  Value operand(Value v, size_t i) const { return graph_.node(v).inputs.at(i); }
  const Shape& shape(Value v) const { return graph_.type(v).shape; }
  DType dtype(Value v) const { return graph_.type(v).dtype; }
  bool is_read(Value v) const { return read_.contains(v); }
  // A weight, or a number: it does not depend on the inputs.
  bool is_weight(Value v) const;
  std::optional<double> number(Value v) const;  // of one element
  const Tensor& tensor(Value v) const;          // of a weight
  // The operand of a two-operand node that is no weight, where the other one is; nullopt else.
  std::optional<Value> beside_weight(Value v) const;

 private:
  const Graph& graph_;
  const std::map<std::string, Tensor>& weights_;
  const std::set<Value>& read_;
  Value root_;
};

using Rule = void (*)(const Site&, std::vector<Proposal>&);

// Every rule of rules.def, in its order: the first proposal that matches is taken.
const std::vector<Rule>& all_rules();

// ---- for rules
spec::Node map_of(std::initializer_list<std::pair<const char*, spec::Node>> entries);
spec::Node list_of(const std::vector<int64_t>& values);
// "Conv2D" from "Conv", 2.
std::string with_dimensions(const char* name, size_t spatial);

}  // namespace dl::raise
