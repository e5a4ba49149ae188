#include "passes/passes.h"
#include "passes/rewrite.h"

namespace dl {

Program fuse(const Program& program, const AcceptsNode& accepts) {
  (void)accepts;
  return rewrite(program, [](const RewriteCall&) { return std::vector<Var>{}; });
}

}  // namespace dl
