#include "layers/color.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr FactorRule kSolarization{FactorKind::kFromZero, 0, 1};
constexpr std::pair<double, double> kSolarBytes{0, 255};

}  // namespace

const LayerDef layer_solarization = {
    .class_name = "Solarization",
    .summary = "In training, adds a random number to each image and inverts what is above a random threshold.",
    .keys = {floats_key("addition_factor", spec::Node::real(0)), floats_key("threshold_factor", spec::Node::real(0)), value_range_key(),
             seed_key(), data_format_key()},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          for (const char* key : {"addition_factor", "threshold_factor"}) check_factor(layer, reader, key, kSolarization);
          check_value_range(layer, reader);
        },
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Image image = read_image(context, context.to_compute(inputs[0].value));
      if (!context.training()) return {{image.x, {}}};
      const auto drawn = [&](const char* key) {
        // Keras scales the upper end alone.
        const std::pair<double, double> range = factor_range(context.config(), key, kSolarization);
        return cast(draw(context, per_image(image.x), range.first, range.second * 255), image.x.dtype());
      };
      const std::pair<double, double> range = value_range(context.config());
      const Var added = clip_to(change_range(image.x, range, kSolarBytes) + drawn("addition_factor"), kSolarBytes);
      const Var y = select(less(added, drawn("threshold_factor")), added, 255.0 - added);
      return {{change_range(y, kSolarBytes, range), {}}};
    },
};

}  // namespace dl
