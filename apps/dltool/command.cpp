#include "command.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/cpu_info.h"

namespace dl::app {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// The whole of `text` as a number, or nothing.
template <class T>
std::optional<T> convert(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Option make_option(std::string_view names, std::string value, std::string help) {
  Option option;
  if (!names.empty()) option.names = split(names, ',');
  option.value = std::move(value);
  option.help = std::move(help);
  return option;
}

}  // namespace

Option& Option::with_choices(std::vector<std::string> allowed) {
  choices = std::move(allowed);
  return *this;
}
Option& Option::with_files() {
  completion = Completion::kFile;
  return *this;
}
Option& Option::with_directories() {
  completion = Completion::kDirectory;
  return *this;
}
Option& Option::make_hidden() {
  hidden = true;
  return *this;
}
Option& Option::make_required() {
  required = true;
  return *this;
}

Option& Command::flag(std::string_view names, bool& target, std::string help) {
  Option& added = options.emplace_back(make_option(names, "", std::move(help)));
  added.set = [&target](const std::string&) { target = true; };
  return added;
}

Option& Command::flag(std::string_view names, int& count, std::string help) {
  Option& added = options.emplace_back(make_option(names, "", std::move(help)));
  added.set = [&count](const std::string&) { ++count; };
  return added;
}

Option& Command::option(std::string_view names, std::string value, std::function<void(const std::string&)> set, std::string help) {
  Option& added = options.emplace_back(make_option(names, std::move(value), std::move(help)));
  added.set = std::move(set);
  return added;
}

Option& Command::option(std::string_view names, std::string value, std::string& target, std::string help) {
  return option(
      names, std::move(value), [&target](const std::string& text) { target = text; }, std::move(help));
}

Option& Command::option(std::string_view names, std::string value, int64_t minimum, int64_t maximum, std::function<void(int64_t)> set,
                        std::string help) {
  auto convert_and_set = [=](const std::string& text) { set(parse_int(text, minimum, maximum)); };
  return option(names, std::move(value), convert_and_set, std::move(help));
}

Option& Command::positional(std::string value, std::string& target, std::string help) {
  return option("", std::move(value), target, std::move(help)).make_required();
}

Option& Command::positional_list(std::string value, std::vector<std::string>& target, std::string help) {
  Option& added = option(
      "", std::move(value), [&target](const std::string& text) { target.push_back(text); }, std::move(help));
  added.repeated = true;
  return added;
}

void Command::overrides(std::vector<std::string>& target) {
  Option& added = positional_list("key=value", target, "set a key of the run file by its dotted path, as in training.epochs=3");
  added.set = [&target](const std::string& text) {
    parse_assignment(text);
    target.push_back(text);
  };
}

void Command::common_options(CommonOptions& target) {
  common = &target;
  flag("--json", target.json, "write the result to stdout as one JSON object, and errors to stderr as JSON");
  flag("-q,--quiet", target.quiet, "no progress, only warnings; twice: only errors");
  flag("-v,--verbose", target.verbose, "more about what is done");
  option(
      "--log-format", "FORMAT",
      [&target](const std::string& text) { target.log_format = text == "json" ? LogFormat::kJson : LogFormat::kText; },
      "form of the messages on stderr (default: text)")
      .with_choices({"text", "json"});
  option(
      "--threads", "N", 1, 4096, [&target](int64_t n) { target.threads = static_cast<int>(n); },
      "compute threads (default: all cores this process may use)");
  option(
      "--isa", "ISA", [](const std::string& text) { set_max_isa(*parse_isa(text)); },
      "use no newer CPU instructions than these (default: all the CPU has)")
      .with_choices({"baseline", "avx2", "avx512", "avx512_bf16", "amx"});
}

std::vector<Command> commands() {
  std::vector<Command> all;
  for (auto* make : {train_command, eval_command, predict_command, export_command, convert_command, inspect_command, bench_command})
    all.push_back(make());
  return all;
}

int64_t parse_int(const std::string& text, int64_t minimum, int64_t maximum) {
  auto value = convert<int64_t>(text);
  if (!value || *value < minimum || *value > maximum) {
    bool open = maximum == INT64_MAX;
    throw UserError(open ? fmt::format("'{}' is not a whole number of at least {}", text, minimum)
                         : fmt::format("'{}' is not a whole number from {} to {}", text, minimum, maximum));
  }
  return *value;
}

double parse_number(const std::string& text) {
  auto value = convert<double>(text);
  if (!value || !std::isfinite(*value)) throw UserError(fmt::format("'{}' is not a number such as 0.97", text));
  return *value;
}

double parse_duration_seconds(const std::string& text) {
  auto fail = [&text]() -> double {
    throw UserError(fmt::format("'{}' is not a duration such as 90s, 15m, 1.5h, 02:30:00 or 1-12:00:00", text));
  };
  if (text.empty()) return fail();
  if (text.find(':') != std::string::npos) {  // [days-]hours:minutes:seconds or minutes:seconds, as Slurm writes them
    double seconds = 0;
    std::string_view clock = text;
    if (size_t dash = clock.find('-'); dash != std::string_view::npos) {
      auto days = convert<uint32_t>(clock.substr(0, dash));
      if (!days) return fail();
      seconds = *days * 86400.0;
      clock.remove_prefix(dash + 1);
    }
    auto parts = split(clock, ':');
    if (parts.size() > 3) return fail();
    double total = 0;
    for (const auto& part : parts) {
      auto number = convert<uint32_t>(part);
      if (!number) return fail();
      total = total * 60 + *number;
    }
    return seconds + total;
  }
  double unit = 1;
  std::string_view digits = text;
  if (size_t at = std::string_view("smhd").find(text.back()); at != std::string_view::npos) {
    static constexpr double kUnits[] = {1, 60, 3600, 86400};
    unit = kUnits[at];
    digits.remove_suffix(1);
  }
  auto value = convert<double>(digits);
  if (!value || !std::isfinite(*value) || *value < 0) return fail();
  return *value * unit;
}

std::pair<std::string, std::string> parse_assignment(const std::string& text) {
  size_t at = text.find('=');
  if (at == std::string::npos || at == 0) throw UserError(fmt::format("'{}' is not of the form key=value", text));
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace dl::app
