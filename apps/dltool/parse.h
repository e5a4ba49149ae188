// The command line turned into what main has to do. The only user of CLI11.
#pragma once

#include <string>
#include <vector>

#include "command.h"

namespace dl::app {

struct Invocation {
  enum class What {
    kRun,    // command->run()
    kHelp,   // help of command, or of dltool where command is null
    kUsage,  // the same, short, on stderr, exit code 2: there was nothing to do
    kVersion,
    kMan,       // __man INC_DIR OUT_DIR: arguments
    kComplete,  // __complete SHELL: arguments
  };
  What what = What::kUsage;
  const Command* command = nullptr;
  bool json = false;
  std::vector<std::string> arguments;
};

// Fills the options of the chosen command. UserError for a line that is not well-formed, with the nearest name that would be.
Invocation parse(int argc, char** argv, std::vector<Command>& commands);

}  // namespace dl::app
