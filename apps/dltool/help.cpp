#include "help.h"

#include <fmt/format.h>

namespace dl::app {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kOptionIndent = 26;

// `text` broken at spaces to kWidth columns; every line but the first begins with `indent` spaces.
std::string wrap(const std::string& text, size_t indent) {
  std::string out;
  size_t column = indent;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(' ', begin), text.size());
    if (column + end - begin > kWidth && column > indent) {
      out.back() = '\n';
      out.append(indent, ' ');
      column = indent;
    }
    out.append(text, begin, end - begin).append(" ");
    column += end - begin + 1;
    begin = end + 1;
  }
  if (!out.empty()) out.pop_back();
  return out;
}

void append_entry(std::string& out, const std::string& heading, const std::string& help) {
  std::string left = "  " + heading;
  if (left.size() + 2 > kOptionIndent)
    out += left + "\n" + std::string(kOptionIndent, ' ');
  else
    out += fmt::format("{:<{}}", left, kOptionIndent);
  out += wrap(help, kOptionIndent) + "\n";
}

void append_examples(std::string& out, const std::vector<Example>& examples) {
  out += "\nExamples:\n";
  for (const Example& example : examples) out += fmt::format("  {}\n      {}\n", example.what, example.line);
}

}  // namespace

std::string synopsis(const Command& command) {
  std::string out = "[options]";
  for (const Option& option : command.options) {
    if (!option.is_positional() || option.hidden) continue;
    out += option.repeated   ? fmt::format(" [{}...]", option.value)
           : option.required ? " " + option.value
                             : fmt::format(" [{}]", option.value);
  }
  return out;
}

std::string option_heading(const Option& option) {
  if (option.is_positional()) return option.value;
  std::string heading = fmt::format("{}", fmt::join(option.names, ", "));
  if (!option.names.front().starts_with("--") || option.names.size() > 1) return option.is_flag() ? heading : heading + " " + option.value;
  return option.is_flag() ? "    " + heading : "    " + heading + " " + option.value;
}

std::string option_help(const Option& option) {
  if (option.choices.empty()) return option.help;
  return fmt::format("{}; one of {}", option.help, fmt::join(option.choices, ", "));
}

std::string top_help(const std::vector<Command>& commands) {
  std::string out =
      "dltool: train, evaluate, use and measure neural networks from YAML files\n\nUsage: dltool COMMAND [options] [arguments]\n";
  std::vector<Example> examples;
  for (const Command& command : commands)
    if (!command.examples.empty()) examples.push_back(command.examples.front());
  append_examples(out, examples);
  out += "\nCommands:\n";
  for (const Command& command : commands) append_entry(out, command.name, command.summary);
  append_entry(out, "help [COMMAND]", "this text, or the options of a command");
  out += "\nOptions:\n";
  append_entry(out, "-h, --help", "this text; after a command, its options");
  append_entry(out, "-V, --version", "version, libraries and CPU instructions; with --json as an object");
  out += "\nMore: man dltool, man dltool-COMMAND; run and model files: man dltool-spec\n";
  return out;
}

std::string command_help(const Command& command, bool with_options) {
  std::string out = fmt::format("dltool {}: {}\n\nUsage: dltool {} {}\n", command.name, command.summary, command.name, synopsis(command));
  append_examples(out, command.examples);
  if (!with_options) return out + fmt::format("\nEvery option: dltool {} --help\n", command.name);
  out += "\nArguments:\n";
  for (const Option& option : command.options)
    if (option.is_positional() && !option.hidden) append_entry(out, option_heading(option), option_help(option));
  out += "\nOptions:\n";
  for (const Option& option : command.options)
    if (!option.is_positional() && !option.hidden) append_entry(out, option_heading(option), option_help(option));
  append_entry(out, "-h, --help", "this text");
  return out + fmt::format("\nMore: man dltool-{}\n", command.name);
}

const std::vector<ExitStatus>& exit_statuses() {
  static const std::vector<ExitStatus> table = {
      {"0", "Done."},
      {"1", "Done, but a threshold that was asked for was not met (eval --min, --max)."},
      {"2", "Usage or spec error; nothing was started."},
      {"3", "A data or model file is damaged, hostile or unsupported."},
      {"4", "The environment failed: disk, memory, storage, a closed output."},
      {"5", "Numeric failure (NaN or Inf), and the policy says stop."},
      {"70", "A bug in dltool; please report the line it prints."},
      {"75", "Stopped by a signal or the time limit after saving: run the same command again, with --resume auto, to go on."},
      {"128+n", "Ended by signal n before anything could be saved."},
  };
  return table;
}

}  // namespace dl::app
