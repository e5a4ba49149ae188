// Max and average pooling over 1 to 3 axes, local and global: keys and build.
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

enum class Pooling { kMax, kAverage };

std::vector<ConfigKey> pooling_keys(size_t spatial, bool size_has_default);
std::vector<MaskedVar> build_pooling(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial, Pooling pooling);

std::vector<ConfigKey> global_pooling_keys();
std::vector<MaskedVar> build_global_pooling(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial, Pooling pooling);

}  // namespace dl
