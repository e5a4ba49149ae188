#include "layers/regularizers.h"

#include <fmt/format.h>

#include <limits>

#include "layers/config.h"
#include "ops/builders.h"

namespace dl {

namespace {

struct Row {
  const char* class_name;
  const char* alias;
  double l1, l2;  // defaults; negative: not a key of this class
};
constexpr Row kRows[] = {{"L1", "l1", 0.01, -1}, {"L2", "l2", -1, 0.01}, {"L1L2", "l1_l2", 0, 0}};
constexpr std::string_view kNames[] = {"L1", "L2", "L1L2", "l1", "l2", "l1_l2"};

}  // namespace

spec::Node read_regularizer(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  const std::optional<spec::NamedConfig> named = read_object(node, path, problems);
  if (!named) return {};
  for (const Row& row : kRows) {
    if (named->name != row.class_name && named->name != row.alias) continue;
    std::vector<ConfigKey> keys;
    if (row.l1 >= 0) keys.push_back(float_key("l1", row.l1, 0));
    if (row.l2 >= 0) keys.push_back(float_key("l2", row.l2, 0));
    static const spec::Node kEmpty = spec::Node::map({});
    spec::Reader reader(named->config ? *named->config : kEmpty, join_path(path, named->name), problems);
    const Config config = read_config(reader, keys);
    reader.finish();
    return spec::Node::map({{"class_name", spec::Node::string(row.class_name)}, {"config", config.values()}});
  }
  problems.add(node.place(), path, fmt::format("unknown regularizer '{}'{}", named->name, spec::suggestion(named->name, kNames)));
  return {};
}

Var regularization_loss(const spec::Node& node, Var weight) {
  const spec::Node& config = *node.find("config");
  Var loss;
  const auto add_term = [&](Var term) { loss = loss.valid() ? loss + term : term; };
  if (const spec::Node* l1 = config.find("l1"); l1 && l1->as_double() != 0) add_term(reduce_sum(abs(weight)) * l1->as_double());
  if (const spec::Node* l2 = config.find("l2"); l2 && l2->as_double() != 0) add_term(reduce_sum(square(weight)) * l2->as_double());
  return loss.valid() ? loss : scalar(*weight.graph, weight.dtype(), 0);
}

}  // namespace dl
