#include "passes/passes.h"

namespace dl {

Program optimize(const Program& program, const Bindings& bindings, const AcceptsNode& accepts, std::vector<PassTrace>* trace) {
  Program current;
  const auto step = [&](const char* name, Program next) {
    current = std::move(next);
#ifndef NDEBUG
    verify(current);
#endif
    if (trace) trace->push_back({name, to_text(current)});
  };
  step("bind", bind_sizes(program, bindings));
  step("simplify", simplify(current));
  step("fuse", fuse(current, accepts));
  step("legalize", legalize(current, accepts));
  return current;
}

}  // namespace dl
