#!/bin/sh
# Formats every C++ file by .clang-format; with --check only names the files that differ, and fails.
set -eu
cd "$(dirname "$0")/.."
mode=-i
[ "${1-}" != --check ] || mode='--dry-run -Werror'
find lib apps tests -type f \( -name '*.h' -o -name '*.cpp' \) -print0 | xargs -0 -r -n 20 -P "$(nproc)" clang-format $mode
