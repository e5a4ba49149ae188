#!/bin/sh
# Installs the Debian packages of packages.txt that are missing; does nothing, quickly, when all are there.
# Usage: install-deps.sh [build|test|all]     build: to build and run dltool; test: the tests' tools besides (default: all)
set -eu
cd "$(dirname "$0")"
want=${1:-all}
case $want in
build | test | all) ;;
*)
  echo "install-deps.sh: unknown group '$want'; use build, test or all" >&2
  exit 2
  ;;
esac

packages=$(awk -v want="$want" '
  { sub(/#.*/, "") }
  /^\[.*\]/ { group = substr($1, 2, length($1) - 2); next }
  NF && (want == "all" || group == "build" || group == want) { print $1 }' packages.txt)

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps.sh: not a Debian system; install these packages' equivalents by hand:" $packages >&2
  exit 4
fi
missing=
for package in $packages; do
  case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) in
  'install ok installed') ;;
  *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "install-deps.sh: not root and no sudo; as root run: apt-get install -y --no-install-recommends$missing" >&2
  exit 4
fi
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }
# The package lists of a fresh machine are empty or old: refresh them only when a first try cannot find something.
install || { $as_root apt-get update -q && install; } || {
  echo "install-deps.sh: apt-get could not install:$missing; see its message above" >&2
  exit 4
}
