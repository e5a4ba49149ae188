// Man pages in man(7) macros. Generated: name, synopsis, options, examples, exit status. By hand, in man/*.inc: everything else.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "help.h"
#include "man_tables.h"
#include "version.h"

namespace dl::app {

std::string roff(const std::string& text) {
  std::string out;
  if (text.starts_with(".") || text.starts_with("'")) out += "\\&";
  for (char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

namespace {

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }

std::string title(const std::string& name, int section, const std::string& what) {
  return fmt::format(
      ".\\\" Written by dltool __man; edit apps/dltool/options_*.cpp or man/*.inc instead.\n.TH {} {} \"\" \"dltool {}\" \"{}\"\n",
      roff(name), section, short_version(), what);
}

// "-o, --output DIR" with the names bold and the value in italics.
std::string heading(const Option& option) {
  if (option.is_positional()) return "\\fI" + roff(option.value) + "\\fR";
  std::string out;
  for (const auto& name : option.names) out += (out.empty() ? "" : ", ") + bold(name);
  return option.is_flag() ? out : out + " \\fI" + roff(option.value) + "\\fR";
}

std::string options_section(const Command& command) {
  std::string out = ".SH OPTIONS\n";
  for (const Option& option : command.options)
    if (!option.hidden) out += fmt::format(".TP\n{}\n{}.\n", heading(option), roff(option_help(option)));
  return out;
}

std::string examples_section(const std::vector<Example>& examples) {
  std::string out = ".SH EXAMPLES\n";
  for (const Example& example : examples) out += fmt::format(".TP\n{}:\n.nf\n{}\n.fi\n", roff(example.what), bold(example.line));
  return out;
}

std::string exit_section() {
  std::string out = ".SH EXIT STATUS\n";
  for (const ExitStatus& status : exit_statuses()) out += fmt::format(".TP\n.B {}\n{}\n", roff(status.code), roff(status.meaning));
  return out;
}

std::string read_include(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return "";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// `.\" TABLE layers` becomes the table of layers, and so on.
std::string with_tables(const std::string& prose, const std::string& origin) {
  static const std::string kMark = ".\\\" TABLE ";
  std::string out;
  std::istringstream lines(prose);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(kMark)) {
      out += line + "\n";
      continue;
    }
    const std::string table = man_table(line.substr(kMark.size()));
    if (table.empty()) throw UserError(fmt::format("{}: '{}' names no table of man_tables.h", origin, line));
    out += table;
  }
  return out;
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw EnvError(fmt::format("{}: cannot be written", path.string()));
}

std::string top_page(const std::vector<Command>& commands, const std::string& prose) {
  std::string out = title("DLTOOL", 1, "User Commands");
  out +=
      ".SH NAME\ndltool \\- train, evaluate, use and measure neural networks from YAML files\n.SH SYNOPSIS\n.B dltool\n.I COMMAND\n"
      "[options] [arguments]\n.br\n.B dltool help\n[\\fICOMMAND\\fR]\n.br\n.B dltool \\-\\-version\n[\\fB\\-\\-json\\fR]\n.SH COMMANDS\n";
  for (const Command& command : commands) out += fmt::format(".TP\n.BR dltool\\-{} (1)\n{}.\n", roff(command.name), roff(command.summary));
  std::vector<Example> examples;
  for (const Command& command : commands) examples.push_back(command.examples.front());
  out += prose + exit_section() + examples_section(examples) + ".SH SEE ALSO\n";
  for (const Command& command : commands) out += fmt::format(".BR dltool\\-{} (1),\n", roff(command.name));
  return out + ".BR dltool\\-spec (5),\n.BR dltool\\-layers (7)\n";
}

std::string command_page(const Command& command, const std::string& prose) {
  std::string name = "dltool-" + command.name;
  std::string out = title("DLTOOL-" + command.name, 1, "User Commands");
  out += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B dltool {}\n{}\n.SH DESCRIPTION\n", roff(name), roff(command.summary),
                     roff(command.name), roff(synopsis(command)));
  for (const auto& paragraph : command.description) out += ".PP\n" + roff(paragraph) + "\n";
  out += options_section(command) + prose + examples_section(command.examples);
  return out + ".SH EXIT STATUS\nSee\n.BR dltool (1).\n.SH SEE ALSO\n.BR dltool (1),\n.BR dltool\\-spec (5)\n";
}

}  // namespace

void write_man(const std::vector<Command>& commands, const std::string& include_dir, const std::string& out_dir) {
  std::filesystem::path in(include_dir), out(out_dir);
  std::filesystem::create_directories(out / "completions");
  write_file(out / "dltool.1", top_page(commands, read_include(in / "dltool.inc")));
  for (const Command& command : commands) {
    std::string name = "dltool-" + command.name;
    write_file(out / (name + ".1"), command_page(command, read_include(in / (name + ".inc"))));
  }
  const auto write_page = [&](const std::string& name, int section, const std::string& about) {
    const std::string file = name + ".inc", prose = read_include(in / file);
    if (prose.empty()) throw EnvError(fmt::format("{}: cannot be read; give the folder of the *.inc files", (in / file).string()));
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    write_file(out / fmt::format("{}.{}", name, section), title(upper, section, about) + with_tables(prose, file));
  };
  write_page("dltool-spec", 5, "File Formats");
  write_page("dltool-layers", 7, "Miscellanea");
  write_file(out / "completions/dltool.bash", completion(commands, "bash"));
  write_file(out / "completions/_dltool", completion(commands, "zsh"));
  write_file(out / "completions/dltool.fish", completion(commands, "fish"));
}

}  // namespace dl::app
