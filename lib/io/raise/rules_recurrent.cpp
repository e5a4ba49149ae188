// Recurrent layers, alone and in both directions.
#include "io/raise/rules.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

using SpecNode = spec::Node;

bool is_recurrent(const Site& site, Value v) { return site.op(v) == &op_lstm || site.op(v) == &op_gru; }

// {LSTM: config} of the operator that gives `v`, its sequence or its last output.
std::pair<std::string, SpecNode> layer_of(const Site& site, Value v) {
  const Attrs& attrs = site.node(v).attrs;
  const bool lstm = site.op(v) == &op_lstm;
  SpecNode config = map_of({{"units", SpecNode::integer(site.shape(site.operand(v, 2))[0].value())},
                            {"activation", SpecNode::string(attrs.text("activation"))},
                            {"recurrent_activation", SpecNode::string(attrs.text("recurrent_activation"))},
                            {"use_bias", SpecNode::boolean(attrs.flag("bias"))},
                            {"return_sequences", SpecNode::boolean(v.index == 0)},
                            {"go_backwards", SpecNode::boolean(attrs.flag("reversed"))}});
  if (!lstm) config.set("reset_after", SpecNode::boolean(attrs.flag("reset_after")));
  return {lstm ? "LSTM" : "GRU", config};
}

// The recurrent operator below a reversal of the time axis.
Value straight(const Site& site, Value v) { return site.op(v) == &op_slice ? site.operand(v, 0) : v; }

}  // namespace

void rule_recurrent(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const bool lstm = site.op(root) == &op_lstm;
  if (!is_recurrent(site, root) || root.index > (lstm ? 2u : 1u)) return;
  auto [name, config] = layer_of(site, root);
  const auto reads = [&](uint32_t index) { return site.is_read({root.node, index}); };
  const bool sequences = reads(0), states = reads(2) || (sequences && reads(1));
  config.set("return_sequences", SpecNode::boolean(sequences));
  config.set("return_state", SpecNode::boolean(states));
  const size_t output = states ? root.index : 0;
  // Initial states that are values come after the sequence.
  const size_t first_state = site.node(root).attrs.flag("bias") ? 4 : 3;
  std::vector<Value> operands = {site.operand(root, 0)}, with_states = operands;
  for (size_t i = first_state; i < first_state + (lstm ? 2 : 1); ++i) with_states.push_back(site.operand(root, i));
  const auto propose = [&](const std::string& class_name, const SpecNode& layer) {
    proposals.push_back({class_name, layer, operands, nullptr, "", {}, output});
    proposals.push_back({class_name, layer, with_states, nullptr, "", {}, output});
  };
  if (name == "GRU" && site.node(root).attrs.flag("reset_after"))  // SimpleRNN is built from a GRU with shut gates
    for (const bool bias : {true, false}) {
      SpecNode simple = map_of({{"units", *config.find("units")}, {"activation", *config.find("activation")}});
      simple.set("use_bias", SpecNode::boolean(bias));
      for (const char* key : {"return_sequences", "return_state", "go_backwards"}) simple.set(key, *config.find(key));
      propose("SimpleRNN", simple);
    }
  propose(name, config);
}

void rule_bidirectional(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const std::pair<const OpDef*, const char*> kModes[] = {{&op_concat, "concat"}, {&op_add, "sum"}, {&op_mul, "mul"}};
  for (const auto& [op, mode] : kModes) {
    if (site.op(root) != op || site.node(root).inputs.size() != 2) continue;
    for (size_t first = 0; first < 2; ++first) {
      const Value forward = straight(site, site.operand(root, first)), backward = straight(site, site.operand(root, 1 - first));
      if (!is_recurrent(site, forward) || !is_recurrent(site, backward) || site.op(forward) != site.op(backward)) continue;
      if (site.node(forward).attrs.flag("reversed") || !site.node(backward).attrs.flag("reversed")) continue;
      if (site.operand(forward, 0) != site.operand(backward, 0)) continue;
      const auto [name, config] = layer_of(site, forward);
      proposals.push_back({"Bidirectional",
                           map_of({{"layer", SpecNode::map({{name, config}})}, {"merge_mode", SpecNode::string(mode)}}),
                           {site.operand(forward, 0)}});
    }
  }
}

// softmax(q k) v of sequences as they are.
void rule_attention(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  if (site.op(root) != &op_matmul || site.shape(root).size() != 3 || site.op(site.operand(root, 0)) != &op_softmax) return;
  Value scores = site.operand(site.operand(root, 0), 0);
  if (const auto scaled = site.op(scores) == &op_mul ? site.beside_weight(scores) : std::nullopt) scores = *scaled;
  if (site.op(scores) != &op_matmul || site.op(site.operand(scores, 1)) != &op_transpose) return;
  proposals.push_back(
      {"Attention", map_of({}), {site.operand(scores, 0), site.operand(root, 1), site.operand(site.operand(scores, 1), 0)}});
}

// softmax(q k) v between products with kernels: [batch, heads, time, size] inside.
void rule_multi_head_attention(const Site& site, std::vector<Proposal>& proposals) {
  const auto below = [&](Value v, std::initializer_list<const OpDef*> passed) {
    for (bool moved = true; moved;) {
      moved = false;
      for (const OpDef* op : passed)
        if (site.op(v) == op) {
          const auto beside = site.node(v).inputs.size() == 2 ? site.beside_weight(v) : std::optional(site.operand(v, 0));
          if (!beside) return v;
          v = *beside;
          moved = true;
        }
    }
    return v;
  };
  const Value projected = below(site.root(), {&op_add});
  if (site.op(projected) != &op_matmul || !site.is_weight(site.operand(projected, 1))) return;
  const bool output_bias = projected != site.root();
  const Value mixed = below(site.operand(projected, 0), {&op_reshape, &op_transpose});
  if (site.op(mixed) != &op_matmul || site.shape(mixed).size() != 4) return;
  const Value weights = site.operand(mixed, 0);
  if (site.op(weights) != &op_softmax) return;
  const Value scores = below(site.operand(weights, 0), {&op_mul});
  if (site.op(scores) != &op_matmul) return;
  // From a factor of the scores down to what its kernel was applied to.
  const auto source = [&](Value v) {
    v = below(v, {&op_reshape, &op_transpose, &op_mul, &op_add});
    return site.op(v) == &op_matmul && site.is_weight(site.operand(v, 1)) ? std::optional(site.operand(v, 0)) : std::nullopt;
  };
  const auto query = source(site.operand(scores, 0)), key = source(site.operand(scores, 1)), value = source(site.operand(mixed, 1));
  if (!query || !key || !value) return;
  const Shape &heads = site.shape(mixed), &q = site.shape(site.operand(scores, 0)), &in = site.shape(*query);
  if (!heads[1].known() || !heads[3].known() || !q[3].known() || !in.back().known()) return;
  SpecNode config = map_of({{"num_heads", SpecNode::integer(heads[1].value())},
                            {"key_dim", SpecNode::integer(q[3].value())},
                            {"value_dim", SpecNode::integer(heads[3].value())},
                            {"use_bias", SpecNode::boolean(output_bias)}});
  if (!(site.shape(projected).back() == in.back())) config.set("output_shape", list_of({site.shape(projected).back().value()}));
  proposals.push_back({"MultiHeadAttention", config, {*query, *value, *key}});
}

}  // namespace dl::raise
