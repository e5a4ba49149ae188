// How the layers of one Functional model are called: the `inbound_nodes` of every Keras version as one structure.
// Private to lib/io/keras (config_reader.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/node.h"

namespace dl {

// Output `tensor` of call `node` of a layer.
struct KerasTensor {
  std::string layer;
  int64_t node = 0, tensor = 0;
};

// An argument of a function: a tensor, a list of tensors, or a constant.
struct KerasArgument {
  std::string keyword;
  bool is_tensor = false;
  std::vector<KerasTensor> tensors;  // the one, or those of the list
  spec::Node value;
};

struct KerasCall {
  std::vector<KerasTensor> inputs;       // in the order that dltool wants them
  std::vector<KerasTensor> masks;        // given as mask arguments
  std::vector<KerasArgument> arguments;  // all, for functions
  bool reverse = false;                  // of ReversibleEmbedding
  bool causal = false;                   // use_causal_mask
  bool scores = false;                   // return_attention_scores
  bool has_state = false;                // initial_state
  bool has_attention_mask = false;       // attention_mask
  std::string training;                  // "", "true" or "false"
  std::vector<std::string> problems;     // arguments that mean something unknown
};

// `history`: a list [layer, node, tensor], or several of them in lists or maps.
std::vector<KerasTensor> read_tensor_refs(const spec::Node& history);
// `function`: a call of a function and not of a layer; its inputs are the tensors of `arguments` in their order.
std::vector<KerasCall> read_inbound_nodes(const spec::Node* nodes, bool function);

}  // namespace dl
