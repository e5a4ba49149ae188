// Defaults: what readers filled in where a spec said nothing, so that a file can be printed as it was understood.
// Who uses it: Reader and read_config note them in Problems; `dltool train --print-config` writes them out.
#pragma once

#include <span>
#include <string>

#include "spec/node.h"

namespace dl::spec {

struct Default {
  std::string path;  // dotted, as in messages: training.optimizer.Adam.beta_1, layers[3].Dense.use_bias
  Node value;
};

// `root` with every default whose key is absent. A name alone ("adam") becomes a map ({adam: {...}}) where defaults lie below it.
Node with_defaults(Node root, std::span<const Default> defaults);

}  // namespace dl::spec
