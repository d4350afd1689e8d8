#!/bin/bash
# check_headers.sh: each header compiles alone. CC and the include folders of the foreign libraries come from BUILD's commands.
cd "$(dirname "$0")/.." || exit 2
build=${1:-build}
flags=$(sed -n 's/.*"command": "//p' "$build/compile_commands.json" | tr ' ' '\n' | grep -A1 -E '^-(I|isystem)' | grep -v '^--' | sort -u |
    sed 's/^-isystem$//' | sed -n 's/^-I\(.*\)/-I\1/p; s,^/,-isystem /,p' | sort -u | tr '\n' ' ')
failed=0
for header in $(find src include -name '*.h' | sort); do
    # shellcheck disable=SC2086
    ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Isrc -Iinclude $flags -x c "$header" 2>/tmp/headers.$$ ||
        { echo "$header does not compile alone:"; head -3 /tmp/headers.$$; failed=1; }
done
rm -f /tmp/headers.$$
exit $failed
