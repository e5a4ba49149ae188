// stdout and stderr of the commands. stdout holds results only, and a result that could not be written is an error.
#pragma once

#include <string_view>

#include "base/error.h"

namespace dl::app {

// Call first: a closed stdin, stdout or stderr must not hand its number to a data file opened later.
void guard_standard_streams();
// Throws EnvError when stdout takes no more (disk full, closed).
void write_stdout(std::string_view text);
// Last: what stdio still holds is written, or EnvError thrown.
void finish_stdout();
// One error on stderr, plain or as {"error": {"code", "message", "where"}}.
void report_error(const Error& error, bool json);

}  // namespace dl::app
