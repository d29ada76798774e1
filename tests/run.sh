#!/bin/sh
# run.sh [ctest options] - installs what is missing, builds with the address and undefined-behaviour sanitizers, and runs
# all tests. Ends with ctest's summary.
set -eu
cd "$(dirname "$0")/.."

sh examples/packages.sh build tests
cmake --preset asan
cmake --build --preset asan
exec ctest --preset asan --parallel "$(nproc)" "$@"
