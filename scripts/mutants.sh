#!/bin/bash
# mutants.sh [NAME...]: does the test of the promise notice what would break it? Each patch of tests/mutants makes one mistake
# that costs the equal bits; applied to a copy of the tree, the tests that it names must turn red, each because something
# differs and not for another reason. Without a mistake they must be green. All of it in build-check/mutants.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
root=$PWD
work=$root/build-check/mutants
[ "$(id -u)" = 0 ] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
command -v patch >/dev/null || { echo "mutants.sh: no patch here (Debian package patch)" >&2; exit 2; }
cd tests/mutants || exit 2
names=${*:-$(ls *.patch)}
cd "$root" || exit 2
for name in $names; do [ -f "tests/mutants/${name%.patch}.patch" ] || { echo "mutants.sh: no tests/mutants/${name%.patch}.patch" >&2; exit 2; }; done

mkdir -p "$work/tree"
# Times are kept, so that a second run compiles what has changed.
tar -c --exclude='*.h5' CMakeLists.txt README.md LICENSE .clang-format include src tests scripts data | tar -x -C "$work/tree" || exit 2
# But what a patch once changed may stand in an object that is newer than its source now.
sed -n 's|^+++ b/||p' tests/mutants/*.patch | sort -u | (cd "$work/tree" && xargs touch)
[ -f "$work/build/CMakeCache.txt" ] || cmake -S "$work/tree" -B "$work/build" -G Ninja >"$work/log" 2>&1 || { cat "$work/log"; exit 2; }

build() { cmake --build "$work/build" -j "$(nproc)" --target lockstep make_data >"$work/log" 2>&1 || { tail -20 "$work/log"; return 1; }; }
# test_run TEST: passed, differs or broken.
test_run() {
    if ctest --test-dir "$work/build" -R "^$1\$" --no-tests=error --output-on-failure >"$work/log" 2>&1; then
        echo passed
    elif grep -q '^DIFFERENT' "$work/log"; then
        echo differs
    else
        echo broken
    fi
}

verdict=0 n=0
build || exit 1
all_tests=$(for name in $names; do sed -n 's/^Tests: //p' "tests/mutants/${name%.patch}.patch"; done | tr ' ' '\n' | sort -u)
for test in $all_tests; do
    result=$(test_run "$test")
    [ "$result" = passed ] || { echo "without a mistake $test $result:"; tail -30 "$work/log"; exit 1; }
done
echo "without a mistake: $(echo "$all_tests" | wc -l) tests pass"

for name in $names; do
    name=${name%.patch}
    patch=$root/tests/mutants/$name.patch
    n=$((n + 1))
    if ! patch -d "$work/tree" -p1 -s -F0 --no-backup-if-mismatch <"$patch" >"$work/log" 2>&1; then
        echo "$name: the patch no longer fits"
        cat "$work/log"
        verdict=1
        find "$work/tree" -name '*.rej' -delete
        tar -c src | tar -x -C "$work/tree"
        continue
    fi
    if build; then
        for test in $(sed -n 's/^Tests: //p' "$patch"); do
            result=$(test_run "$test")
            case $result in
            differs) echo "$name: $test sees it" ;;
            passed) echo "$name: $test does NOT see it"; verdict=1 ;;
            *) echo "$name: $test fails, but nothing differs:"; tail -15 "$work/log"; verdict=1 ;;
            esac
        done
    else
        echo "$name: does not compile"
        verdict=1
    fi
    patch -d "$work/tree" -p1 -s -R -F0 --no-backup-if-mismatch <"$patch" || exit 1
done
[ $verdict = 0 ] && echo "all $n mistakes are seen by every test that should see them"
exit $verdict
