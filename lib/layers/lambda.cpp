#include "base/error.h"
#include "layers/expression_builder.h"
#include "layers/layer.h"
#include "spec/expression.h"

namespace dl {

const LayerDef layer_lambda = {
    .class_name = "Lambda",
    .summary = "An expression over the input x, or x0, x1, ... of several inputs.",
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .keys = {{.name = "expression", .kind = KeyKind::kString, .required = true}},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          try {
            spec::parse_expression(layer.config.text("expression"));
          } catch (const UserError& error) {
            reader.report("expression", error.what());
          }
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      std::map<std::string, Var> names = {{"x", inputs[0].value}};
      for (size_t i = 0; i < inputs.size(); ++i) names["x" + std::to_string(i)] = inputs[i].value;
      return {{build_expression(context.graph(), spec::parse_expression(context.config().text("expression")), names), {}}};
    },
};

}  // namespace dl
