#include "base/terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"

using namespace dl;

namespace {

// Sets variables (null: unset) and puts everything back.
struct Environment {
  std::vector<std::pair<std::string, std::string>> before;
  Environment(std::initializer_list<std::pair<const char*, const char*>> variables) {
    for (const char* name : {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM", "LC_ALL", "LC_CTYPE", "LANG", "COLUMNS"}) {
      const char* value = std::getenv(name);
      before.emplace_back(name, value ? value : "");
      ::unsetenv(name);
    }
    for (const auto& [name, value] : variables) ::setenv(name, value, 1);
  }
  ~Environment() {
    for (const auto& [name, value] : before) value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
  }
};

struct PseudoTerminal {
  int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  int slave = -1;
  PseudoTerminal() {
    REQUIRE(master >= 0);
    REQUIRE(::grantpt(master) == 0);
    REQUIRE(::unlockpt(master) == 0);
    slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
    REQUIRE(slave >= 0);
  }
  ~PseudoTerminal() {
    ::close(slave);
    ::close(master);
  }
};

}  // namespace

TEST_CASE("colour follows the terminal, NO_COLOR, TERM=dumb and FORCE_COLOR") {
  PseudoTerminal terminal;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  struct Row {
    std::initializer_list<std::pair<const char*, const char*>> variables;
    bool on_terminal, on_pipe;
  };
  const Row rows[] = {
      {{{"TERM", "xterm"}}, true, false},
      {{{"TERM", "xterm"}, {"NO_COLOR", "1"}}, false, false},
      {{{"TERM", "xterm"}, {"NO_COLOR", ""}}, true, false},
      {{{"TERM", "dumb"}}, false, false},
      {{{"TERM", "dumb"}, {"FORCE_COLOR", "1"}}, true, true},
      {{{"TERM", "xterm"}, {"CLICOLOR_FORCE", "1"}}, true, true},
      {{{"TERM", "xterm"}, {"FORCE_COLOR", "0"}}, true, false},
      {{{"TERM", "xterm"}, {"FORCE_COLOR", "1"}, {"NO_COLOR", "1"}}, false, false},
  };
  for (const Row& row : rows) {
    Environment environment(row.variables);
    CAPTURE(&row - rows);
    CHECK(wants_color(terminal.slave) == row.on_terminal);
    CHECK(wants_color(ends[1]) == row.on_pipe);
  }
  Environment environment({{"TERM", "dumb"}, {"COLUMNS", "133"}});
  CHECK(is_terminal(terminal.slave));
  CHECK_FALSE(can_redraw(terminal.slave));
  CHECK_FALSE(is_terminal(ends[1]));
  CHECK(terminal_width(ends[1]) == 133);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("the locale's character set follows LC_ALL before LC_CTYPE before LANG") {
  CHECK_FALSE([] {
    Environment e({});
    return has_utf8_locale();
  }());
  CHECK([] {
    Environment e({{"LANG", "de_DE.UTF-8"}});
    return has_utf8_locale();
  }());
  CHECK([] {
    Environment e({{"LC_CTYPE", "C.utf8"}, {"LANG", "C"}});
    return has_utf8_locale();
  }());
  CHECK_FALSE([] {
    Environment e({{"LC_ALL", "C"}, {"LANG", "de_DE.UTF-8"}});
    return has_utf8_locale();
  }());
}

TEST_CASE("display_width counts columns, not bytes") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("grün") == 4);
  CHECK(display_width("损失") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("\x1b[1;32mok\x1b[0m") == 2);
  CHECK(display_width("\xff") == 1);
}

TEST_CASE("fit_to_width cuts between characters") {
  CHECK(fit_to_width("accuracy", 8, true) == "accuracy");
  CHECK(fit_to_width("accuracy", 5, true) == "accu…");
  CHECK(fit_to_width("accuracy", 5, false) == "accu~");
  CHECK(fit_to_width("损失值", 5, true) == "损失…");
  CHECK(fit_to_width("损失值", 4, true) == "损…");
  CHECK(fit_to_width("abc", 0, true).empty());
}

TEST_CASE("safe_for_terminal disarms escape sequences and bad bytes") {
  CHECK(safe_for_terminal("loss\x1b[2J\n\x7f") == "loss?[2J??");
  CHECK(safe_for_terminal("a\xc3(") == "a?(");
  CHECK(safe_for_terminal("Verlust ü 损") == "Verlust ü 损");
  CHECK(safe_for_terminal("\u202Eevil") == "?evil");
  CHECK(safe_for_terminal("\u009b31m") == "?31m");
}

TEST_CASE("decode_utf8 refuses overlong forms, surrogates and cut sequences") {
  CHECK(decode_utf8("€").value == 0x20AC);
  CHECK(decode_utf8("\xF0\x9F\x98\x80").value == 0x1F600);
  for (const char* bad : {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFF"}) {
    CHECK_FALSE(decode_utf8(bad).valid);
    CHECK(decode_utf8(bad).size == 1);
  }
}
