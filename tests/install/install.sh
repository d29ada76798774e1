#!/bin/sh
# install.sh BUILD SOURCE - installs into a stage, builds examples/verifier-c against it with find_package, and
# as sdk/doc/plugin.md says: every command of that page is run. Proves that the SDK is complete without the tree.
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

# What plugin.md tells its readers to type, in a folder with their file and a picture. The stage is no real prefix, and a
# sanitized winnow wants sanitized plugins: the two tools are told so behind the reader's back.
reader=$stage/reader
mkdir -p "$reader/tools"
cp "$source/examples/verifier-c/colorful.c" "$reader"
pc=$(dirname "$(find "$stage/usr" -name winnow-sdk.pc)")
printf '#!/bin/sh\nPKG_CONFIG_PATH=%s exec %s --define-prefix "$@"\n' "$pc" "$(command -v pkg-config)" >"$reader/tools/pkg-config"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$(command -v cc)" "$flags" >"$reader/tools/cc"
chmod +x "$reader/tools/cc" "$reader/tools/pkg-config"
"$winnow" generate --sampler analytic --prompt x --width 64 --height 32 --steps 2 -o "$reader/picture.png" >/dev/null
sed -n '/^```sh$/,/^```$/p' "$source/sdk/doc/plugin.md" | grep -v '^```' >"$reader/commands"
(cd "$reader" && PATH=$reader/tools:$stage/usr/bin:$PATH sh -eux ./commands >output)
grep -q '^cc ' "$reader/commands" # the commands were found
grep -q 'M3 of the 2003 paper' "$reader/output"
grep -q 'colorful.colorfulness' "$reader/output"
grep -Eq '^ +[0-9.]+ +picture.png' "$reader/output"

"$winnow" plugins | grep -q random # the installed command finds the installed plugins
(cd / && "$winnow" check "$stage/usr/share/winnow/configs/quickstart.json" >/dev/null) # and the installed data
