// Program: a Graph with names for what goes in and out. State (weights, batch-norm statistics, optimizer slots, the step
// counter) is explicit: each piece is a parameter with, where it changes, an update to a new value at the end of a run.
// Who uses it: layers and importers make Programs; train, eval, predict, export and bench read them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace dl {

struct NamedValue {
  std::string name;
  Value value;
};

// How a parameter starts: a Keras initialiser class with its config ("GlorotUniform", {seed}), or given values.
struct Initializer {
  std::string class_name = "Zeros";
  Attrs config = {};
};

struct Parameter {
  std::string name;  // unique: "conv2d/kernel", "conv2d/kernel/adam_m", "step"
  Value value;       // node of operator `parameter`
  bool trainable = true;
  Initializer initializer;
};

struct Update {
  size_t parameter;  // index into Program::parameters
  Value new_value;
};

struct Program {
  Graph graph;
  std::vector<NamedValue> inputs;  // nodes of operator `input`
  std::vector<NamedValue> outputs;
  std::vector<Parameter> parameters;
  std::vector<Update> updates;
};

// Every operand exists and comes before its user, types equal what the operators infer, names are unique, updates keep
// their parameter's type. Throws InternalError naming the node.
void verify(const Program& program);
// One line per live node: "%7 = conv(%3, %5) strides=[1, 1] : float32[batch, 26, 26, 32]  # conv2d".
std::string to_text(const Program& program);
std::string to_dot(const Program& program);  // Graphviz

// Node for node the same, tensors bit for bit, and the same inputs and outputs.
bool same_program(const Program& a, const Program& b);
// Adds a Program without parameters and updates to `graph`: inputs[i] stands for its input i; types follow from those given. Its outputs.
std::vector<Value> inline_program(Graph& graph, const Program& program, std::span<const Value> inputs);

// Nodes that outputs and updates need, as flags by node index.
std::vector<char> live_nodes(const Program& program);

}  // namespace dl
