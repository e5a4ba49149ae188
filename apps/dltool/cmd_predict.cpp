#include "commands.h"

namespace dl::app {

ExitCode run_predict(const PredictOptions&) { throw InternalError("predict is not built yet"); }

}  // namespace dl::app
