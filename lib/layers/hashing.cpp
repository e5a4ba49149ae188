#include "base/error.h"
#include "layers/categories.h"
#include "ops/builders.h"
#include "ops/hash.h"

namespace dl {
namespace {

void check_hashing(Layer& layer, spec::Reader& reader) {
  const spec::Node& mask = layer.config.node("mask_value");
  if (!mask.is_null() && !mask.is_number())
    reader.report("mask_value", "must be a number: texts are hashed by the step Hashing of the data section (data.preprocess)");
  check_salt(layer, reader);
}

std::vector<MaskedVar> build_hashing(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const std::string& mode = config.text("output_mode");
  const int64_t bins = config.integer("num_bins");
  const Var x = inputs[0].value;
  if (x.dtype() == DType::kBool) throw UserError("takes integers, got bool");
  const bool masked = config.given("mask_value") && bins > 1;  // bin 0 is that of the mask
  Var bin = hash_bucket(cast(x, DType::kInt64), masked ? bins - 1 : bins, salt_of(config));
  if (masked) bin = select(equal(x, config.real("mask_value")), 0.0, bin + 1.0);
  if (mode == "int") return {{bin, {}}};
  return {{encode_categories(bin, mode, bins, context.variable_dtype()), {}}};
}

}  // namespace

const LayerDef layer_hashing = {
    .class_name = "Hashing",
    .summary = "A bin for each integer by a hash of its digits, or that as one-hot, multi-hot or counts.",
    .autocast = false,
    .keys = {int_key("num_bins", 1), any_key("mask_value"), ints_key("salt"),
             choice_key("output_mode", {"int", "one_hot", "multi_hot", "count"}, "int"),
             unsupported_key("sparse", spec::Node::boolean(false))},
    .check = check_hashing,
    .build = build_hashing,
};

}  // namespace dl
