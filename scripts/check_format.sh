#!/bin/bash
# check_format.sh [TREE]: clang-format has nothing to change. Its releases disagree about layout, so one decides: Debian 12's, 14.
# Exit 77 (skipped) without it.
cd "${1:-$(dirname "$0")/..}" || exit 2
for format in clang-format-14 clang-format ""; do
    [ -n "$format" ] || { echo "skipped: no clang-format 14 (Debian package clang-format)"; exit 77; }
    "$format" --version 2>/dev/null | grep -q 'version 14\.' && break
done
folders=()
for folder in src include tests; do [ ! -d $folder ] || folders+=($folder); done
said=$(find "${folders[@]}" -name '*.[ch]' -print0 | sort -z | xargs -0 "$format" --dry-run -Werror 2>&1)
code=$?
[ $code = 0 ] || grep -E 'error:' <<<"$said" | cut -d: -f1 | uniq -c |
    sed -E 's/^ *([0-9]+) (.*)/\2: clang-format -i would change \1 places/'
exit $((code != 0))
