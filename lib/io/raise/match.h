// Match: does a part of a graph compute what a small Program (a layer's) computes, and with which weights?
// Who uses it: raise.cpp. Both are in normal form; the weights of the graph are known, those of the pattern are found.
#pragma once

#include <map>
#include <set>
#include <string>

#include "graph/program.h"

namespace dl::raise {

struct Match {
  std::map<std::string, Tensor> weights;      // of the pattern, by parameter name
  std::map<std::string, std::string> origin;  // name of the graph's weight that each came from; "" for a number
  std::set<uint32_t> nodes;                   // of the graph, operands of the pattern left out
};

// The only output of `pattern` against `root`, where the pattern's inputs must be `operands`, in order.
// False: they differ, or the part holds a value that something else in the graph reads too (`users`: of each node).
bool match(const Program& pattern, const Program& graph, const std::map<std::string, Tensor>& weights, Value root,
           const std::vector<Value>& operands, const std::vector<std::vector<uint32_t>>& users, Match& found);

}  // namespace dl::raise
