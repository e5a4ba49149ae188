#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "base/philox.h"
#include "layers/augment.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// Logarithms of `count` Gamma(alpha) variates: G. Marsaglia and W. Tsang, A simple method for generating gamma variables, 2000. An attempt
// is accepted with probability above 0.95, so eight are as good as any number.
Var draw_log_gamma(LayerContext& context, int64_t count, double alpha) {
  constexpr int kAttempts = 8;
  const double d = alpha + 1 - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  const Shape shape = {Dim(count)};
  const auto positive = [&] { return 1.0 - draw(context, shape, 0, 1); };
  Var logarithm;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Var normal = sqrt(-2.0 * log(positive())) * cos(draw(context, shape, 0, 2 * std::numbers::pi));
    const Var root = 1.0 + c * normal, v = maximum(root * root * root, 1e-30);
    const Var accepted = logical_and(greater(root, 0.0), less(log(positive()), 0.5 * normal * normal + d - d * v + d * log(v)));
    const Var value = log(v) + std::log(d);
    logarithm = logarithm.valid() ? select(accepted, value, logarithm) : value;
  }
  return logarithm + log(positive()) / alpha;
}

// What each place of each chain does, drawn when the network is built, as where Keras traces its step; none: nothing.
std::vector<std::vector<std::string_view>> choose_chains(const Config& config) {
  const std::span<const std::string_view> names = augmentation_names();
  const size_t count = config.flag("all_ops") ? names.size() : kPlainAugmentations;
  RandomSequence random(config.given("seed") ? static_cast<uint64_t>(config.integer("seed")) : 0, 0x6175676d6978);
  std::vector<std::vector<std::string_view>> chains(static_cast<size_t>(config.integer("num_chains")));
  for (std::vector<std::string_view>& chain : chains)
    for (int64_t i = 0; i < config.integer("chain_depth"); ++i)
      if (const size_t k = (uint64_t{random.next_u32()} * (count + 1)) >> 32; k < count) chain.push_back(names[k]);
  return chains;
}

}  // namespace

const LayerDef layer_aug_mix = {
    .class_name = "AugMix",
    .summary = "In training, mixes each image with chains of augmentations of it; the chains are drawn once, by `seed`.",
    .keys = {value_range_key(), int_key("num_chains", spec::Node::integer(3), 1), int_key("chain_depth", spec::Node::integer(3), 1),
             floats_key("factor", spec::Node::real(0.3)), float_key("alpha", 1, 1e-6, 1e6), bool_key("all_ops", true),
             choice_key("interpolation", {"bilinear", "nearest"}, "bilinear"), seed_key(), data_format_key()},
    .check = make_augmentations,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = read_image(context, context.to_compute(inputs[0].value)).x;
      if (!context.training()) return {{x, {}}};
      const double alpha = context.config().real("alpha");
      const auto chains = choose_chains(context.config());
      const Var weights = cast(softmax(draw_log_gamma(context, static_cast<int64_t>(chains.size()), alpha), 0), x.dtype());
      const Var share = cast(slice_axis(softmax(draw_log_gamma(context, 2, alpha), 0), 0, 0, 1), x.dtype());
      Var mixed;
      for (size_t c = 0; c < chains.size(); ++c) {
        Var y = x;
        for (size_t i = 0; i < chains[c].size(); ++i) y = augment(context, chains[c][i], fmt::format("{}_{}", c, i), y);
        y = y * slice_axis(weights, 0, static_cast<int64_t>(c), 1);
        mixed = mixed.valid() ? mixed + y : y;
      }
      const std::vector<double> range = context.config().reals("value_range");
      return {{clip(share * x + (1.0 - share) * mixed, range[0], range[1]), {}}};
    },
};

}  // namespace dl
