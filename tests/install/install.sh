#!/bin/sh
# install.sh BUILD SOURCE - installs into a stage, builds examples/verifier-c against it, and does what a stranger is told
# to: every command of sdk/doc/plugin.md and of a new plugin's README is run, so plugins are made, built with find_package
# and with pkg-config, checked and searched with. Proves that the SDK is complete without the tree.
set -eu
export LC_ALL=C
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

# What plugin.md tells its readers to type, in a folder with the example and a picture. The stage is no real prefix, and a
# sanitized winnow wants sanitized plugins: the tools are told so behind the reader's back. What the page shows as output
# has to come, line by line.
reader=$stage/reader
mkdir -p "$reader/tools"
cp "$source/examples/verifier-c/colorful.c" "$reader"
pc=$(dirname "$(find "$stage/usr" -name winnow-sdk.pc)")
printf '#!/bin/sh\nPKG_CONFIG_PATH=%s exec %s --define-prefix "$@"\n' "$pc" "$(command -v pkg-config)" >"$reader/tools/pkg-config"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$(command -v cc)" "$flags" >"$reader/tools/cc"
chmod +x "$reader/tools/cc" "$reader/tools/pkg-config"
"$winnow" generate --sampler analytic --prompt x --width 64 --height 32 --steps 2 -o "$reader/picture.png" >/dev/null
blocks() { sed -n "/^\`\`\`$2\$/,/^\`\`\`\$/p" "$1" | grep -v '^```'; }
blocks "$source/sdk/doc/plugin.md" sh >"$reader/commands"
blocks "$source/sdk/doc/plugin.md" text | sort -u >"$reader/wanted"
as_reader() (cd "$reader" && CMAKE_PREFIX_PATH=$stage/usr CC=$reader/tools/cc PATH=$reader/tools:$stage/usr/bin:$PATH "$@")
as_reader sh -eux ./commands >"$reader/output"
grep -q '^winnow new ' "$reader/commands" # the commands were found, and what they shall say
grep -q '^made$' "$reader/wanted"
sort -u "$reader/output" | comm -23 "$reader/wanted" - >"$reader/missing"
if [ -s "$reader/missing" ]; then
    echo "plugin.md shows these lines, which did not come:"
    cat "$reader/missing"
    exit 1
fi >&2
grep -q 'M3 of the 2003 paper' "$reader/output"
grep -q 'colorful.colorfulness' "$reader/output"
grep -Eq '^ +[0-9.]+ +picture.png' "$reader/output"

# The templates as they are, each searched with: what their READMEs say to type works, and a verifier in C has under 40 lines.
for kind in verifier search sampler; do
    c=plain_$kind python=scripted_$kind
    as_reader winnow new $kind $c >/dev/null
    blocks "$reader/$c/README.md" sh >"$reader/$c.sh"
    as_reader sh -eux "./$c.sh" >"$reader/$c.out"
    grep -Eq "^$c 0.1: [0-9]+ passed, 0 failed" "$reader/$c.out"
    as_reader winnow conform "./$c/$c.so" >/dev/null # made by cc, the last of the commands
    as_reader winnow new $kind $python --lang python >/dev/null
    blocks "$reader/$python/README.md" sh >"$reader/$python.sh"
    as_reader sh -eux "./$python.sh" >"$reader/$python.out"
    grep -Eq '^worker [0-9.]+: [0-9]+ passed, 0 failed' "$reader/$python.out"
    for name in $c $python; do
        [ "$(wc -l <"$reader/runs/$name/results.jsonl")" = 48 ] # 6 prompts, 8 candidates
    done
done
[ "$(wc -l <"$reader/plain_verifier/plain_verifier.c")" -lt 40 ]
if grep -rl '@NAME@' "$reader"/plain_* "$reader"/scripted_*; then
    echo 'install.sh: @NAME@ is left in these' >&2
    exit 1
fi

"$winnow" plugins | grep -q random # the installed command finds the installed plugins
(cd / && "$winnow" check "$stage/usr/share/winnow/configs/quickstart.json" >/dev/null) # and the installed data
