#include "parse.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "spec/reader.h"

namespace dl::app {
namespace {

using Results = std::vector<std::vector<std::string>>;  // values as given, one row per option

std::string join(const std::vector<std::string>& words, const char* separator) { return fmt::format("{}", fmt::join(words, separator)); }

// CLI11 splits the line into options and values; conversion and every message are ours, since its conversions follow the locale.
CLI::App* add_command(CLI::App& top, const Command& command, Results& results) {
  CLI::App* app = top.add_subcommand(command.name)->allow_extras();
  app->set_help_flag("-h,--help");
  results.resize(command.options.size());
  for (size_t i = 0; i < command.options.size(); ++i) {
    const Option& option = command.options[i];
    auto& values = results[i];
    if (option.is_flag()) {
      app->add_flag_function(join(option.names, ","),
                             [&values](int64_t count) { values.assign(static_cast<size_t>(std::max<int64_t>(count, 0)), ""); });
      continue;
    }
    CLI::callback_t keep = [&values](const CLI::results_t& given) {
      values = given;
      return true;
    };
    std::string name = option.is_positional() ? fmt::format("positional{}", i) : join(option.names, ",");
    CLI::Option* added = app->add_option(name, keep);
    if (option.is_positional() && option.repeated)
      added->expected(0, CLI::detail::expected_max_vector_size)->allow_extra_args();
    else
      added->multi_option_policy(option.repeated ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast)
          ->allow_extra_args(false);
  }
  return app;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  std::vector<std::string_view> views(known.begin(), known.end());
  std::string best = spec::nearest(word, views);
  return best.empty() ? "" : fmt::format("; did you mean '{}'?", best);
}

[[noreturn]] void refuse_extra(const std::string& word, const Command& command) {
  if (word.size() < 2 || word[0] != '-')
    throw UserError(fmt::format("{}: unexpected argument '{}'; see dltool {} --help", command.name, word, command.name));
  std::string name = word.substr(0, word.find('='));
  std::vector<std::string> known = {"--help"};
  for (const Option& option : command.options)
    if (!option.hidden) known.insert(known.end(), option.names.begin(), option.names.end());
  std::erase_if(known, [](const std::string& n) { return !n.starts_with("--"); });
  std::string advice = name.starts_with("--") ? did_you_mean(name, known) : "";
  throw UserError(fmt::format("{}: unknown option {}{}", command.name, name,
                              advice.empty() ? fmt::format("; see dltool {} --help", command.name) : advice));
}

void set_option(const Command& command, const Option& option, const std::string& value) {
  const auto& choices = option.choices;
  try {
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end())
      throw UserError(fmt::format("'{}' is not known{}; choose from {}", value, did_you_mean(value, choices), join(choices, ", ")));
    option.set(value);
  } catch (Error& error) {
    error.add_context(fmt::format("{}: {}", command.name, option.display_name()));
    throw;
  }
}

void set_options(const Command& command, const Results& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const Option& option = command.options[i];
    if (option.required && results[i].empty())
      throw UserError(
          fmt::format("{}: {} is missing ({}); see dltool {} --help", command.name, option.display_name(), option.help, command.name));
    for (const auto& value : results[i]) set_option(command, option, value);
  }
}

const Command* find_command(const std::vector<Command>& commands, const std::string& name) {
  auto found = std::find_if(commands.begin(), commands.end(), [&name](const Command& c) { return c.name == name; });
  return found == commands.end() ? nullptr : &*found;
}

[[noreturn]] void refuse_command(const std::string& word, const std::vector<Command>& commands) {
  std::vector<std::string> known = {"help"};
  if (word.starts_with("-")) known = {"--help", "--version", "--json"};
  for (const Command& command : commands) known.push_back(command.name);
  std::string advice = did_you_mean(word, known);
  if (advice.empty()) advice = word.starts_with("-") ? "; see dltool --help" : fmt::format("; known: {}", join(known, ", "));
  throw UserError(fmt::format("unknown {} '{}'{}", word.starts_with("-") ? "option" : "command", word, advice));
}

}  // namespace

Invocation parse(int argc, char** argv, std::vector<Command>& commands) {
  using What = Invocation::What;
  Invocation result;
  CLI::App top;
  top.require_subcommand(0, 1)->allow_extras();
  top.set_help_flag("-h,--help");
  bool version = false;
  top.add_flag_function("-V,--version", [&version](int64_t) { version = true; });
  top.add_flag_function("--json", [&result](int64_t) { result.json = true; });
  std::vector<Results> results(commands.size());
  std::vector<CLI::App*> apps;
  for (size_t i = 0; i < commands.size(); ++i) apps.push_back(add_command(top, commands[i], results[i]));
  auto add_tool = [&](const char* name, What what, int minimum, int maximum) {
    CLI::App* app = top.add_subcommand(name);
    app->add_option("arguments", result.arguments)->expected(minimum, maximum);
    app->callback([&result, what] { result.what = what; });
  };
  add_tool("__man", What::kMan, 2, 2);
  add_tool("__complete", What::kComplete, 1, 1);
  add_tool("help", What::kHelp, 0, 1);

  auto chosen = [&]() -> const Command* {
    for (size_t i = 0; i < apps.size(); ++i)
      if (apps[i]->parsed()) return &commands[i];
    return nullptr;
  };
  try {
    top.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    result.command = chosen();
    result.what = What::kHelp;
    return result;
  } catch (const CLI::ParseError& error) {
    const Command* command = chosen();
    throw UserError(fmt::format("{}{}; see dltool {}{}--help", command ? command->name + ": " : "", error.what(),
                                command ? command->name : "", command ? " " : ""));
  }
  if (version) {
    result.what = What::kVersion;
    return result;
  }
  for (const auto& word : top.remaining())
    if (word != "--") refuse_command(word, commands);
  if (result.what == What::kHelp && !result.arguments.empty()) {
    result.command = find_command(commands, result.arguments[0]);
    if (!result.command) refuse_command(result.arguments[0], commands);
  }
  if (result.what != What::kUsage) return result;

  result.command = chosen();
  if (!result.command) return result;
  size_t index = static_cast<size_t>(result.command - commands.data());
  for (const auto& word : apps[index]->remaining())
    if (word != "--") refuse_extra(word, *result.command);
  bool given = std::any_of(results[index].begin(), results[index].end(), [](const auto& values) { return !values.empty(); });
  if (!given) return result;
  set_options(*result.command, results[index]);
  if (result.command->common) result.json = result.json || result.command->common->json;
  result.what = What::kRun;
  return result;
}

}  // namespace dl::app
