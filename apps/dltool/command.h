// Command: the description of one sub-command as data. Everything a user sees of the command line comes from it: parsing (parse.cpp,
// CLI11), help (help.cpp), man pages (man.cpp) and shell completion (completion.cpp). One options_<name>.cpp per command builds one, and
// commands() lists them; nothing else names a command. Values are converted here, without the locale, after the whole line was found to be
// well-formed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "commands.h"

namespace dl::app {

enum class Completion { kNone, kFile, kDirectory };

struct Option {
  std::vector<std::string> names;  // "-o", "--output"; empty for a positional
  std::string value;               // what stands in the help: "DIR"; empty for a flag
  std::string help;                // one sentence, no full stop
  std::vector<std::string> choices;
  Completion completion = Completion::kNone;
  bool hidden = false;
  bool required = false;
  bool repeated = false;
  // Takes one given value ("" for a flag). Throws UserError saying what is allowed; the caller adds the option's name.
  std::function<void(const std::string&)> set;

  Option& with_choices(std::vector<std::string> allowed);
  Option& with_files();
  Option& with_directories();
  Option& make_hidden();
  Option& make_required();

  bool is_flag() const { return value.empty(); }
  bool is_positional() const { return names.empty(); }
  const std::string& display_name() const { return is_positional() ? value : names.back(); }
};

struct Example {
  std::string what;  // "Train, and go on where an interrupted run stopped"
  std::string line;  // "dltool train run.yaml --resume auto"
};

struct Command {
  std::string name;
  std::string summary;                   // one line, no full stop
  std::vector<std::string> description;  // paragraphs for the man page
  std::vector<Example> examples;
  std::deque<Option> options;  // a deque: references returned below stay valid
  std::function<ExitCode()> run;
  // Set once the line was parsed.
  const CommonOptions* common = nullptr;

  // Each binds an option to the variable it fills; `names` as in "-o,--output".
  Option& flag(std::string_view names, bool& target, std::string help);
  Option& flag(std::string_view names, int& count, std::string help);
  Option& option(std::string_view names, std::string value, std::string& target, std::string help);
  Option& option(std::string_view names, std::string value, int64_t minimum, int64_t maximum, std::function<void(int64_t)> set,
                 std::string help);
  Option& option(std::string_view names, std::string value, std::function<void(const std::string&)> set, std::string help);
  Option& positional(std::string value, std::string& target, std::string help);
  Option& positional_list(std::string value, std::vector<std::string>& target, std::string help);
  // key=value overrides of a run file, each checked for its form.
  void overrides(std::vector<std::string>& target);
  // --json, -q, -v, --log-format, --threads, --isa
  void common_options(CommonOptions& target);
};

// In the order of the help.
std::vector<Command> commands();

Command train_command();
Command eval_command();
Command predict_command();
Command inspect_command();
Command bench_command();
Command convert_command();
Command export_command();

// Without the locale; UserError saying what is allowed.
int64_t parse_int(const std::string& text, int64_t minimum, int64_t maximum);
double parse_number(const std::string& text);
double parse_duration_seconds(const std::string& text);                         // "90", "90s", "15m", "1.5h", "1-02:30:00", "02:30:00"
std::pair<std::string, std::string> parse_assignment(const std::string& text);  // "metric=value"

}  // namespace dl::app
