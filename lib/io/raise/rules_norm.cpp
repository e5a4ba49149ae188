// Normalisations.
#include "io/raise/rules.h"
#include "ops/ops.h"

namespace dl::raise {

using SpecNode = spec::Node;

void rule_batch_normalization(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_batch_norm_infer) return;
  const Attrs& attrs = site.node(root).attrs;
  proposals.push_back({"BatchNormalization",
                       map_of({{"axis", SpecNode::integer(attrs.integer("axis"))}, {"epsilon", SpecNode::real(attrs.real("epsilon"))}}),
                       {site.operand(root, 0)}});
}

void rule_layer_normalization(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_layer_norm) return;
  const Attrs& attrs = site.node(root).attrs;
  proposals.push_back({"LayerNormalization",
                       map_of({{"axis", list_of(attrs.integers("axes"))},
                               {"epsilon", SpecNode::real(attrs.real("epsilon"))},
                               {"center", SpecNode::boolean(attrs.flag("center"))},
                               {"scale", SpecNode::boolean(attrs.flag("scale"))}}),
                       {site.operand(root, 0)}});
}

}  // namespace dl::raise
