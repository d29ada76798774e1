#!/bin/sh
# install.sh BUILD SOURCE - installs into a stage, builds examples/verifier-c against it twice (find_package, pkg-config),
# and lets the installed command describe both. Proves that the SDK is complete without the tree.
set -eu
build=$1 source=$2
stage=$build/stage-install
rm -rf "$stage"
cmake --install "$build" --prefix "$stage/usr" >"$build/stage-install.log"

flags=
[ -z "${WINNOW_SANITIZE:-}" ] || flags="-fsanitize=$WINNOW_SANITIZE"
winnow=$stage/usr/bin/winnow

cmake -S "$source/examples/verifier-c" -B "$stage/find-package" -G Ninja -DCMAKE_PREFIX_PATH="$stage/usr" \
      -DCMAKE_C_FLAGS="$flags" >/dev/null
cmake --build "$stage/find-package" >/dev/null
"$winnow" describe "$stage/find-package/colorful.so" | grep -q colorfulness

pc=$(find "$stage/usr" -name winnow-sdk.pc)
# shellcheck disable=SC2046,SC2086 # pkg-config prints words
cc -std=c11 -fPIC -shared -fvisibility=hidden $flags "$source/examples/verifier-c/colorful.c" \
   $(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-prefix --cflags winnow-sdk) -o "$stage/colorful.so" -lm
"$winnow" describe "$stage/colorful.so" | grep -q colorfulness

"$winnow" plugins | grep -q random # the installed command finds the installed plugins
(cd / && "$winnow" check "$stage/usr/share/winnow/configs/quickstart.json" >/dev/null) # and the installed data
