#!/bin/sh
# Every plugin exports its module and nothing else (but what a sanitizer adds).
# usage: symbols.sh PLUGIN_DIR
set -eu
command -v nm > /dev/null || { echo "skipped: no nm" >&2; exit 77; }
status=0
for plugin in "$1"/*.so; do
    symbols=$(nm -D --defined-only "$plugin" | awk '{ print $3 }' | grep -v -E '^(__asan|__ubsan|__tsan|__odr_asan|___asan)' || true)
    if [ "$symbols" != wn_module_v0 ]; then
        echo "$plugin exports: $symbols"
        status=1
    fi
done
exit $status
