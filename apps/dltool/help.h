// Help, man pages and shell completion: all written from the Command records.
#pragma once

#include <string>
#include <vector>

#include "command.h"

namespace dl::app {

std::string top_help(const std::vector<Command>& commands);
std::string command_help(const Command& command, bool with_options);
// "[options] RUN.yaml [key=value...]"
std::string synopsis(const Command& command);
// "-o, --output DIR"
std::string option_heading(const Option& option);
// The help of an option with its choices: "form of the output (...); one of csv, jsonl, npy".
std::string option_help(const Option& option);

// Text as man(7) source.
std::string roff(const std::string& text);

struct ExitStatus {
  std::string code;
  std::string meaning;
};
const std::vector<ExitStatus>& exit_statuses();

// Writes dltool.1, dltool-COMMAND.1, dltool-spec.5 and completions/ into `out_dir`; prose comes from `include_dir`/*.inc.
void write_man(const std::vector<Command>& commands, const std::string& include_dir, const std::string& out_dir);
// `shell`: bash, zsh or fish; UserError for another.
std::string completion(const std::vector<Command>& commands, const std::string& shell);

}  // namespace dl::app
