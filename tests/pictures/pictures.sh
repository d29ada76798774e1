#!/bin/sh
# pictures.sh BUILD - generate, inspect and score as a user types them, with the analytic sampler: files that say how they
# were made, noise that goes out and in again, and mistakes that are named before the work and not after it.
set -u
winnow=$1/bin/winnow
pictures=$(cd "$(dirname "$0")/../image/pictures" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failures=0

fail() { echo "$*" >&2; failures=$((failures + 1)); }

# expect STATUS TEXT COMMAND...: the exit status, and a part of what is printed
expect() {
    want=$1 text=$2
    shift 2
    got=$("$@" 2>&1) && code=0 || code=$?
    [ "$code" = "$want" ] || fail "$*: exit status $code, want $want: $got"
    case $got in *"$text"*) ;; *) fail "$*: \"$got\" does not contain \"$text\"" ;; esac
}

same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }
json() { "$@" | python3 -m json.tool >/dev/null || fail "$*: not JSON"; }

paint() { "$winnow" generate --sampler analytic --width 64 --height 32 --steps 4 --prompt "ein rotes Kreislein: ö" "$@"; }

# A picture is a function of its seed; what is saved leads back to it.
expect 0 a.png paint --seed 18446744073709551615 -o a.png --save-noise noise.st --save-latent latent.st --save-velocity v.st
expect 0 b.png paint --seed 18446744073709551615 -o b.png
expect 0 c.png paint --seed 7 -o c.png
same a.png b.png
cmp -s a.png c.png && fail "two seeds, one picture"
expect 0 n.png paint --noise noise.st -o n.png --save-latent latent2.st
same latent.st latent2.st

# The file says how it was made.
expect 0 "Seed: 18446744073709551615, Size: 64x32" "$winnow" inspect a.png
expect 0 '"seed":18446744073709551615' "$winnow" inspect a.png
expect 0 'ein rotes Kreislein: ö' "$winnow" inspect a.png
expect 0 '"file":"noise.st"' "$winnow" inspect n.png
expect 0 "[4, 1, 4, 8]" "$winnow" inspect v.st
expect 0 sigma "$winnow" inspect v.st
json "$winnow" inspect --json a.png
json "$winnow" inspect --json v.st
blocks=$pictures/../../weights/data/blocks.gguf
expect 0 "gguf, 15 tensors" "$winnow" inspect "$blocks"
expect 0 "general.architecture = flux" "$winnow" inspect "$blocks"
json "$winnow" inspect --json "$blocks"
if command -v pngcheck >/dev/null; then
    expect 0 "OK: a.png" pngcheck a.png
fi

echo '{ "winnow": 0, "verifiers": { "near": { "use": "analytic" } } }' >scores.json
# Scores: against the picture's own prompt, or another one.
expect 0 analytic.closeness "$winnow" score --verifier analytic a.png c.png
json "$winnow" score --json --verifier analytic --verifier shapes --prompt "a red circle" a.png c.png
expect 0 analytic-2.closeness "$winnow" score --verifier analytic --verifier analytic a.png
expect 0 '"analytic-2": {' "$winnow" score --json --verifier analytic --verifier analytic a.png
expect 0 analytic-2.closeness "$winnow" score --verifier analytic --verifier analytic --set verifiers.v2.options.target=100 a.png
expect 0 "near.closeness" "$winnow" score --spec scores.json a.png
expect 1 "gone.png" "$winnow" score --verifier analytic a.png gone.png
expect 0 422.jpg "$winnow" score --verifier shapes --prompt "a red circle" "$pictures/422.jpg"
expect 1 "it is CMYK" "$winnow" score --verifier shapes --prompt "a red circle" "$pictures/cmyk.jpg"
case $("$winnow" score --verifier shapes --prompt "a red circle" "$pictures/lossy.webp" 2>&1) in
*lossy.webp*) ;; *) fail "a WebP is neither scored nor named" ;;
esac
expect 2 "give --verifier or --spec" "$winnow" score a.png
expect 3 "did you mean" "$winnow" score --verifier analytik a.png

# A spec brings sampler and canvas; the command line stands above it.
cat >spec.json <<'EOF'
{ "winnow": 0, "seed": 7, "canvas": { "width": 64, "height": 32, "steps": 4 }, "sampler": { "use": "analytic" },
  "prompts": { "list": [ "ein rotes Kreislein: ö" ] } }
EOF
expect 0 s.png "$winnow" generate --spec spec.json -o s.png --save-latent s.st
paint --seed 7 -o t.png --save-latent t.st >/dev/null
same s.st t.st
expect 0 '"steps":6' sh -c "'$winnow' generate --spec spec.json --steps 6 -o s6.png && '$winnow' inspect s6.png"

# Mistakes.
expect 2 "give --prompt" "$winnow" generate --sampler analytic --width 64 --height 32 --steps 4
expect 2 "this canvas takes [1, 8, 8]" paint --noise noise.st --height 64
expect 3 'no tensor "noise"' paint --noise latent.st
expect 2 "not a multiple of 8" paint --width 60
expect 3 "directory ./nowhere: No such file" paint -o ./nowhere/a.png
expect 2 "it is a directory" paint -o .
expect 2 "--steps 0: not a whole number" paint --steps 0
expect 3 "no safetensors file" "$winnow" inspect spec.json
head -c 400 v.st >cut.st
expect 3 "cut.st" "$winnow" inspect cut.st
head -c 400 "$blocks" >cut.gguf
expect 3 "the file is cut short" "$winnow" inspect cut.gguf
expect 3 "cannot start from a picture" paint --image a.png
expect 2 "there is none" paint --strength 0.5

[ $failures = 0 ] || { echo "$failures failures" >&2; exit 1; }
