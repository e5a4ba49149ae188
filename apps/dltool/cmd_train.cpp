#include "commands.h"

namespace dl::app {

ExitCode run_train(const TrainOptions&) { throw InternalError("train is not built yet"); }

}  // namespace dl::app
