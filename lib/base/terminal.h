// What may be shown on a stream: is it a terminal, how wide, colour or not, UTF-8 or not.
// Who uses it: log and progress; stdout and stderr are asked separately (one may be a pipe).
#pragma once

#include <string>
#include <string_view>

namespace dl {

bool is_terminal(int fd);
// Columns of the terminal on `fd`, else $COLUMNS, else 80.
int terminal_width(int fd);
// A terminal that can redraw a line: not TERM=dumb.
bool can_redraw(int fd);
// NO_COLOR (non-empty) and TERM=dumb turn colour off; FORCE_COLOR or CLICOLOR_FORCE (non-empty, not 0) turn it on where it is not a
// terminal; else colour follows the terminal. NO_COLOR wins.
bool wants_color(int fd);
// The locale's character set, by LC_ALL, LC_CTYPE, LANG in this order.
bool has_utf8_locale();

// Columns `text` (UTF-8) takes: 2 for East Asian wide characters and emoji, 0 for combining marks and ANSI colour codes.
int display_width(std::string_view text);
// Longest prefix of `text` (no colour codes) that takes at most `columns`; the end is replaced by "…" or "~" where it was cut.
std::string fit_to_width(std::string_view text, int columns, bool utf8);
// Control characters and invalid UTF-8 replaced by '?', so that a name from a file cannot steer the terminal.
std::string safe_for_terminal(std::string_view text);

}  // namespace dl
