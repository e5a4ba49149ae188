// Spelling of convolutions and pooling: pads that no layer has stand before the operator, what a transposed convolution cuts off behind it.
// Who uses it: spelling.cpp as rules of the normal form, rules_linear.cpp for the keys of transposed convolutions.
#pragma once

#include <optional>
#include <vector>

#include "passes/rewrite.h"

namespace dl::raise {

std::optional<Var> explicit_pads(const RewriteCall& call);      // pads that padding 'same' does not give
std::optional<Var> cropped_transpose(const RewriteCall& call);  // pads that no transposed convolution of Keras has
std::optional<Var> bias_before_crop(const RewriteCall& call);   // crop(x) + bias
std::optional<Var> dense_taps(const RewriteCall& call);         // a transposed convolution with strides and dilations, which Keras has not
std::optional<Var> spread_taps(const RewriteCall& call);        // a maximum over taps that lie apart
std::optional<Var> split_groups(const RewriteCall& call);       // a transposed convolution in groups

// Keras's output_padding of the transposed convolution (channels last) with `attrs`; empty: none has to be given. nullopt: no layer with
// this padding has its pads.
std::optional<std::vector<int64_t>> output_paddings(const Attrs& attrs, const Shape& in, const Shape& kernel, bool same);

}  // namespace dl::raise
