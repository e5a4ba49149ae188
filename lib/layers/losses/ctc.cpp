#include "ops/ctc.h"

#include "base/error.h"
#include "layers/losses/common.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var build(const LossCall& call) {
  if (call.y_pred.rank() != 3) throw UserError("takes logits [batch, time, classes], the model gives " + to_string(call.y_pred.shape()));
  return ctc_loss(call.y_pred, call.y_true);
}

}  // namespace

const LossDef loss_ctc = {.name = "ctc", .class_name = "CTC", .target = LossTarget::kSequence, .build = build};

}  // namespace dl
