// The normal form of a Program, in which the graph of a file and the graph that layers build can be compared: channels last, transposes
// moved behind what works on each element, fused operators spelled out, one way to write what can be written in several.
// Who uses it: raise.cpp, for both sides. Numbers change at most by rounding; weights do not change at all.
#pragma once

#include <map>
#include <string>

#include "graph/program.h"

namespace dl::raise {

Program normal_form(const Program& program);

// A Program, some of whose weights are known: what depends on weights alone has become a weight itself ("conv1.weight" turned around is
// still called so), or a constant where it has one element.
struct Folded {
  Program program;
  std::map<std::string, Tensor> weights;
};
// Weights that only others are made of are let go of on the way.
Folded fold_weights(const Program& program, std::map<std::string, Tensor> weights);

}  // namespace dl::raise
