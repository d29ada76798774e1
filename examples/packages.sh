#!/bin/sh
# packages.sh GROUP... - installs the Debian or Ubuntu packages that a group needs and are not there yet.
# Groups: build (compile and run winnow), tests (what the tests use beside that). Prints what it installs; installs
# nothing and needs no rights when all are there.
set -eu

build="gcc g++ cmake ninja-build pkg-config libcjson-dev libopenblas-dev libsqlite3-dev libpng-dev zlib1g-dev libjpeg-dev
       libdeflate-dev libsentencepiece-dev libutf8proc-dev libwebp-dev libcurl4-openssl-dev liblapacke-dev
       libmicrohttpd-dev libvulkan-dev glslc"
tests="python3 clang pngcheck openssl mesa-vulkan-drivers vulkan-validationlayers"

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    tests) wanted="$wanted $tests" ;;
    *) echo "packages.sh: no group '$group'; there are: build, tests" >&2; exit 2 ;;
    esac
done

command -v dpkg-query >/dev/null || {
    echo "This script knows Debian and Ubuntu only. Install the equivalents of:$wanted" >&2
    exit 3
}
missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "Not root and no sudo. Please install:$missing" >&2; exit 3; }
    as_root=sudo
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word for each package
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
