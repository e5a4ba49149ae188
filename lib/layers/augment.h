// The single augmentations that RandAugment and AugMix put together, as children of the layer.
// Who uses it: rand_augment.cpp, aug_mix.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "layers/image.h"

namespace dl {

// Names of the children. The first seven are those of AugMix without all_ops.
std::span<const std::string_view> augmentation_names();
inline constexpr size_t kPlainAugmentations = 7;

// Makes the children from the layer's factor, value_range, interpolation, seed and data_format, all as Keras does.
void make_augmentations(Layer& layer, spec::Reader& reader);

// One of them applied to x. Calls with the same `stream` draw the same numbers.
Var augment(LayerContext& context, std::string_view name, const std::string& stream, Var x);

}  // namespace dl
