#include "commands.h"

namespace dl::app {

ExitCode run_inspect(const InspectOptions&) { throw InternalError("inspect is not built yet"); }

}  // namespace dl::app
