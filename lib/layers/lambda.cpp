#include <fmt/format.h>

#include "base/error.h"
#include "layers/array_node.h"
#include "layers/expression_builder.h"
#include "layers/layer.h"
#include "ops/builders.h"
#include "spec/expression.h"

namespace dl {

const LayerDef layer_lambda = {
    .class_name = "Lambda",
    .summary = "An expression over the input x, or x0, x1, ... of several inputs, and the arrays c0, c1, ... of `constants`.",
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .keys = {{.name = "expression", .kind = KeyKind::kString, .required = true}, any_key("constants")},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          try {
            spec::parse_expression(layer.config.text("expression"));
          } catch (const UserError& error) {
            reader.report("expression", error.what());
          }
          if (!layer.config.given("constants")) return;
          const spec::Node constants = layer.config.node("constants");
          bool ok = constants.is_list();
          for (size_t i = 0; ok && i < constants.items().size(); ++i) ok = array_of(constants.items()[i]).has_value();
          if (!ok)
            reader.report("constants", fmt::format("must be a list of arrays: lists, nested alike, of at most {} booleans or numbers",
                                                   kMaxArrayElements));
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      std::map<std::string, Var> names = {{"x", inputs[0].value}};
      for (size_t i = 0; i < inputs.size(); ++i) names["x" + std::to_string(i)] = inputs[i].value;
      if (context.config().given("constants")) {
        const std::vector<spec::Node>& constants = context.config().node("constants").items();
        for (size_t i = 0; i < constants.size(); ++i) names["c" + std::to_string(i)] = constant(context.graph(), *array_of(constants[i]));
      }
      return {{build_expression(context.graph(), spec::parse_expression(context.config().text("expression")), names), {}}};
    },
};

}  // namespace dl
