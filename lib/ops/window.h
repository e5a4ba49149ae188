// Geometry that convolution and pooling share: the attributes strides, dilations, pads_begin, pads_end, channels_first.
#pragma once

#include <vector>

#include "graph/op_def.h"
#include "ops/nn.h"

namespace dl {

// The attributes' schema; `more` is appended.
std::vector<AttrSpec> window_attrs(std::vector<AttrSpec> more);
// The attributes' values for `spatial` axes, empty vectors filled in. UserError naming `what` where a vector has another length.
Attrs window_values(const Window& window, size_t spatial, const char* what);
// Axis of x that holds spatial axis i, and the one with the channels.
inline size_t spatial_axis(const Attrs& attrs, size_t i) { return i + (attrs.flag("channels_first") ? 2 : 1); }
inline size_t channel_axis(const Attrs& attrs, size_t rank) { return attrs.flag("channels_first") ? 1 : rank - 1; }
// How many windows of `size` taps fit along spatial axis i of an input with `in` elements. infer_error where none does;
// `noun` is what the message calls the window.
Dim count_windows(const InferCall& call, Dim in, Dim size, size_t i, const char* noun);
// Strides and dilations positive, pads not negative, 1 to 3 spatial axes, all vectors of one length. infer_error otherwise.
void check_window(const InferCall& call, size_t spatial);

}  // namespace dl
