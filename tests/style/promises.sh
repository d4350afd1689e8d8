#!/bin/bash
# Each test that a page names is there: what `ctest -L` and `ctest -R` select is not empty, scripts/ and tests/ have such a file.
# And each row of the guarantees names one.
set -u
: "${LK_SOURCE:?}" "${LK_BUILD:?}"
cd "$LK_SOURCE" || exit 1
verdict=0
wrong() { echo "$*"; verdict=1; }
# check PAGE
check() {
    local page=$1 selection file
    while read -r selection; do
        [ -n "$selection" ] || continue
        eval "ctest --test-dir '$LK_BUILD' -N $selection" 2>/dev/null | grep -q '^Total Tests: [1-9]' || wrong "$page: 'ctest $selection' selects no test"
    done < <(grep -o '`ctest [^`]*`' "$page" | grep -oE -- "-[LR] ('[^']*'|[^ \`]*)" | sort -u)
    while read -r file; do
        [ -e "$file" ] || wrong "$page: there is no $file"
    done < <(grep -oE '`(scripts|tests)/[A-Za-z0-9_/.-]+' "$page" | tr -d '`' | sort -u)
}
for page in README.md src/*.md data/*/README.md; do check "$page"; done
rows=$(sed -n '/^## Guarantees/,/^Scope/p' README.md | grep -c '^| [A-Z]')
with_test=$(sed -n '/^## Guarantees/,/^Scope/p' README.md | grep '^| [A-Z]' | grep -cE '`(ctest|scripts/|tests/)')
[ "$rows" -ge 6 ] && [ "$rows" = "$with_test" ] || wrong "README.md: $rows promises, $with_test of them with a test"

# This test can fail.
[ $verdict = 0 ] || exit 1
page=$(mktemp)
trap 'rm -f "$page"' EXIT
for line in '`ctest -L no_such_label`' "\`ctest -R 'no_such_test_at_all'\`" '`scripts/no_such.sh`'; do
    echo "$line" >"$page"
    verdict=0
    check "$page" >/dev/null
    [ $verdict = 1 ] || { echo "not noticed: $line"; exit 1; }
done
