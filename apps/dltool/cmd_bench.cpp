#include "commands.h"

namespace dl::app {

ExitCode run_bench(const BenchOptions&) { throw InternalError("bench is not built yet"); }

}  // namespace dl::app
