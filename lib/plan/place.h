// Liveness and sharing of a plan's values, and their places in memory.
#pragma once

#include <vector>

#include "plan/plan.h"

namespace dl {

// `value` becomes the new content of the parameter held by `parameter` (both PlanValues).
struct PlacedUpdate {
  int value;
  int parameter;
};

// Shares bytes where a view or an in-place kernel allows it, appends the copies that remaining updates need, and gives
// every value its storage and offset. Values of one group lie side by side, in order.
void place(Plan& plan, const std::vector<std::vector<int>>& groups, const std::vector<PlacedUpdate>& updates);

}  // namespace dl
