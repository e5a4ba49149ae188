#include "graph/op_def.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace dl {

Program bind_sizes(const Program& program, const Bindings& bindings) {
  return rewrite(program, [&](const RewriteCall& call) -> std::vector<Var> {
    Node node = call.node;
    bool changed = false;
    for (const auto& [name, value] : call.node.attrs.values())
      if (const Body* body = std::get_if<Body>(&value); body && body->program()) {
        node.attrs.set(name, Body(std::make_shared<const Program>(bind_sizes(*body->program(), bindings))));
        changed = true;
      } else if (const Shape* shape = std::get_if<Shape>(&value)) {
        const Shape bound = dl::bind(*shape, bindings);
        if (bound == *shape) continue;
        node.attrs.set(name, bound);
        changed = true;
      }
    return changed ? copy_node(call.graph, node, call.inputs) : std::vector<Var>{};
  });
}

}  // namespace dl
