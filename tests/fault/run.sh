#!/bin/sh
# run.sh BUILD - whole runs in trouble: a place that cannot be written, a second writer, another spec, no room, signals.
# Each time the message says what is the matter, and the same command, given again, ends as an undisturbed run does.
set -u
winnow=$1/bin/winnow
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

cat >spec.json <<'EOF'
{ "winnow": 0, "seed": 7, "canvas": { "width": 64, "height": 64, "steps": 8 },
  "prompts": { "list": ["a red circle", "two blue squares", "a green triangle", "three yellow circles"] },
  "sampler": { "use": "analytic", "options": { "delay_us": 2000 } },
  "verifiers": { "v": { "use": "analytic" } },
  "search": { "use": "random", "guide": "v", "options": { "candidates": 16 } },
  "engine": { "live": 1, "batch": 4 } }
EOF

run() { "$winnow" run --quiet spec.json -o "$@"; }

# same DIR: results and pictures are those of the undisturbed run
same() {
    cmp -s whole/results.jsonl "$1/results.jsonl" || fail "$1: results differ"
    diff -r whole/images "$1/images" >/dev/null || fail "$1: pictures differ"
}

wait_for() { # until FILE is there and not empty, 30 s at most
    n=0
    while [ ! -s "$1" ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done
}

expect 0 "" run whole

# A place that cannot be written.
: >file
expect 1 "Not a directory" run file/below
expect 1 "Not a directory" run file

# Another spec in the same directory, and a database that is none.
expect 2 "choose another output" run whole --set seed=8
mkdir junk && echo "no database, no database, no database" >junk/ledger.db
expect 3 "not a ledger" run junk

# A second writer is told who is first; the first is then interrupted, and continued.
"$winnow" run --quiet spec.json -o busy >/dev/null 2>&1 &
first=$!
wait_for busy/lock
expect 2 "held by pid $first on" run busy
kill -TERM $first
wait $first
code=$?
[ $code = 75 ] || [ $code = 0 ] || fail "after SIGTERM: exit status $code, want 75"
expect 0 "" run busy
same busy

# Killed in the middle, again and again.
for delay in 0.05 0.15 0.3; do
    "$winnow" run --quiet spec.json -o killed >/dev/null 2>&1 &
    victim=$!
    sleep $delay
    kill -KILL $victim 2>/dev/null
    wait $victim 2>/dev/null
done
expect 0 "" run killed
same killed

# No file may grow beyond 64 kB: to the ledger that is a full disk.
expect 1 "run the same command again" sh -c "ulimit -f 128; '$winnow' run --quiet spec.json -o full"
expect 0 "" run full
same full

# A disk that is really full, where one may be made.
if mkdir disk && mount -t tmpfs -o size=96k none disk 2>/dev/null; then
    expect 1 "may take another" run disk/run
    expect 1 "No space left on device" run disk/run
    mount -o remount,size=8m disk && expect 0 "" run disk/run && same disk/run
    umount disk
fi

[ $failures = 0 ] || { echo "$failures failures" >&2; exit 1; }
