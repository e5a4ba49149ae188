#include "commands.h"

namespace dl::app {

ExitCode run_eval(const EvalOptions&) { throw InternalError("eval is not built yet"); }

}  // namespace dl::app
