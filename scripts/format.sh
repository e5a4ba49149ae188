#!/bin/sh
# Formats every C++ file by .clang-format; with --check only names the files that differ, and fails.
set -eu
cd "$(dirname "$0")/.."
files() { find lib apps tests -type f \( -name '*.h' -o -name '*.cpp' \) -print0; }
if [ "${1-}" != --check ]; then
  files | xargs -0 -r -n 20 -P "$(nproc)" clang-format -i
  exit
fi
differing=$(files | xargs -0 -r -n 20 -P "$(nproc)" sh -c '
  for file; do clang-format "$file" | cmp -s - "$file" || echo "$file"; done' sh | sort)
[ -n "$differing" ] || exit 0
echo "$differing"
echo "not formatted; run scripts/format.sh"
exit 1
