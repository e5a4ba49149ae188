// The tables of dltool-spec(5): every layer, loss, optimizer, schedule, metric and callback with its keys and defaults, and the names of
// activation and expression functions; that of dltool-layers(7). Written from the tables the parsers read, so the page cannot drift from
// the program. Who uses it: man.cpp, which puts them in place of the lines `.\" TABLE name` of man/*.inc.
#pragma once

#include <string>

namespace dl::app {

// `name`: layers, activations, losses, optimizers, schedules, metrics, callbacks, functions, support. "" when there is no such table.
std::string man_table(const std::string& name);

}  // namespace dl::app
