#!/bin/sh
# Every public header compiles alone, as C11 and as C++17, without a warning.
# usage: headers.sh SOURCE_DIR C_COMPILER CXX_COMPILER
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for header in "$1"/sdk/include/winnow/*.h; do
    name=winnow/$(basename "$header")
    printf '#include <%s>\n#include <%s>\nextern int use;\n' "$name" "$name" > "$dir/a.c"
    cp "$dir/a.c" "$dir/a.cc"
    "$2" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wstrict-prototypes -Werror \
        -I"$1/sdk/include" -fsyntax-only "$dir/a.c"
    "$3" -std=c++17 -Wall -Wextra -Wpedantic -Werror -I"$1/sdk/include" -fsyntax-only "$dir/a.cc"
    echo "$name"
done
