// Connectionist temporal classification (Graves et al., 2006), ops/ctc.cpp. Class 0 is the blank; a row of labels ends with zeros, and
// as many of its first entries count as it has others than 0.
// Who uses it: layers/losses/ctc.cpp.
#pragma once

#include "graph/var.h"

namespace dl {

// logits [batch, time, classes], labels int64 [batch, length] -> [batch]: -log of the probability of the labels; infinite where the
// time is too short for them, NaN for a label that is no class.
Var ctc_loss(Var logits, Var labels);

}  // namespace dl
