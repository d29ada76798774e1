#!/bin/sh
# quickstart.sh - from a fresh clone to the first report: installs what is missing, builds, runs configs/quickstart.json.
# Running it again is quick: packages are there, the build is up to date, and the finished run is only read again.
set -eu
cd "$(dirname "$0")/.."

sh examples/packages.sh build
cmake --preset release >build-release.log 2>&1 || { cat build-release.log >&2; exit 1; }
cmake --build --preset release --target winnow winnow-plugins
rm -f build-release.log
build/release/bin/winnow run configs/quickstart.json "$@"
