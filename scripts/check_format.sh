#!/bin/bash
# check_format.sh: clang-format has nothing to change. Exit 77 (skipped) where clang-format is not installed.
cd "$(dirname "$0")/.." || exit 2
format=$(command -v clang-format || command -v clang-format-14) || { echo "skipped: no clang-format"; exit 77; }
find src include tests -name '*.[ch]' -print0 | xargs -0 "$format" --dry-run -Werror 2>&1 | grep -E 'error:' | cut -d: -f1 | sort | uniq -c |
    sed 's/^ *\([0-9]*\) \(.*\)/\2: \1 places differ from clang-format/' >/tmp/format.$$
cat /tmp/format.$$
[ ! -s /tmp/format.$$ ]
code=$?
rm -f /tmp/format.$$
exit $code
