# Sourced by demo.sh and test.sh: headings with timings, and the release build.
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
jobs=$(nproc 2>/dev/null || echo 2)
started=$(date +%s)
step_started=

end_step() {
  [ -z "$step_started" ] || echo "--- ${step_name}: $(($(date +%s) - step_started)) s"
  step_started=
}
step() {
  end_step
  step_name=$1
  step_started=$(date +%s)
  echo
  echo "=== $step_name"
}
# build_preset PRESET [cmake --build arguments]: configures when needed and builds what the preset names, or a --target.
build_preset() {
  preset=$1
  shift
  if [ ! -f "build/$preset/build.ninja" ]; then cmake --preset "$preset"; fi
  cmake --build --preset "$preset" -j "$jobs" "$@"
}
