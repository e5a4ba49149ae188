// Calls of operator new on this thread, in this program's code and in libraries.
#pragma once

#include <cstdint>

int64_t allocation_count();
