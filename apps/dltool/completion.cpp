// Shell completion for bash, zsh and fish.
#include <fmt/format.h>

#include <algorithm>

#include "help.h"

namespace dl::app {
namespace {

constexpr const char* kNote = "# Written by dltool __complete; edit apps/dltool/options_*.cpp instead.\n";

std::string names_of(const std::vector<Command>& commands) {
  std::string out;
  for (const Command& command : commands) out += command.name + " ";
  return out + "help";
}

std::string joined(const std::vector<std::string>& words, const char* separator = " ") {
  return fmt::format("{}", fmt::join(words, separator));
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

// '...' for a shell, quotes inside included.
std::string quote(const std::string& text) { return "'" + replace_all(text, "'", "'\\''") + "'"; }

bool shown(const Option& option) { return !option.hidden && !option.is_positional(); }

std::string bash_values(const Option& option) {
  if (!option.choices.empty()) return fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$current\"))", joined(option.choices));
  if (option.completion == Completion::kDirectory) return "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\")";
  if (option.completion == Completion::kFile) return "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\")";
  return "COMPREPLY=()";
}

std::string bash(const std::vector<Command>& commands) {
  std::string out = kNote;
  out +=
      "_dltool() {\n  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]-}\n  "
      "COMPREPLY=()\n";
  out += fmt::format(
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n    COMPREPLY=($(compgen -W '{} --help --version' -- \"$current\"))\n    return\n  fi\n"
      "  local options=\n  case $command in\n",
      names_of(commands));
  for (const Command& command : commands) {
    out += fmt::format("  {})\n    case $previous in\n", command.name);
    std::string words;
    for (const Option& option : command.options) {
      if (!shown(option)) continue;
      words += joined(option.names) + " ";
      if (!option.is_flag()) out += fmt::format("    {}) {}; return ;;\n", joined(option.names, "|"), bash_values(option));
    }
    out += fmt::format("    esac\n    options='{}--help'\n    ;;\n", words);
  }
  out += fmt::format("  help) COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n  esac\n", names_of(commands));
  return out +
         "  if [[ $current == -* ]]; then\n    COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
         "  else\n    compopt -o filenames\n    mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n  fi\n}\ncomplete -F _dltool "
         "dltool\n";
}

std::string zsh_action(const Option& option) {
  if (!option.choices.empty()) return "(" + joined(option.choices) + ")";
  if (option.completion == Completion::kDirectory) return "_files -/";
  return option.completion == Completion::kFile ? "_files" : " ";
}

std::string zsh_escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_spec(const Option& option) {
  std::string value = option.is_flag() ? "" : fmt::format(":{}:{}", zsh_escape(option.value), zsh_action(option));
  if (option.is_positional())
    return quote(fmt::format("{}:{}:{}", option.repeated ? "*" : "", zsh_escape(option.value), zsh_action(option)));
  std::string help = "[" + zsh_escape(option.help) + "]";
  if (option.names.size() == 1) return quote((option.repeated ? "*" : "") + option.names[0] + help + value);
  return quote("(" + joined(option.names) + ")") + "{" + joined(option.names, ",") + "}" + quote(help + value);
}

std::string zsh(const std::vector<Command>& commands) {
  std::string out = "#compdef dltool\n" + std::string(kNote) + "_dltool() {\n  local -a commands\n  commands=(\n";
  for (const Command& command : commands) out += "    " + quote(command.name + ":" + zsh_escape(command.summary)) + "\n";
  out += "    'help:the options of a command'\n  )\n";
  out +=
      "  if (( CURRENT == 2 )); then\n    _describe -t commands command commands\n    _arguments '--help[show help]' '--version[show "
      "version]'\n"
      "    return\n  fi\n  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n";
  for (const Command& command : commands) {
    out += fmt::format("  {})\n    _arguments -s", command.name);
    for (const Option& option : command.options)
      if (!option.hidden) out += " \\\n      " + zsh_spec(option);
    out += " \\\n      '(-h --help)'{-h,--help}'[show help]'\n    ;;\n";
  }
  return out + "  help) _describe -t commands command commands ;;\n  esac\n}\n_dltool \"$@\"\n";
}

std::string fish(const std::vector<Command>& commands) {
  std::string out = kNote;
  out +=
      "complete -c dltool -n __fish_use_subcommand -f -l help -s h -d 'show help'\n"
      "complete -c dltool -n __fish_use_subcommand -f -l version -s V -d 'show version'\n";
  for (const Command& command : commands)
    out += fmt::format("complete -c dltool -n __fish_use_subcommand -f -a {} -d {}\n", command.name, quote(command.summary));
  out += "complete -c dltool -n __fish_use_subcommand -f -a help -d 'the options of a command'\n";
  for (const Command& command : commands) {
    std::string condition = quote("__fish_seen_subcommand_from " + command.name);
    for (const Option& option : command.options) {
      if (!shown(option)) continue;
      out += "complete -c dltool -n " + condition;
      for (const auto& name : option.names) out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.choices.empty())
        out += " -x -a " + quote(joined(option.choices));
      else if (option.completion == Completion::kDirectory)
        out += " -x -a '(__fish_complete_directories)'";
      else if (!option.is_flag())
        out += option.completion == Completion::kFile ? " -r -F" : " -x";
      out += " -d " + quote(option.help) + "\n";
    }
  }
  return out + fmt::format("complete -c dltool -n '__fish_seen_subcommand_from help' -f -a {}\n", quote(names_of(commands)));
}

}  // namespace

std::string completion(const std::vector<Command>& commands, const std::string& shell) {
  if (shell == "bash") return bash(commands);
  if (shell == "zsh") return zsh(commands);
  if (shell == "fish") return fish(commands);
  throw UserError(fmt::format("__complete: unknown shell '{}'; choose from bash, zsh, fish", shell));
}

}  // namespace dl::app
