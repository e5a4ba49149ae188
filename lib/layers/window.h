// Geometry that convolution and pooling layers share: Keras's `padding` words turned into pads, data_format, bias.
#pragma once

#include <string>
#include <vector>

#include "layers/layer.h"
#include "ops/nn.h"

namespace dl {

// Sizes of x's spatial axes.
Shape spatial_sizes(Var x, bool channels_first);
int64_t channel_axis(Var x, bool channels_first);

// Pads of a window that moves over x. "valid": none; "same": output = ceil(input / stride), the odd cell at the end;
// "causal": (kernel - 1) * dilation before. UserError where "same" needs a size that is not known.
Window make_window(Var x, const std::string& padding, std::vector<int64_t> kernel, std::vector<int64_t> strides,
                   std::vector<int64_t> dilations, bool channels_first);

// y plus a bias per channel.
Var add_channel_bias(Var y, Var bias, bool channels_first);

// UserError unless x has `spatial` axes beside batch and channels.
void require_rank(Var x, int64_t spatial, const char* class_name, bool channels_first);

}  // namespace dl
