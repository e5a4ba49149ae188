#!/bin/sh
# Installs what is missing, builds, runs every test. CI runs this and nothing else; so can anybody. Ends with ctest's summary.
# Usage: scripts/test.sh [--quick | --oracle] [ctest arguments]
#   --quick    without the sanitizer build and without the oracle (real Keras, PyTorch, TensorBoard): for every commit
#   --oracle   the oracle alone
set -eu
. "$(dirname "$0")/common.sh"

sanitize=yes
oracle=yes
select=
case ${1-} in
--quick)
  sanitize=no
  oracle=no
  shift
  ;;
--oracle)
  sanitize=no
  select='--label-regex ^oracle$'
  shift
  ;;
-h | --help)
  sed -n '2,5s/^# //p' "$0"
  exit 0
  ;;
esac
[ $oracle = yes ] || select='--label-exclude ^oracle$'

step 'packages'
scripts/install-deps.sh all

step 'build: release'
build_preset release

builds=release
if [ $sanitize = yes ]; then
  step 'build: unit and reader tests with AddressSanitizer and UBSan'
  build_preset asan
  builds="$builds asan"
fi

if [ $oracle = yes ]; then
  step 'oracle: Python environment'
  scripts/make-oracle.sh
fi

# One ctest over all build folders, so that the last lines cover everything.
mkdir -p build/all
for build in $builds; do echo "subdirs(\"$root/build/$build\")"; done >build/all/CTestTestfile.cmake

step 'tests'
# Threads that wait must not take the core from the test beside them.
export OMP_WAIT_POLICY=passive
# halt_on_error: UBSan would go on otherwise. Leaks inside the OpenMP run time and dlopen'ed libraries are not ours.
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
# A test asks for more memory than there is; the answer must be an error, as without the sanitizer.
export ASAN_OPTIONS="allocator_may_return_null=1"
exec ctest --test-dir build/all --output-on-failure --no-tests=error -j "$jobs" $select "$@"
