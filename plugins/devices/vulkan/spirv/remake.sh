#!/bin/sh
# remake.sh - SPIR-V of the shaders that old compilers (Debian 12's glslc 2023.2) cannot compile, kept beside their source.
#
#   remake.sh GLSLC ...           makes every NAME.inc of kernels.txt with this compiler (a command, with its arguments)
#   remake.sh --check             are they made from the sources as they are now?
#   remake.sh --check GLSLC ...   and does this compiler, when it is the one they were made with, make the same?
#
# The first line of NAME.inc names the compiler, the second the sha256 of the shader and all that it includes.
# Not optimised (-O0): spirv-opt is known to break cooperative matrices, and drivers optimise anyway.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../shaders"
mode=make
[ "${1:-}" = --check ] && { mode=check; shift; }
[ $# -gt 0 ] || [ $mode = check ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
[ $# -eq 0 ] || compiler=$("$@" --version | tr -s ' \n' ' ' | sed 's/ Target.*//')

# $1 and what it includes, after those of $2 and not twice.
sources() {
  case " $2 " in *" $1 "*) echo "$2"; return ;; esac
  found="$2 $1"
  for include in $(sed -n 's/^#include "\(.*\)"/\1/p' "$1"); do found=$(sources "$include" "$found"); done
  echo "$found"
}
sum() { cat $(sources "$1" "") | sha256sum | cut -d ' ' -f 1; }
words() { "$@" --target-env=vulkan1.2 -O0 -mfmt=c $options -o - "$shader" </dev/null; }

status=0
say() { echo "$1" >&2; status=1; }
while read -r name shader options; do
  file=$here/$name.inc source=$(sum "$shader")
  if [ $mode = make ]; then
    { echo "// $compiler"; echo "// $shader $options $source"; } >"$file.new"
    words "$@" >>"$file.new"
    mv "$file.new" "$file"
    continue
  fi
  [ "$(sed -n 's/^\/\/ .* \([0-9a-f]\{64\}\)$/\1/p;2q' "$file")" = "$source" ] ||
    say "$name.inc was not made from $shader and its includes as they are: run remake.sh with a current glslc"
  [ $# -eq 0 ] || [ "$(sed -n '1s/^\/\/ //p' "$file")" != "$compiler" ] ||
    [ "$(tail -n +3 "$file" | sha256sum)" = "$(words "$@" | sha256sum)" ] ||
    say "$name.inc is not what this compiler makes of $shader"
done <"$here/kernels.txt"
exit $status
